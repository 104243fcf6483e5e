//! Consumer groups of real clients: shares, members that die, offsets that outlive the broker.

use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::calls::{partition, topic_name};
use tests::group_member::{Member, Membership, Protocol, wait_for_records, wait_for_shares};
use tests::jobs::Job;
use tests::kafka::Client;
use tests::real_clients::{RealClient, assert_success, has_kcat, kcat, run_with_input};
use tests::records;
use tests::server::{Options, Server};

const SESSION_MS: u32 = 6_000;
const OFFSETS_TOPIC: &str = "__consumer_offsets";

fn orders(server: &Server) -> Membership {
    Client::connect(server.address()).create_topic("orders", 6, &[]);
    Membership {
        bootstrap: server.bootstrap(),
        group: "billing".to_owned(),
        topic: "orders".to_owned(),
        strategy: "range",
        session_ms: SESSION_MS,
        protocol: Protocol::Classic,
        instance: None,
    }
}

fn members(count: usize, membership: &Membership) -> Vec<Member> {
    (0..count).map(|number| Member::start(&format!("member-{number}"), membership)).collect()
}

/// What the group has committed, by partition; -1 where nothing is.
fn committed(server: &Server, group: &str, topic: &str, partitions: i32) -> Vec<i64> {
    let topics = OffsetFetchRequestTopics::default()
        .with_name(topic_name(topic))
        .with_partition_indexes((0..partitions).collect());
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_topics(Some(vec![topics]));
    let answer = Client::connect(server.address()).call(8, &OffsetFetchRequest::default().with_groups(vec![group]));
    assert_eq!(answer.groups[0].error_code, 0, "OffsetFetch");
    answer.groups[0].topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
}

#[test]
fn three_members_share_six_partitions_and_the_share_of_one_that_is_killed_moves_on() {
    let server = Server::start(Options::named("three-members"));
    let membership = orders(&server);
    let mut control = Client::connect(server.address());
    let mut group = members(3, &membership);
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    for index in 0..6 {
        control
            .append(partition("orders", index), records::batch_of(1_000, &["first".to_owned(), "second".to_owned()]));
    }
    wait_for_records(&mut group, 12);
    assert_eq!(committed(&server, "billing", "orders", 6), vec![2; 6]);
    group.remove(1).kill_9();
    let took = wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    let limit = Duration::from_millis(u64::from(SESSION_MS)) + Duration::from_secs(10);
    assert!(took < limit, "the share of the dead member moved after {took:?}");
    // Who goes in good order is not waited for.
    group.remove(0).leave();
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    let read: usize = group.iter().map(|member| member.read.len()).sum();
    assert!(read <= 12, "nothing is read twice by who took over: {read}");
}

#[test]
fn members_beyond_the_partitions_are_idle() {
    let server = Server::start(Options::named("eight-members"));
    let membership = orders(&server);
    let mut group = members(8, &membership);
    wait_for_shares(&mut group, &[&[], &[], &[0], &[1], &[2], &[3], &[4], &[5]]);
}

#[test]
fn cooperative_members_keep_what_does_not_move() {
    let server = Server::start(Options::named("cooperative"));
    let membership = Membership { strategy: "cooperative-sticky", ..orders(&server) };
    let mut control = Client::connect(server.address());
    let mut group = members(1, &membership);
    control.append(partition("orders", 0), records::batch_of(1_000, &["one".to_owned()]));
    wait_for_records(&mut group, 1);
    group.extend(members(1, &membership));
    control.append(partition("orders", 0), records::batch_of(1_000, &["two".to_owned()]));
    wait_for_records(&mut group, 2);
    assert_eq!(committed(&server, "billing", "orders", 1), vec![2]);
}

