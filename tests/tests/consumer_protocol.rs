//! Groups of the consumer protocol (KIP-848) with real clients: shares, members that die, regular expressions, static members, groups that change
//! their protocol under way, and a broker that dies under a running group.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, CreatePartitionsRequest, GroupId, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;
use tests::calls::{partition, topic_name};
use tests::clock::Stopwatch;
use tests::group_member::{Member, Membership, Protocol, wait_for_records, wait_for_shares};
use tests::java_client::java;
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server};

const SESSION_MS: u32 = 6_000;
const GROUP: &str = "billing";

/// A server whose sessions are as short as those of the classic groups under test.
fn start(name: &str) -> Server {
    let file = tests::binary::target_dir().join(format!("{name}.toml"));
    let settings = format!(
        "\"group.consumer.min.session.timeout.ms\" = {SESSION_MS}\n\
         \"group.consumer.session.timeout.ms\" = {SESSION_MS}\n\
         \"group.consumer.min.heartbeat.interval.ms\" = 500\n\
         \"group.consumer.heartbeat.interval.ms\" = 500\n"
    );
    std::fs::write(&file, settings).expect("a configuration file");
    Server::start(Options::named(name).with_arguments(&["--config", file.to_str().expect("a plain path")]))
}

fn orders(server: &Server) -> Membership {
    Client::connect(server.address()).create_topic("orders", 6, &[]);
    Membership {
        bootstrap: server.bootstrap(),
        group: GROUP.to_owned(),
        topic: "orders".to_owned(),
        strategy: "range",
        session_ms: SESSION_MS,
        protocol: Protocol::Consumer,
        instance: None,
    }
}

fn members(count: usize, membership: &Membership) -> Vec<Member> {
    (0..count).map(|number| Member::start(&format!("member-{number}"), membership)).collect()
}

fn append_to_all(client: &mut Client, topic: &str, partitions: i32, text: &str) {
    for index in 0..partitions {
        client.append(partition(topic, index), records::batch_of(1_000, &[text.to_owned()]));
    }
}

/// State and number of members, as tools see them; none while the group is being loaded.
fn described(client: &mut Client) -> Option<(String, usize)> {
    let names = vec![GroupId(StrBytes::from_static_str(GROUP))];
    let answer = client.call(1, &ConsumerGroupDescribeRequest::default().with_group_ids(names));
    let group = &answer.groups[0];
    (group.error_code == 0).then(|| (group.group_state.to_string(), group.members.len()))
}

fn listed_types(client: &mut Client) -> Vec<String> {
    let answer = client.call(5, &ListGroupsRequest::default());
    answer.groups.iter().map(|group| group.group_type.to_string()).collect()
}

#[test]
fn three_members_share_six_partitions_and_the_share_of_one_that_is_killed_moves_within_its_session() {
    let server = start("kip848-three-members");
    let membership = orders(&server);
    let mut control = Client::connect(server.address());
    let mut group = members(3, &membership);
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    append_to_all(&mut control, "orders", 6, "one");
    wait_for_records(&mut group, 6);
    assert_eq!(described(&mut control), Some(("Stable".to_owned(), 3)));
    assert_eq!(listed_types(&mut control), ["consumer"]);
    group.remove(1).kill_9();
    let took = wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    let limit = Duration::from_millis(u64::from(SESSION_MS)) + Duration::from_secs(5);
    assert!(took < limit, "the share of the dead member moved after {took:?}");
    println!("the share of the dead member moved after {took:?}");
    // Who goes in good order is not waited for.
    let watch = Stopwatch::start();
    group.remove(0).leave();
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    assert!(watch.elapsed() < Duration::from_millis(u64::from(SESSION_MS)), "{:?}", watch.elapsed());
    append_to_all(&mut control, "orders", 6, "two");
    let read_before = group[0].read.len();
    wait_for_records(&mut group, read_before + 6);
    assert!(group[0].read.iter().skip(read_before).all(|(_, offset)| *offset == 1), "{:?}", group[0].read);
}

#[test]
fn members_beyond_the_partitions_are_idle() {
    let server = start("kip848-eight-members");
    let membership = orders(&server);
    let mut group = members(8, &membership);
    wait_for_shares(&mut group, &[&[], &[], &[0], &[1], &[2], &[3], &[4], &[5]]);
}

