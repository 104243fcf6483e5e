//! Real Kafka clients in pinned versions, installed once below `target/test-clients`, and driven by one JSON order each.
//!
//! Python clients live in a virtual environment, those of node in a directory of its packages, kcat comes from the system
//! and is left out, with a printed reason, where it is not installed.

use crate::binary::{target_dir, workspace_dir};
use crate::java_client::{java, order_lines};
use crate::jobs::{Fingerprint, Headers, Job, Seen, hex, parse_seen};
use crate::records::crc32;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Python packages: the clients, what they need for the codecs, and the reader of Prometheus' text.
const PYTHON_PACKAGES: [&str; 8] = [
    "confluent-kafka==2.16.1",
    "kafka-python==3.0.12",
    "aiokafka==0.14.0",
    "cramjam==2.14.0",
    "python-snappy==0.7.3",
    "lz4==4.4.5",
    "zstandard==0.25.0",
    "prometheus-client==0.23.1",
];
/// Node packages. kafkajs' own lz4 and zstd add-ons need a compiler at install, so portable codecs stand in for them.
const NODE_PACKAGES: [&str; 5] =
    ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0", "kafkajs-snappy@1.1.0", "lz4js@0.2.0", "zstd-codec@0.1.5"];
/// Ends a record in kcat's output; no test record holds it.
const KCAT_RECORD_END: &str = "\u{1e}\u{1e}\n";

/// A client under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RealClient {
    /// confluent-kafka, librdkafka's newest.
    Confluent,
    /// kafka-python, pure Python.
    KafkaPython,
    /// aiokafka, which speaks old protocol versions only.
    Aiokafka,
    /// kafkajs, which reads in groups only.
    Kafkajs,
    /// @platformatic/kafka, which speaks new protocol versions only.
    Platformatic,
    /// The Java client, where there is a Java.
    Java,
    /// kcat, an older librdkafka.
    Kcat,
}

impl RealClient {
    /// Every client of this machine.
    pub fn all() -> Vec<RealClient> {
        use RealClient::{Aiokafka, Confluent, Java, KafkaPython, Kafkajs, Kcat, Platformatic};
        let mut clients = vec![Confluent, KafkaPython, Aiokafka, Kafkajs, Platformatic];
        if java("JavaClient.java").is_some() {
            clients.push(Java);
        }
        if has_kcat() {
            clients.push(Kcat);
        }
        clients
    }