#[test]
fn every_client_consumes_in_a_group_and_goes_on_where_it_was_after_the_broker_was_killed() {
    let mut server = Server::start(Options::named("group-clients"));
    let clients = RealClient::all().into_iter().filter(|&client| client != RealClient::Kcat);
    let clients: Vec<RealClient> = clients.collect();
    let of_each = clients.into_iter().map(|client| (client, Job::ordinary(format!("{}-group", client.name()), "none")));
    let jobs: BTreeMap<RealClient, Job> = of_each.collect();
    for job in jobs.values() {
        Client::connect(server.address()).create_topic(&job.topic, 3, &[]);
    }
    let bootstrap = server.bootstrap();
    // Each has groups of its own and mostly waits for them, so all consume at once.
    at_once(&jobs, |client, job| {
        RealClient::Confluent.produce(&bootstrap, std::slice::from_ref(job));
        let seen = client.consume(&bootstrap, &format!("readers-{}", client.name()), &job.topic, job.count);
        job.assert_equal(&seen, client.name());
    });
    server.kill_9();
    server.restart();
    let bootstrap = server.bootstrap();
    let mut ends = BTreeMap::new();
    for (client, job) in &jobs {
        let mut control = Client::connect(server.address());
        let of_topic: Vec<i64> = (0..3).map(|index| control.end_offset(partition(&job.topic, index))).collect();
        let group = format!("readers-{}", client.name());
        assert_eq!(committed(&server, &group, &job.topic, 3), of_topic, "{}", client.name());
        ends.insert(*client, of_topic);
    }
    at_once(&jobs, |client, job| {
        // Only what is new comes.
        RealClient::Confluent.produce(&bootstrap, std::slice::from_ref(job));
        let seen = client.consume(&bootstrap, &format!("readers-{}", client.name()), &job.topic, job.count);
        let is_new = |partition: i32, offset: i64| offset >= ends[&client][usize::try_from(partition).expect("one")];
        assert!(
            seen.iter().all(|seen| is_new(seen.partition, seen.offset)),
            "{} reads what was committed again",
            client.name()
        );
        assert_eq!(seen.len(), job.count, "{}", client.name());
        // Another group has all of it.
        let others = format!("others-{}", client.name());
        let whole = client.consume(&bootstrap, &others, &job.topic, 2 * job.count);
        assert_eq!(whole.len(), 2 * job.count, "{}", client.name());
    });
}

/// Does the same with every client, all at the same time.
fn at_once(jobs: &BTreeMap<RealClient, Job>, act: impl Fn(RealClient, &Job) + Sync) {
    std::thread::scope(|scope| {
        for (&client, job) in jobs {
            let act = &act;
            scope.spawn(move || act(client, job));
        }
    });
}

#[test]
fn kcat_consumes_in_a_group_and_reads_the_offsets_topic() {
    if !has_kcat() {
        return;
    }
    let server = Server::start(Options::named("kcat-group"));
    Client::connect(server.address()).create_topic("lines", 2, &[]);
    let lines: String = (0..100).map(|number| format!("line {number}\n")).collect();
    let produce = |text: &str| {
        let mut produce = kcat(&server.bootstrap(), &["-P", "-t", "lines", "-p", "1"]);
        assert_success("kcat -P", &run_with_input(&mut produce, text.as_bytes()));
    };
    let consume = |count: &str| {
        let arguments = ["-G", "readers", "-c", count, "-q", "-X", "auto.offset.reset=earliest", "lines"];
        let consumed = run_with_input(&mut kcat(&server.bootstrap(), &arguments), b"");
        assert_success("kcat -G", &consumed);
        String::from_utf8_lossy(&consumed.stdout).into_owned()
    };
    produce(&lines);
    assert_eq!(consume("100"), lines);
    produce("later\n");
    assert_eq!(consume("1"), "later\n");
    let arguments = ["-C", "-t", OFFSETS_TOPIC, "-o", "beginning", "-e", "-q", "-f", "%K %S\\n"];
    let offsets = run_with_input(&mut kcat(&server.bootstrap(), &arguments), b"");
    assert_success("kcat -C", &offsets);
    let sizes = String::from_utf8_lossy(&offsets.stdout).into_owned();
    // The key of a group of this name, and that of its offset in this topic.
    let group_key = 2 + 2 + "readers".len();
    let offset_key = group_key + 2 + "lines".len() + 4;
    for key in [group_key, offset_key] {
        assert!(sizes.lines().any(|line| line.starts_with(&format!("{key} "))), "no key of {key} bytes:\n{sizes}");
    }
}