#[test]
fn a_regular_expression_covers_topics_that_are_created_and_grow_later() {
    let server = start("kip848-pattern");
    let mut control = Client::connect(server.address());
    let membership = Membership { topic: "^orders-.*".to_owned(), strategy: "uniform", ..orders(&server) };
    control.create_topic("orders-eu", 2, &[]);
    let mut group = members(1, &membership);
    wait_for_shares(&mut group, &[&[0, 1]]);
    control.create_topic("orders-us", 1, &[]);
    control.create_topic("old-orders-us", 1, &[]);
    wait_for_shares(&mut group, &[&[0, 0, 1]]);
    append_to_all(&mut control, "orders-us", 1, "one");
    wait_for_records(&mut group, 1);
    let grown =
        CreatePartitionsTopic::default().with_name(topic_name("orders-us")).with_count(3).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![grown]).with_timeout_ms(10_000);
    assert_eq!(control.call(3, &request).results[0].error_code, 0, "CreatePartitions");
    wait_for_shares(&mut group, &[&[0, 0, 1, 1, 2]]);
    group.extend(members(1, &membership));
    let watch = Stopwatch::start();
    while described(&mut control) != Some(("Stable".to_owned(), 2)) {
        group.iter_mut().for_each(|member| member.listen(Duration::from_millis(20)));
        assert!(watch.elapsed() < Duration::from_secs(30), "{:?}", described(&mut control));
    }
    let mut sizes: Vec<usize> = group.iter().map(|member| member.assigned.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3]);
}

#[test]
fn a_running_group_goes_on_after_the_broker_was_killed() {
    let mut server = start("kip848-killed-broker");
    let membership = orders(&server);
    let mut group = members(3, &membership);
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    append_to_all(&mut Client::connect(server.address()), "orders", 6, "one");
    wait_for_records(&mut group, 6);
    server.kill_9();
    server.restart();
    let mut control = Client::connect(server.address());
    append_to_all(&mut control, "orders", 6, "two");
    wait_for_records(&mut group, 12);
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    for member in &group {
        assert!(member.read.iter().all(|(_, offset)| *offset < 2), "{:?}", member.read);
    }
    assert_eq!(described(&mut control), Some(("Stable".to_owned(), 3)));
    // The group is as alive as before.
    group.remove(2).kill_9();
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let server = start("kip848-static");
    let membership = orders(&server);
    let static_one = Membership { instance: Some("one".to_owned()), ..membership.clone() };
    let mut group = vec![Member::start("static", &static_one)];
    group.extend(members(1, &membership));
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    group.remove(0).leave();
    group.push(Member::start("static-again", &static_one));
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    assert_eq!(group[0].assigned, [3, 4, 5], "nothing moved meanwhile");
}

#[test]
fn members_move_from_the_classic_protocol_to_the_newer_one_and_back_one_by_one() {
    let server = start("kip848-migration");
    let newer = orders(&server);
    let classic = Membership { protocol: Protocol::Classic, ..newer.clone() };
    let mut control = Client::connect(server.address());
    let mut group = members(2, &classic);
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    append_to_all(&mut control, "orders", 6, "one");
    wait_for_records(&mut group, 6);
    group.extend(members(1, &newer));
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    assert_eq!(listed_types(&mut control), ["consumer"]);
    group.remove(0).leave();
    group.remove(0).leave();
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    append_to_all(&mut control, "orders", 6, "two");
    wait_for_records(&mut group, 6);
    assert!(group[0].read.iter().all(|(_, offset)| *offset == 1), "what was committed holds: {:?}", group[0].read);
    // Back again.
    group.extend(members(1, &classic));
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    group.remove(0).leave();
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    assert_eq!(listed_types(&mut control), ["classic"]);
    append_to_all(&mut control, "orders", 6, "three");
    wait_for_records(&mut group, 6);
    assert!(group[0].read.iter().all(|(_, offset)| *offset == 2), "{:?}", group[0].read);
}

#[test]
fn java_s_consumers_share_a_group_with_librdkafka_s_and_its_administrator_sees_them() {
    let mut server = start("kip848-java");
    let membership = orders(&server);
    let Some(first) = Member::start_java(&membership) else { return };
    let mut group = vec![first];
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    let everywhere = Membership { topic: "^ord.*".to_owned(), ..membership.clone() };
    group.extend(Member::start_java(&everywhere));
    group.extend(members(1, &membership));
    wait_for_shares(&mut group, &[&[0, 1], &[2, 3], &[4, 5]]);
    append_to_all(&mut Client::connect(server.address()), "orders", 6, "one");
    wait_for_records(&mut group, 6);
    let mut administrator = java("GroupMember.java").expect("it was there a moment ago");
    let described = administrator.args(["describe", &server.bootstrap(), GROUP]).output().expect("Java starts");
    assert_eq!(
        String::from_utf8_lossy(&described.stdout).trim(),
        r#"{"state":"Stable","type":"Consumer","assignor":"range","members":3,"owned":6}"#
    );
    server.kill_9();
    server.restart();
    append_to_all(&mut Client::connect(server.address()), "orders", 6, "two");
    wait_for_records(&mut group, 12);
    group.remove(0).kill_9();
    wait_for_shares(&mut group, &[&[0, 1, 2], &[3, 4, 5]]);
    group.remove(0).leave();
    wait_for_shares(&mut group, &[&[0, 1, 2, 3, 4, 5]]);
    let read: usize = group.iter().map(|member| member.read.len()).sum();
    assert!(read < 12, "what was committed is not read again: {read}");
}