    /// A name for topics and messages.
    pub fn name(self) -> &'static str {
        match self {
            RealClient::Confluent => "confluent",
            RealClient::KafkaPython => "kafka-python",
            RealClient::Aiokafka => "aiokafka",
            RealClient::Kafkajs => "kafkajs",
            RealClient::Platformatic => "platformatic",
            RealClient::Java => "java",
            RealClient::Kcat => "kcat",
        }
    }

    /// Whether the client can read without a consumer group.
    pub fn reads(self) -> bool {
        self != RealClient::Kafkajs
    }

    /// Whether the client understands what was written. @platformatic/kafka takes snappy without the frames that most others put around it; Java
    /// takes no lz4 whose blocks depend on each other, which is how kafkajs' portable codec writes it.
    pub fn can_read(self, job: &Job) -> bool {
        match self {
            RealClient::Platformatic => job.codec != "snappy" || job.topic.starts_with(self.name()),
            RealClient::Java => job.codec != "lz4" || !job.topic.starts_with(RealClient::Kafkajs.name()),
            _ => true,
        }
    }

    /// The job as this client can do it: kcat sets no timestamps and has the same headers on every record.
    pub fn fit(self, job: Job) -> Job {
        match self {
            RealClient::Kcat => Job { timestamp_ms: None, headers: Headers::Fixed, ..job },
            // It is what these do unless told otherwise.
            RealClient::KafkaPython | RealClient::Java => Job { idempotent: true, ..job },
            _ => job,
        }
    }

    /// Produces the jobs one after the other; panics unless every record is acknowledged.
    pub fn produce(self, bootstrap: &str, jobs: &[Job]) {
        if self == RealClient::Kcat {
            for job in jobs {
                kcat_produce(bootstrap, job);
            }
            return;
        }
        let jobs_json: Vec<Value> = jobs.iter().map(Job::to_json).collect();
        let lines = self.run_jobs(&json!({"bootstrap": bootstrap, "produce": jobs_json}));
        for (job, line) in jobs.iter().zip(&lines) {
            assert_eq!(line["acknowledged"], json!(job.count), "{} producing to {}", self.name(), job.topic);
        }
        assert_eq!(lines.len(), jobs.len(), "{}: one line per job", self.name());
    }

    /// Reads whole topics.
    pub fn read(self, bootstrap: &str, topics: &[&str]) -> BTreeMap<String, Vec<Seen>> {
        match self {
            RealClient::Kafkajs => panic!("kafkajs has no consumer without a group"),
            RealClient::Kcat => topics.iter().map(|topic| ((*topic).to_owned(), kcat_read(bootstrap, topic))).collect(),
            _ => parse_seen(&self.run_jobs(&json!({"bootstrap": bootstrap, "read": topics}))),
        }
    }

    /// Consumes so many records of a topic in a group, commits, and leaves.
    pub fn consume(self, bootstrap: &str, group: &str, topic: &str, count: usize) -> Vec<Seen> {
        let order = json!({"group": group, "topic": topic, "count": count});
        let mut seen = parse_seen(&self.run_jobs(&json!({"bootstrap": bootstrap, "consume": [order]})));
        seen.remove(topic).unwrap_or_default()
    }

    /// Lets the client's administrator go through the life of a topic, and gives what it was told at each step.
    pub fn administer(self, bootstrap: &str, topic: &str) -> BTreeMap<String, Value> {
        let mut command = match self {
            RealClient::Confluent => python("confluent_admin.py"),
            RealClient::KafkaPython => python("kafka_python_admin.py"),
            RealClient::Kafkajs => node("kafkajs_admin.mjs"),
            RealClient::Platformatic => node("platformatic_admin.mjs"),
            RealClient::Java => {
                let mut command = java("JavaAdmin.java").expect("there is a Java");
                command.args([bootstrap, topic]);
                command
            }
            RealClient::Aiokafka | RealClient::Kcat => panic!("{} does not administer here", self.name()),
        };
        let lines = self.run(&mut command, &json!({"bootstrap": bootstrap, "topic": topic}).to_string());
        let step =
            |line: &Value| (line["step"].as_str().expect("a step has a name").to_owned(), line["result"].clone());
        lines.iter().map(step).collect()
    }

    /// Runs the client's script with an order and gives the JSON lines that it printed.
    fn run_jobs(self, order: &Value) -> Vec<Value> {
        let mut command = match self {
            RealClient::Confluent => python("confluent.py"),
            RealClient::KafkaPython => python("kafka_python.py"),
            RealClient::Aiokafka => python("aio.py"),
            RealClient::Kafkajs => node("kafkajs.mjs"),
            RealClient::Platformatic => node("platformatic.mjs"),
            RealClient::Java => {
                let mut command = java("JavaClient.java").expect("there is a Java");
                command.arg(order["bootstrap"].as_str().expect("an order says where the broker is"));
                return self.run(&mut command, &order_lines(order));
            }
            RealClient::Kcat => panic!("kcat is no script"),
        };
        self.run(&mut command, &order.to_string())
    }

    /// Runs a script with an order and gives the JSON lines that it printed.
    fn run(self, command: &mut Command, order: &str) -> Vec<Value> {
        let output = run_with_input(command, order.as_bytes());
        assert_success(self.name(), &output);
        let text = String::from_utf8(output.stdout).expect("the scripts print UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }
}

/// Whether kcat is installed; says so once if not.
pub fn has_kcat() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let found = Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success());
        if !found {
            println!("kcat is not installed here, so it is left out (Debian: apt-get install kcat)");
        }
        found
    })
}

/// A kcat command for this broker.
pub fn kcat(bootstrap: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", bootstrap]).args(arguments);
    command
}

/// Runs a command with this standard input and gives all it wrote.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    std::thread::scope(|scope| {
        // A second thread, since the client may fill its output before it has read all its input.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("a child can be waited for")
    })
}

/// Panics with all that a client said unless it succeeded.
pub fn assert_success(name: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}:\n{said}", output.status);
}

fn kcat_produce(bootstrap: &str, job: &Job) {
    let acks = format!("acks={}", job.acks);
    let mut input = Vec::new();
    for index in 0..job.count {
        input.extend_from_slice(job.key(index).unwrap_or_default().as_bytes());
        input.push(b'\t');
        input.extend_from_slice(&job.value(index).unwrap_or_default());
        input.push(b'\n');
    }
    let mut command = kcat(bootstrap, &["-P", "-t", &job.topic, "-K", "\\t", "-Z", "-X", &acks]);
    command.args(["-X", "message.max.bytes=4000000", "-X", "topic.partitioner=murmur2_random"]);
    if job.headers == Headers::Fixed {
        command.args(["-H", "origin=kcat"]);
    }
    if job.codec != "none" {
        command.args(["-z", job.codec]);
    }
    assert_success("kcat -P", &run_with_input(&mut command, &input));
}

