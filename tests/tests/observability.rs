//! What a running node tells of itself: metrics that Prometheus reads, health, and where requests spend their time.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tests::calls::partition;
use tests::clock::{Stopwatch, pause};
use tests::jobs::Job;
use tests::kafka::Client;
use tests::real_clients::{RealClient, assert_success, python, run_with_input};
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const RECORDS: usize = 500;
const COMMITTED_LATE: Duration = Duration::from_secs(20);

/// Status and body of one HTTP request.
fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the endpoint accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option exists");
    stream.write_all(request.as_bytes()).expect("the endpoint reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the endpoint answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: node\r\n\r\n"))
}

/// A scrape as Prometheus' own parser understands it: families by name.
struct Scrape(BTreeMap<String, Value>);

impl Scrape {
    fn of(server: &Server) -> Scrape {
        let (status, text) = get(server.ready().metrics, "/metrics");
        assert_eq!(status, 200, "{text}");
        let output = run_with_input(&mut python("prometheus.py"), text.as_bytes());
        assert_success("prometheus_client.parser", &output);
        let lines = String::from_utf8(output.stdout).expect("JSON");
        let families = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).map(|family: Value| {
            let name = family["name"].as_str().expect("a name").to_owned();
            (name, family)
        });
        Scrape(families.collect())
    }

    /// The sum over the samples of this name whose labels have these values.
    fn sum(&self, family: &str, sample: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.0.get(family).unwrap_or_else(|| panic!("no family {family}"));
        let samples = family["samples"].as_array().expect("samples");
        let wanted = samples
            .iter()
            .filter(|found| found[0] == sample && labels.iter().all(|(name, value)| found[1][name] == *value));
        wanted.map(|found| found[2].as_f64().expect("a number")).sum()
    }
}

#[test]
fn prometheus_reads_what_a_node_tells_and_the_numbers_are_those_of_the_clients() {
    let server = Server::start(Options::named("metrics"));
    let mut client = Client::connect(server.address());
    client.create_topic("orders", 3, &[]);
    let job = Job { count: RECORDS, ..Job::ordinary("orders".to_owned(), "none") };
    RealClient::Confluent.produce(&server.bootstrap(), &[job]);
    let seen = RealClient::Confluent.consume(&server.bootstrap(), "billing", "orders", RECORDS);
    assert_eq!(seen.len(), RECORDS);
    // Behind what the group has committed.
    client.append(partition("orders", 0), records::batch_of(1_000, &["one".to_owned(), "two".to_owned()]));

    let scrape = Scrape::of(&server);
    for (name, family) in &scrape.0 {
        assert!(name.starts_with("ringmain_"), "{name}");
        assert!(!family["help"].as_str().expect("help").is_empty(), "{name} says what it is");
        assert_ne!(family["type"], "unknown", "{name}");
    }
    let orders = [("topic", "orders")];
    let produced = scrape.sum("ringmain_topic_produced_records", "ringmain_topic_produced_records_total", &orders);
    assert_eq!(produced, RECORDS as f64 + 2.0);
    let consumed = scrape.sum("ringmain_topic_consumed_bytes", "ringmain_topic_consumed_bytes_total", &orders);
    let produced = scrape.sum("ringmain_topic_produced_bytes", "ringmain_topic_produced_bytes_total", &orders);
    assert!(consumed > 0.0 && produced > consumed / 2.0, "{produced} in, {consumed} out");
    assert_eq!(scrape.sum("ringmain_topic_partitions", "ringmain_topic_partitions", &orders), 3.0);
    let lag = scrape.sum("ringmain_group_lag_records", "ringmain_group_lag_records", &[("group", "billing")]);
    assert_eq!(lag, 2.0);
    let (shards, reporting) = ("ringmain_shards", "ringmain_shards_reporting");
    assert_eq!(scrape.sum(reporting, reporting, &[]), f64::from(server.ready().shards));
    assert_eq!(scrape.sum(shards, shards, &[]), f64::from(server.ready().shards));
    assert!(scrape.sum("ringmain_connections_open", "ringmain_connections_open", &[]) >= 1.0);
    let journal = scrape.sum("ringmain_journal_written_bytes", "ringmain_journal_written_bytes_total", &[]);
    assert!(journal > produced, "{journal} bytes in the journal for {produced} of the topic");
    // Of a histogram everything is there, and its parts agree.
    let duration = "ringmain_request_duration_seconds";
    let count = scrape.sum(duration, &format!("{duration}_count"), &[("api", "Produce")]);
    let all = scrape.sum(duration, &format!("{duration}_bucket"), &[("api", "Produce"), ("le", "+Inf")]);
    assert!(count >= 1.0 && count == all, "{count} {all}");
    let whole = scrape.sum(duration, &format!("{duration}_sum"), &[("api", "Produce")]);
    let stage = "ringmain_request_stage_duration_seconds";
    let stages = scrape.sum(stage, &format!("{stage}_sum"), &[("api", "Produce")]);
    assert!((whole - stages).abs() <= 1e-6 * whole, "the stages sum to {stages} s, the requests to {whole} s");
}

