//! The administrators of unmodified Kafka clients go through the life of a topic: created, enlarged, described, configured, cut,
//! deleted. And our own command line does the same.

use serde_json::{Value, json};
use tests::calls::partition;
use tests::group_member::{Member, Membership, Protocol, wait_for_records, wait_for_shares};
use tests::kafka::Client;
use tests::real_clients::RealClient;
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const TOPIC: &str = "administered";

/// Lets a client administer a fresh server, and compares what it was told with what Kafka tells.
fn assert_told(client: RealClient, expected: &[(&str, Value)]) {
    let server = Server::start(Options::named(&format!("{}-admin", client.name())));
    let told = client.administer(&server.bootstrap(), TOPIC);
    for (step, expected) in expected {
        assert_eq!(told.get(*step), Some(expected), "{}: {step}; in all: {told:#?}", client.name());
    }
}

#[test]
fn confluent_kafka_administers() {
    let only = |result: Value| json!({ TOPIC: result });
    assert_told(
        RealClient::Confluent,
        &[
            ("validate", only(Value::Null)),
            ("create", only(Value::Null)),
            ("create again", only(json!("TOPIC_ALREADY_EXISTS"))),
            ("create badly", json!({ "administered-bad": "INVALID_CONFIG" })),
            ("grow", only(Value::Null)),
            ("shrink", only(json!("INVALID_PARTITIONS"))),
            ("list", json!(5)),
            ("describe", json!([TOPIC, 5, false])),
            ("cluster", json!([1, 1, true])),
            ("config", json!(["3600000", false, false])),
            ("set", Value::Null),
            ("append", Value::Null),
            ("subtract", Value::Null),
            ("delete", Value::Null),
            ("set badly", json!("INVALID_CONFIG")),
            ("set unknown", json!("INVALID_CONFIG")),
            ("after", json!(["7000", "delete", "604800000"])),
            ("replace", only(Value::Null)),
            ("replaced", json!(["604800000", "5000"])),
            ("broker config", json!(["1", false, true])),
            ("set broker", Value::Null),
            ("set static", json!("INVALID_REQUEST")),
            ("follows", json!("9000")),
            ("cut", json!([4])),
            ("acls", only(json!("SECURITY_DISABLED"))),
            ("remove", only(Value::Null)),
            ("remove again", only(json!("UNKNOWN_TOPIC_OR_PART"))),
        ],
    );
}

#[test]
fn kafka_python_administers() {
    let bad_value = "[Error 40] InvalidConfigurationError: Invalid value soon for configuration segment.ms: Not a number of type LONG";
    assert_told(
        RealClient::KafkaPython,
        &[
            ("validate", Value::Null),
            ("create", Value::Null),
            ("create again", json!("TopicAlreadyExistsError")),
            ("grow", Value::Null),
            ("shrink", json!("InvalidPartitionsError")),
            ("list", json!(true)),
            ("describe", json!([5])),
            ("cluster", json!([1, 1])),
            ("config", json!("3600000")),
            ("alter", Value::Null),
            ("after", json!(["7000", "delete,compact", "3600000"])),
            ("alter badly", json!({ "topic": { TOPIC: bad_value } })),
            ("broker config", json!("1")),
            ("policy", Value::Null),
            ("cut", json!([4])),
            ("dirs", json!([[TOPIC, 5]])),
            ("elect", json!(true)),
            ("moves", json!({})),
            ("remove", Value::Null),
            ("remove again", json!("UnknownTopicOrPartitionError")),
        ],
    );
}

#[test]
fn kafkajs_administers() {
    assert_told(
        RealClient::Kafkajs,
        &[
            ("create", json!(true)),
            ("create again", json!(false)),
            ("grow", Value::Null),
            ("shrink", json!("INVALID_PARTITIONS")),
            ("list", json!(true)),
            ("describe", json!(5)),
            ("cluster", json!([1, 1])),
            ("config", json!("3600000")),
            ("replace", Value::Null),
            ("replaced", json!(["7000", "604800000"])),
            ("replace badly", json!("INVALID_CONFIG")),
            ("broker config", json!("1")),
            ("cut", Value::Null),
            ("offsets", json!({ "partition": 0, "offset": "10", "high": "10", "low": "4" })),
            ("acls", json!("SECURITY_DISABLED")),
            ("remove", Value::Null),
            ("remove again", json!("UNKNOWN_TOPIC_OR_PARTITION")),
        ],
    );
}