fn kcat_read(bootstrap: &str, topic: &str) -> Vec<Seen> {
    let format = "%p %o %T %K %S\\n%k%s%h\\x1e\\x1e\\n";
    let mut command = kcat(bootstrap, &["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format]);
    let output = run_with_input(command.args(["-X", "check.crcs=true", "-X", "fetch.wait.max.ms=20"]), b"");
    assert_success("kcat -C", &output);
    let mut seen = Vec::new();
    let mut rest = output.stdout.as_slice();
    while !rest.is_empty() {
        seen.push(take_kcat_record(&mut rest));
    }
    seen
}

/// Takes one record off kcat's output: a line of numbers, then the key, the value and the headers.
fn take_kcat_record(rest: &mut &[u8]) -> Seen {
    let line_end = rest.iter().position(|byte| *byte == b'\n').expect("a line of numbers");
    let line = std::str::from_utf8(&rest[..line_end]).expect("numbers are text");
    let numbers: Vec<i64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
    let &[partition, offset, timestamp_ms, key_len, value_len] = numbers.as_slice() else {
        panic!("five numbers, not {line}")
    };
    let body = &rest[line_end + 1..];
    let (key, body) = body.split_at(usize::try_from(key_len).unwrap_or(0));
    let (value, body) = body.split_at(usize::try_from(value_len).unwrap_or(0));
    let end = KCAT_RECORD_END.as_bytes();
    let headers_len = body.windows(end.len()).position(|window| window == end).expect("the end of a record");
    let record = Fingerprint {
        key: (key_len >= 0).then(|| hex(key)),
        value_len,
        value_crc: if value_len < 0 { 0 } else { crc32(value) },
        headers: parse_kcat_headers(&body[..headers_len]),
        timestamp_ms: Some(timestamp_ms),
    };
    *rest = &body[headers_len + end.len()..];
    Seen { partition: i32::try_from(partition).expect("a partition"), offset, record }
}

fn parse_kcat_headers(text: &[u8]) -> Vec<(String, Option<String>)> {
    let headers = text.split(|byte| *byte == b',').filter(|header| !header.is_empty());
    let pair = |header: &[u8]| {
        let equals = header.iter().position(|byte| *byte == b'=').expect("name=value");
        (String::from_utf8_lossy(&header[..equals]).into_owned(), Some(hex(&header[equals + 1..])))
    };
    headers.map(pair).collect()
}

/// A Python script of `tests/clients`, with the clients at hand.
pub fn python(script: &str) -> Command {
    let mut command = Command::new(python_environment().join("bin/python"));
    // No __pycache__ in the source tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(scripts_dir().join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.env("RINGMAIN_NODE_PACKAGES", node_packages()).arg(scripts_dir().join(script));
    command
}

/// Where the clients' programs are.
pub fn scripts_dir() -> PathBuf {
    workspace_dir().join("tests/clients")
}

/// The virtual environment with the Python clients, installed at first use.
fn python_environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        installed("venv", &PYTHON_PACKAGES, |directory| {
            run_installer(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory));
            let mut pip = Command::new(directory.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]);
            run_installer(pip.args(PYTHON_PACKAGES));
        })
    })
}

/// The directory whose `node_modules` holds the clients of node, installed at first use.
fn node_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        installed("node", &NODE_PACKAGES, |directory| {
            fs::write(directory.join("package.json"), "{\"private\": true}\n").expect("package.json");
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]).args(NODE_PACKAGES);
            run_installer(npm.current_dir(directory));
        })
    })
}

/// Installs into a directory once per set of pins. A lock file keeps two test processes apart; the stamp is written last.
fn installed(name: &str, packages: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let clients_dir = target_dir().join("test-clients");
    let directory = clients_dir.join(name);
    fs::create_dir_all(&directory).expect("a directory for the clients");
    let lock = File::create(clients_dir.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock file can be locked");
    let stamp_path = clients_dir.join(format!("{name}.stamp"));
    let stamp = packages.join("\n");
    if fs::read_to_string(&stamp_path).is_ok_and(|found| found == stamp) {
        return directory;
    }
    println!("installing {} into {}", packages.join(" "), directory.display());
    install(&directory);
    fs::write(&stamp_path, stamp).expect("a stamp");
    directory
}

fn run_installer(command: &mut Command) {
    let line = format!("{command:?}");
    let output = command.output().unwrap_or_else(|e| panic!("the real clients need {line}, which does not start: {e}"));
    assert!(
        output.status.success(),
        "the real clients could not be installed (is the package registry reachable?)\n{line}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