#[test]
fn the_stages_of_requests_under_load_sum_to_what_the_clients_wait_for() {
    let server = Server::start(Options::named("latency"));
    let mut client = Client::connect(server.address());
    client.create_topic("orders", 4, &[]);
    let rounds = 300;
    let batch = records::batch_of(1_000, &["x".repeat(1_000)]);
    let mut waited = Duration::ZERO;
    for round in 0..rounds {
        let watch = Stopwatch::start();
        client.append(partition("orders", round % 4), batch.clone());
        waited += watch.elapsed();
    }
    let metrics = server.ready().metrics.to_string();
    let json = ["latency", "--by", "stage", "--api", "Produce", "--json", "--metrics", &metrics];
    let (status, text) = run_ringmain(&json);
    assert!(status.success(), "{text}");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let of = |row: &Value, field: &str| row[field].as_f64().expect("a number");
    let whole = rows.iter().find(|row| row["stage"].is_null()).expect("a row for the whole");
    let stages: Vec<&Value> = rows.iter().filter(|row| row["stage"].is_string()).collect();
    assert_eq!(of(whole, "requests"), f64::from(rounds));
    let (sum, end_to_end) = (stages.iter().map(|row| of(row, "sum_ms")).sum::<f64>(), of(whole, "sum_ms"));
    assert!((sum - end_to_end).abs() <= 0.05 * end_to_end, "{sum} ms in stages, {end_to_end} ms end to end");
    // The client cannot have waited for less than the node has worked; what it has waited for besides is its own and the loopback's.
    let waited_ms = waited.as_secs_f64() * 1e3;
    assert!(end_to_end <= waited_ms && end_to_end >= 0.3 * waited_ms, "{end_to_end} ms of {waited_ms} ms");
    let names: Vec<&str> = stages.iter().filter_map(|row| row["stage"].as_str()).collect();
    let local = ["admit", "decode", "append", "group", "device_write", "device_sync", "mesh_back", "queue", "send"];
    assert!(local.iter().all(|stage| names.contains(stage)), "{names:?}");
    let has_mesh = names.contains(&"mesh_out");
    assert_eq!(
        has_mesh,
        server.ready().shards > 1,
        "partitions of another shard are reached through the mesh: {names:?}"
    );

    let (status, text) = run_ringmain(&["latency", "--by", "shard", "--metrics", &metrics]);
    assert!(status.success() && text.contains("Produce"), "{text}");
    let out = server.data_dir().join("histogram");
    let out = out.to_str().expect("a plain path");
    let (status, text) = run_ringmain(&["latency", "--by", "api", "--hdr-out", out, "--metrics", &metrics]);
    assert!(status.success(), "{text}");
    let histogram = std::fs::read_to_string(format!("{out}.Produce.hgrm")).expect("the file was written");
    assert!(histogram.contains(&format!("Total count    = {rounds:>12}")), "{histogram}");
}

#[test]
fn a_wait_for_records_is_told_apart_from_the_work() {
    let server = Server::start(Options::named("long-poll"));
    let mut client = Client::connect(server.address());
    client.create_topic("quiet", 1, &[]);
    assert_eq!(client.fetch(partition("quiet", 0), 0, 300, 1).high_watermark, 0);
    let json = ["latency", "--api", "fetch", "--json", "--metrics", &server.ready().metrics.to_string()];
    let (status, text) = run_ringmain(&json);
    assert!(status.success(), "{text}");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let waits = rows.iter().find(|row| row["stage"] == "long_poll").unwrap_or_else(|| panic!("no wait in {text}"));
    let reads = rows.iter().find(|row| row["stage"] == "read").expect("a read");
    let sum = |row: &Value| row["sum_ms"].as_f64().expect("a number");
    assert!(sum(waits) >= 250.0 && sum(reads) < 100.0, "{text}");
}

#[test]
fn a_node_says_that_it_is_ready_and_what_is_no_request_gets_an_error() {
    let mut server = Server::start(Options::named("health"));
    let address = server.ready().metrics;
    assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/readyz?verbose"), (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/nothing").0, 404);
    assert_eq!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").0, 405);
    assert_eq!(ask(address, "HEAD /healthz HTTP/1.1\r\n\r\n"), (200, String::new()));
    assert_eq!(ask(address, "hello\r\n\r\n").0, 400);
    assert_eq!(ask(address, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000))).0, 400);
    // Who connects and says nothing keeps nobody else waiting, and does not hold up the stop.
    let _silent = TcpStream::connect(address).expect("the endpoint accepts");
    assert_eq!(get(address, "/healthz").0, 200);
    server.terminate();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_second_node_with_the_same_address_for_metrics_is_refused_and_one_that_chose_none_runs() {
    let server = Server::start(Options::named("taken"));
    let taken = server.ready().metrics.to_string();
    let data = server.data_dir().join("second");
    let data = data.to_str().expect("a plain path");
    let listen = ["serve", "--listen", "127.0.0.1:0", "--cores", "0", "--data", data, "--metrics-listen", &taken];
    let (status, said) = run_ringmain(&listen);
    assert!(!status.success() && said.contains("--metrics-listen"), "{said}");
    let (status, said) = run_ringmain(&["latency", "--metrics", "127.0.0.1:1"]);
    assert!(!status.success() && said.contains("--metrics HOST:PORT"), "{said}");
}

#[test]
fn scrapes_go_on_while_records_come() {
    let server = Server::start(Options::named("scrapes"));
    let mut client = Client::connect(server.address());
    client.create_topic("orders", 2, &[]);
    let metrics = server.ready().metrics;
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        let scraping = scope.spawn(|| {
            let mut texts = Vec::new();
            for _ in 0..20 {
                texts.push(get(metrics, "/metrics"));
            }
            texts
        });
        let batch = records::batch_of(1_000, &["x".to_owned()]);
        let mut appended = 0;
        while !scraping.is_finished() || appended < 20 {
            client.append(partition("orders", appended % 2), batch.clone());
            appended += 1;
            assert!(watch.elapsed() < COMMITTED_LATE, "scrapes take their time");
            pause(Duration::from_millis(1));
        }
        for (status, text) in scraping.join().expect("no scrape fails") {
            assert_eq!(status, 200);
            assert!(text.contains("ringmain_shards_reporting"), "{text}");
        }
    });
}