#[test]
fn platformatic_administers() {
    assert_told(
        RealClient::Platformatic,
        &[
            ("create", json!([TOPIC, 2, "3600000"])),
            ("create again", json!("TOPIC_ALREADY_EXISTS")),
            ("grow", Value::Null),
            ("shrink", json!("INVALID_PARTITIONS")),
            ("list", json!(true)),
            ("describe", json!(5)),
            ("config", json!("3600000")),
            ("set", Value::Null),
            ("set badly", json!("INVALID_CONFIG")),
            ("after", json!("7000")),
            ("cut", json!([{"name": TOPIC, "partitions": [{"partition": 0, "lowWatermark": 4}]}])),
            ("end", json!(10)),
            ("dirs", json!(2)),
            ("move group", Value::Null),
            ("group offsets", json!(7)),
            ("groups", json!([[TOPIC, "EMPTY"]])),
            ("group", json!(0)),
            ("delete group", Value::Null),
            ("quota", Value::Null),
            ("quotas", json!([{"key": "producer_byte_rate", "value": 1000}])),
            ("remove", Value::Null),
            ("remove again", json!("UNKNOWN_TOPIC_OR_PARTITION")),
        ],
    );
}

#[test]
fn java_administers() {
    if !RealClient::all().contains(&RealClient::Java) {
        return;
    }
    assert_told(
        RealClient::Java,
        &[
            ("create", json!("3600000")),
            ("create again", json!("TopicExistsException")),
            ("create badly", json!("InvalidConfigurationException")),
            ("grow", Value::Null),
            ("shrink", json!("InvalidPartitionsException")),
            ("list", json!(true)),
            ("describe", json!(5)),
            ("describe by id", json!(TOPIC)),
            ("cluster", json!(1)),
            ("features", json!(true)),
            ("dirs", json!(5)),
            ("moves", json!(0)),
            ("elect", json!("ElectionNotNeededException")),
            ("acls", json!("SecurityDisabledException")),
            ("set", Value::Null),
            ("append", Value::Null),
            ("unset", Value::Null),
            ("set badly", json!("InvalidConfigurationException")),
            (
                "after",
                json!(["7000 DYNAMIC_TOPIC_CONFIG", "delete,compact DYNAMIC_TOPIC_CONFIG", "604800000 DEFAULT_CONFIG"]),
            ),
            ("broker config", json!("1 STATIC_BROKER_CONFIG")),
            ("set broker", Value::Null),
            ("set static", json!("InvalidRequestException")),
            ("set group", Value::Null),
            ("set group badly", json!("InvalidConfigurationException")),
            ("group config", json!("50000 DYNAMIC_GROUP_CONFIG")),
            ("group default", json!("5000 DEFAULT_CONFIG")),
            ("configured groups", json!([TOPIC])),
            ("cut", json!(4)),
            ("offsets", json!([4, 10, 7, 9, 4, -1])),
            ("producers", json!(1)),
            ("move group", Value::Null),
            ("group offsets", json!("7 moved")),
            ("groups", json!([format!("{TOPIC} Classic")])),
            ("group", json!("Empty")),
            ("delete offsets", Value::Null),
            ("group offsets left", json!(0)),
            ("move again", Value::Null),
            ("delete group", Value::Null),
            ("delete group again", json!("GroupIdNotFoundException")),
            ("quota", Value::Null),
            ("quotas", json!(1000.0)),
            ("quota badly", json!("InvalidRequestException")),
            ("no quota", Value::Null),
            ("quotas left", json!(0)),
            ("remove", Value::Null),
            ("remove again", json!("UnknownTopicOrPartitionException")),
        ],
    );
}

/// Runs `ringmain` against a server: whether it succeeded, and all it said.
fn ringmain(server: &Server, arguments: &[&str]) -> (bool, String) {
    let bootstrap = server.bootstrap();
    let (status, said) = run_ringmain(&[arguments, &["--bootstrap", &bootstrap]].concat());
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    (status.success(), said)
}

fn ringmain_json(server: &Server, arguments: &[&str]) -> Value {
    let (worked, said) = ringmain(server, &[arguments, &["--json"]].concat());
    assert!(worked, "{arguments:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{arguments:?}: {e} in {said}"))
}

