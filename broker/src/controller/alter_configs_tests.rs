//! Decisions on changed configs.

use super::*;
use crate::controller::TopicId;
use crate::controller::configs::TopicSettings;
use crate::group::config::GroupConfig;

const NODE: NodeId = NodeId(1);

fn image(configs: &[(&str, &str)]) -> Image {
    let mut image = Image::default();
    let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    image.replay(&MetadataRecord::Topic { name: "a".into(), id: TopicId(9), partitions: 1, configs });
    image
}

fn change(name: &str, operation: Operation, value: Option<&str>) -> KeyChange {
    KeyChange { name: name.into(), operation, value: value.map(str::to_owned) }
}

fn topic(wish: Wish) -> Alteration {
    Alteration { resource: Resource::Topic("a".into()), wish }
}

fn node(name: &str, changes: Vec<KeyChange>) -> Alteration {
    Alteration { resource: Resource::Node(name.into()), wish: Wish::Change(changes) }
}

fn decide(image: &Image, resources: Vec<Alteration>) -> (Vec<MetadataRecord>, AlterResults) {
    alter_configs(image, NODE, &GroupConfig::default().bounds(), &AlterConfigs { resources, validate_only: false })
}

fn fault(image: &Image, alteration: Alteration) -> AlterFault {
    let (records, mut results) = decide(image, vec![alteration]);
    assert_eq!(records, [], "what is refused leaves no record");
    results.remove(0).expect_err("it was changed")
}

/// The configs of the topic after a wish was granted.
fn after(configs: &[(&str, &str)], wish: Wish) -> Vec<(String, String)> {
    let mut image = image(configs);
    let (records, results) = decide(&image, vec![topic(wish)]);
    assert_eq!(results, [Ok(())]);
    records.iter().for_each(|record| drop(image.replay(record)));
    let topic = image.topic("a").expect("it is still there");
    assert_eq!(topic.settings, TopicSettings::new(&topic.configs, image.defaults()));
    topic.configs.clone().into_iter().collect()
}

fn pairs(configs: &[(&str, &str)]) -> Vec<(String, String)> {
    configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn single_changes_leave_the_other_configs_alone() {
    let set = Wish::Change(vec![change("segment.ms", Operation::Set, Some("7"))]);
    assert_eq!(after(&[("retention.ms", "5")], set), pairs(&[("retention.ms", "5"), ("segment.ms", "7")]));
    let delete = Wish::Change(vec![change("retention.ms", Operation::Delete, None)]);
    assert_eq!(after(&[("retention.ms", "5"), ("segment.ms", "7")], delete), pairs(&[("segment.ms", "7")]));
}

#[test]
fn replacing_forgets_what_is_not_named() {
    let wish = Wish::Replace(vec![("segment.ms".into(), Some("7".into()))]);
    assert_eq!(after(&[("retention.ms", "5"), ("segment.ms", "6")], wish), pairs(&[("segment.ms", "7")]));
}

#[test]
fn words_are_added_to_a_list_and_taken_from_it_starting_at_the_default() {
    let append = |value| Wish::Change(vec![change("cleanup.policy", Operation::Append, Some(value))]);
    let subtract = |value| Wish::Change(vec![change("cleanup.policy", Operation::Subtract, Some(value))]);
    assert_eq!(after(&[], append("compact")), pairs(&[("cleanup.policy", "delete,compact")]));
    assert_eq!(after(&[("cleanup.policy", "compact")], append("compact")), pairs(&[("cleanup.policy", "compact")]));
    let both = [("cleanup.policy", "delete, compact")];
    assert_eq!(after(&both, subtract("delete")), pairs(&[("cleanup.policy", "compact")]));
    let last = fault(&image(&[]), topic(subtract("delete")));
    assert!(matches!(last, AlterFault::Config(ConfigFault::InvalidValue { .. })), "{last}");
    let number = topic(Wish::Change(vec![change("segment.ms", Operation::Append, Some("7"))]));
    assert_eq!(fault(&image(&[]), number), AlterFault::NoList { operation: "APPEND", name: "segment.ms".into() });
}

#[test]
fn what_changes_nothing_leaves_no_record() {
    let image = image(&[("retention.ms", "5")]);
    let same = change("retention.ms", Operation::Set, Some("5"));
    let gone = change("segment.ms", Operation::Delete, None);
    assert_eq!(decide(&image, vec![topic(Wish::Change(vec![same, gone]))]), (vec![], vec![Ok(())]));
}

#[test]
fn one_bad_value_keeps_the_good_ones_of_its_topic_away_and_not_those_of_others() {
    let image = image(&[]);
    let bad = vec![change("retention.ms", Operation::Set, Some("5")), change("segment.ms", Operation::Set, Some("x"))];
    let good = node("", vec![change("log.retention.ms", Operation::Set, Some("5"))]);
    let (records, results) = decide(&image, vec![topic(Wish::Change(bad)), good]);
    assert!(matches!(results[0], Err(AlterFault::Config(ConfigFault::InvalidValue { .. }))));
    assert_eq!(results[1], Ok(()));
    let record = MetadataRecord::NodeConfig { node: None, key: "log.retention.ms".into(), value: Some("5".into()) };
    assert_eq!(records, [record]);
}

#[test]
fn malformed_requests_are_refused_with_their_reason() {
    let image = image(&[]);
    let set = |name, value| topic(Wish::Change(vec![change(name, Operation::Set, value)]));
    assert_eq!(fault(&image, set("retention.ms", None)), AlterFault::NullValue("retention.ms".into()));
    let unknown = AlterFault::Config(ConfigFault::UnknownKey("retention".into()));
    assert_eq!(fault(&image, set("retention", Some("5"))), unknown);
    let twice = vec![change("segment.ms", Operation::Set, Some("5")), change("segment.ms", Operation::Delete, None)];
    assert_eq!(fault(&image, topic(Wish::Change(twice))), AlterFault::KeyTwice);
    let odd = topic(Wish::Change(vec![change("segment.ms", Operation::Unknown(9), Some("5"))]));
    assert_eq!(fault(&image, odd), AlterFault::UnknownOperation(9));
    let elsewhere = Alteration { resource: Resource::Topic("b".into()), wish: Wish::Change(vec![]) };
    assert_eq!(fault(&image, elsewhere), AlterFault::UnknownTopic("b".into()));
    let repeated = decide(&image, vec![set("segment.ms", Some("5")), set("segment.ms", Some("6"))]);
    assert_eq!(repeated, (vec![], vec![Err(AlterFault::NamedTwice), Err(AlterFault::NamedTwice)]));
}

#[test]
fn validate_only_answers_the_same_and_leaves_no_record() {
    let resources = vec![topic(Wish::Change(vec![change("segment.ms", Operation::Set, Some("5"))]))];
    let request = AlterConfigs { resources, validate_only: true };
    assert_eq!(alter_configs(&image(&[]), NODE, &GroupConfig::default().bounds(), &request), (vec![], vec![Ok(())]));
}

#[test]
fn a_node_takes_the_settings_that_can_change_while_it_runs_and_no_others() {
    let image = image(&[]);
    let set = |node_name, name, value| node(node_name, vec![change(name, Operation::Set, Some(value))]);
    let (records, results) = decide(&image, vec![set("1", "message.max.bytes", "2000")]);
    let value = Some("2000".into());
    assert_eq!(records, [MetadataRecord::NodeConfig { node: Some(NODE), key: "message.max.bytes".into(), value }]);
    assert_eq!(results, [Ok(())]);
    assert_eq!(fault(&image, set("1", "num.partitions", "3")), AlterFault::Static("num.partitions".into()));
    assert_eq!(fault(&image, set("1", "no.such", "3")), AlterFault::UnknownNodeKey("no.such".into()));
    assert_eq!(fault(&image, set("x", "log.roll.ms", "3")), AlterFault::NotANode("x".into()));
    let other = AlterFault::OtherNode { expected: NODE, named: NodeId(2) };
    assert_eq!(fault(&image, set("2", "log.roll.ms", "3")), other);
    let text = fault(&image, set("", "log.roll.ms", "0")).to_string();
    assert_eq!(text, "Invalid value 0 for configuration log.roll.ms: Value must be at least 1");
}

#[test]
fn topics_without_a_value_of_their_own_follow_what_was_changed_for_the_nodes() {
    let mut image = image(&[]);
    let own = [("retention.ms".to_owned(), "9".to_owned())].into();
    image.replay(&MetadataRecord::Topic { name: "b".into(), id: TopicId(10), partitions: 1, configs: own });
    let set = |node_name, value| node(node_name, vec![change("log.retention.ms", Operation::Set, Some(value))]);
    let (records, _) = decide(&image, vec![set("", "5"), set("1", "6")]);
    records.iter().for_each(|record| drop(image.replay(record)));
    let of = |image: &Image, name| image.topic(name).unwrap().settings.retention_ms;
    assert_eq!((of(&image, "a"), of(&image, "b")), (Some(6), Some(9)));
    let unset = node("1", vec![change("log.retention.ms", Operation::Delete, None)]);
    let (records, _) = decide(&image, vec![unset]);
    records.iter().for_each(|record| drop(image.replay(record)));
    assert_eq!((of(&image, "a"), of(&image, "b")), (Some(5), Some(9)));
}

#[test]
fn a_group_gets_settings_of_its_own_and_loses_them_again() {
    let mut image = image(&[]);
    let set = |value: Option<&str>| Alteration {
        resource: Resource::Group("billing".into()),
        wish: Wish::Change(vec![KeyChange {
            name: group_keys::SESSION_MS.into(),
            operation: if value.is_some() { Operation::Set } else { Operation::Delete },
            value: value.map(str::to_owned),
        }]),
    };
    let record = |value: Option<&str>| MetadataRecord::GroupConfig {
        group: "billing".into(),
        key: group_keys::SESSION_MS.into(),
        value: value.map(str::to_owned),
    };
    assert_eq!(decide(&image, vec![set(Some("50000"))]), (vec![record(Some("50000"))], vec![Ok(())]));
    image.replay(&record(Some("50000")));
    assert_eq!(decide(&image, vec![set(Some("50000"))]), (vec![], vec![Ok(())]), "nothing is new");
    assert_eq!(decide(&image, vec![set(None)]), (vec![record(None)], vec![Ok(())]));
    image.replay(&record(None));
    assert!(image.group_configs().is_empty());
    let nameless = Alteration { resource: Resource::Group(String::new()), ..set(Some("50000")) };
    assert_eq!(decide(&image, vec![nameless]), (vec![], vec![Err(AlterFault::Group(GroupFault::Nameless))]));
    let unknown = Alteration { wish: Wish::Replace(vec![("k".into(), Some("v".into()))]), ..set(None) };
    let (records, results) = decide(&image, vec![unknown, set(Some("1"))]);
    assert_eq!(records, []);
    assert_eq!(results[0], Err(AlterFault::NamedTwice));
}