#[test]
fn the_command_line_enlarges_configures_and_describes() {
    let server = Server::start(Options::named("command-line-admin"));
    let worked = |arguments: &[&str]| {
        let (worked, said) = ringmain(&server, arguments);
        assert!(worked, "{arguments:?}: {said}");
        said
    };
    let refused = |arguments: &[&str], hint: &str| {
        let (worked, said) = ringmain(&server, arguments);
        assert!(!worked && said.contains(hint), "{arguments:?}: {said}");
    };
    worked(&["topic", "create", "orders", "--partitions", "2"]);
    worked(&["topic", "add-partitions", "orders", "--to", "5"]);
    refused(&["topic", "add-partitions", "orders", "--to", "3"], "partitions can be added and not taken away");
    refused(&["topic", "add-partitions", "nowhere", "--to", "3"], "ringmain topic list");
    worked(&["topic", "alter", "orders", "--config", "retention.ms=60000", "--config", "segment.ms=7000"]);
    worked(&["topic", "alter", "orders", "--delete-config", "segment.ms"]);
    refused(&["topic", "alter", "orders", "--config", "retention.ms=soon"], "ringmain config describe --all");
    worked(&["config", "set", "--topic", "orders", "cleanup.policy=compact,delete", "--validate-only"]);
    worked(&["config", "set", "--topic", "orders", "max.message.bytes=5000"]);
    worked(&["config", "set", "--all-brokers", "log.roll.ms=9000"]);
    refused(&["config", "set", "--broker", "1", "num.partitions=5"], "Cannot update these configs dynamically");
    refused(&["config", "describe", "--broker", "9"], "ringmain cluster describe");

    let place = partition("orders", 3);
    let batch = records::batch_of(tests::clock::wall_ms(), &[[b'x'; 2_000]]);
    Client::connect(server.address()).append(place, batch.clone());
    let described = &ringmain_json(&server, &["topic", "describe", "orders"])[0];
    let settings = json!([{"key": "max.message.bytes", "value": "5000"}, {"key": "retention.ms", "value": "60000"}]);
    assert_eq!(described["settings"], settings);
    let partition = &described["partitions"][3];
    assert_eq!((&partition["latest_offset"], &partition["bytes"]), (&json!(1), &json!(batch.len())));
    let configs = ringmain_json(&server, &["config", "describe", "--topic", "orders", "segment.ms"]);
    let line = &configs[0]["settings"][0];
    assert_eq!((&line["value"], &line["source"]), (&json!("9000"), &json!("all brokers, changed")));
    worked(&["config", "delete", "--all-brokers", "log.roll.ms"]);
    let configs = ringmain_json(&server, &["config", "describe", "--topic", "orders", "segment.ms"]);
    assert_eq!(configs[0]["settings"][0]["source"], json!("default"));

    let cluster = ringmain_json(&server, &["cluster", "describe"]);
    assert_eq!((&cluster["partitions"], &cluster["nodes"][0]["leads"]), (&json!(5), &json!(5)));
    let directory = &ringmain_json(&server, &["cluster", "dirs"])[0];
    assert_eq!(directory["topics"][0]["bytes"], json!(batch.len()));
    for (arguments, word) in [
        (&["topic", "describe", "orders"][..], "SIZE"),
        (&["config", "describe", "--broker", "1"][..], "CAN CHANGE"),
        (&["cluster", "describe"][..], "takes changes"),
        (&["cluster", "dirs"][..], "free of"),
    ] {
        let said = worked(arguments);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

/// What `group reset` said of each partition: its number, from, and to.
fn moves(server: &Server, arguments: &[&str]) -> Value {
    let told = ringmain_json(server, &[&["group", "reset", "billing"], arguments].concat());
    let lines = told["partitions"].as_array().unwrap_or_else(|| panic!("{arguments:?}: {told}"));
    lines.iter().map(|line| json!([line["partition"], line["from"], line["to"]])).collect()
}

/// What the group has committed and how far it is behind, by partition.
fn positions(described: &Value) -> Value {
    let lines = described["partitions"].as_array().unwrap_or_else(|| panic!("{described}"));
    lines.iter().map(|line| json!([line["partition"], line["committed"], line["end"], line["lag"]])).collect()
}

fn assert_refused(server: &Server, arguments: &[&str], hint: &str) {
    let (worked, said) = ringmain(server, arguments);
    assert!(!worked && said.contains(hint), "{arguments:?}: {said}");
}

#[test]
fn the_command_line_leads_groups() {
    let server = Server::start(Options::named("command-line-groups"));
    let mut control = Client::connect(server.address());
    control.create_topic("orders", 3, &[]);
    for (index, timestamp_ms, values) in [(0, 1_000, &["a", "b"][..]), (0, 2_000, &["c", "d"]), (1, 3_000, &["e"])] {
        control.append(partition("orders", index), records::batch_of(timestamp_ms, values));
    }
    assert_eq!(ringmain_json(&server, &["group", "list"]), json!([]));
    assert_refused(&server, &["group", "describe", "billing"], "group billing is not known; `ringmain group list`");
    let membership = Membership {
        bootstrap: server.bootstrap(),
        group: "billing".to_owned(),
        topic: "orders".to_owned(),
        strategy: "range",
        session_ms: 6_000,
        protocol: Protocol::Classic,
        instance: None,
    };
    let mut members = [Member::start("reader", &membership)];
    wait_for_shares(&mut members, &[&[0, 1, 2]]);
    wait_for_records(&mut members, 5);

    let line = json!({"group": "billing", "type": "classic", "state": "Stable", "protocol_type": "consumer"});
    assert_eq!(ringmain_json(&server, &["group", "list"]), json!([line]));
    let described = &ringmain_json(&server, &["group", "describe", "billing"])[0];
    let member = &described["members"][0];
    let share = json!([{"topic": "orders", "partitions": [0, 1, 2]}]);
    assert_eq!(
        (&described["state"], &member["client"], &member["assigned"]),
        (&json!("Stable"), &json!("reader"), &share)
    );
    assert_eq!(positions(described), json!([[0, 4, 4, 0], [1, 1, 1, 0], [2, null, 0, null]]));
    assert_eq!(described["partitions"][2]["owner"], member["member"]);
    for arguments in [&["reset", "billing", "--all-topics", "--to", "earliest"][..], &["delete", "billing"]] {
        assert_refused(&server, &[&["group"], arguments].concat(), "stop its consumers first");
    }
    members.into_iter().for_each(Member::leave);
    control.append(partition("orders", 0), records::batch_of(4_000, &["f"]));
    let described = &ringmain_json(&server, &["group", "describe", "billing"])[0];
    assert_eq!((&described["state"], &described["members"]), (&json!("Empty"), &json!([])));
    assert_eq!(positions(described), json!([[0, 4, 5, 1], [1, 1, 1, 0]]));

    assert_offsets_move(&server);
    let (worked, said) = ringmain(&server, &["group", "delete", "billing"]);
    assert!(worked && said == "group billing deleted\n", "{said}");
    assert_eq!(ringmain_json(&server, &["group", "list"]), json!([]));
    assert_refused(&server, &["group", "delete", "billing"], "`ringmain group list` shows the groups");

    let newer = Membership { group: "newer".to_owned(), protocol: Protocol::Consumer, ..membership };
    let mut members = [Member::start("reader", &newer)];
    wait_for_shares(&mut members, &[&[0, 1, 2]]);
    let line = json!({"group": "newer", "type": "consumer", "state": "Stable", "protocol_type": "consumer"});
    assert_eq!(ringmain_json(&server, &["group", "list"]), json!([line]));
    let described = &ringmain_json(&server, &["group", "describe", "newer"])[0];
    assert_eq!((&described["assignor"], &described["members"][0]["assigned"]), (&json!("range"), &share));
    assert_eq!(described["partitions"][2]["owner"], described["members"][0]["member"]);
    assert_refused(&server, &["group", "delete", "newer"], "stop its consumers first");
}

/// Moves the offsets of a group that is at 4 of 5 and at 1 of 1.
fn assert_offsets_move(server: &Server) {
    let at_two = ["--to", "datetime", "1970-01-01T01:00:02+01:00"];
    let expected = json!([[0, 4, 2], [1, 1, 0]]);
    assert_eq!(moves(server, &[&["--all-topics", "--dry-run"][..], &at_two].concat()), expected);
    assert_eq!(moves(server, &[&["--all-topics"][..], &at_two].concat()), expected, "the dry run changed nothing");
    assert_eq!(moves(server, &["--topic", "orders:0", "--to", "earliest"]), json!([[0, 2, 0]]));
    let described = &ringmain_json(server, &["group", "describe", "billing"])[0];
    assert_eq!(positions(described), json!([[0, 0, 5, 5], [1, 0, 1, 1]]));
    let late = ["--topic", "orders", "--to", "datetime", "2026-11-27T13:00:00Z"];
    assert_eq!(moves(server, &late), json!([[0, 0, 5], [1, 0, 1], [2, null, 0]]));
    assert_eq!(moves(server, &["--topic", "orders:0", "--to", "shift-by", "-2"]), json!([[0, 5, 3]]));
    assert_eq!(moves(server, &["--topic", "orders:0,1", "--to", "offset", "4"]), json!([[0, 3, 4], [1, 1, 1]]));
    let (worked, said) = ringmain(server, &["group", "reset", "billing", "--topic", "orders:1", "--to", "offset", "4"]);
    assert!(worked && said.contains("group billing moved") && said.contains("4 is behind the end"), "{said}");
    for (arguments, hint) in [
        (&["--to", "earliest"][..], "--all-topics"),
        (&["--all-topics", "--to", "datetime", "noon"], "for example 2026-11-27T13:00:00Z"),
        (&["--topic", "orders:9", "--to", "latest"], "topic orders has no partition 9"),
        (&["--topic", "nowhere", "--to", "latest"], "ringmain topic list"),
    ] {
        assert_refused(server, &[&["group", "reset", "billing"], arguments].concat(), hint);
    }
    let (worked, said) = ringmain(server, &["group", "describe", "billing"]);
    assert!(worked && said.contains("COMMITTED"), "{said}");
}

#[test]
fn shells_get_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, said) = run_ringmain(&["completions", shell]);
        assert!(status.success(), "{shell}: {said}");
        for word in ["add-partitions", "cluster", "all-topics", "bootstrap"] {
            assert!(said.contains(word), "{shell}: no {word}");
        }
    }
}
