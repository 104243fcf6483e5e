//! The settings of groups and committed offsets, for DescribeConfigs.

use super::describe_configs::{NodeSetting, TYPE_INT, TYPE_LIST, TYPE_LONG, TYPE_SHORT, TYPE_STRING};
use crate::group::config::GroupConfig;

pub(super) fn group_settings(config: &GroupConfig) -> Vec<NodeSetting> {
    let setting =
        |name, kind, value: String, documentation: &'static str| NodeSetting { name, value, kind, documentation };
    let int = |name, value: i64, documentation| setting(name, TYPE_INT, value.to_string(), documentation);
    let assignors: Vec<&str> = config.assignors.iter().map(|assignor| assignor.name()).collect();
    let (session_ms_min, session_ms_max) = config.consumer_session_ms_bounds;
    let (interval_ms_min, interval_ms_max) = config.consumer_interval_ms_bounds;
    let initial_delay_ms = i64::try_from(config.initial_delay_ms).unwrap_or(i64::MAX);
    let consumer_session_ms = i64::try_from(config.consumer_session_ms).unwrap_or(i64::MAX);
    vec![
        setting(
            "group.consumer.assignors",
            TYPE_LIST,
            assignors.join(","),
            "Assignors of groups of the consumer protocol; the first one unless members ask for another.",
        ),
        int(
            "group.consumer.heartbeat.interval.ms",
            config.consumer_interval_ms.into(),
            "How often members of groups of the consumer protocol are told to send heartbeats, in milliseconds.",
        ),
        int(
            "group.consumer.max.heartbeat.interval.ms",
            interval_ms_max.into(),
            "Largest interval of heartbeats that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.max.session.timeout.ms",
            session_ms_max.into(),
            "Largest session timeout of groups of the consumer protocol that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.max.size",
            config.consumer_size_max.into(),
            "Most members of a group of the consumer protocol.",
        ),
        setting(
            "group.consumer.migration.policy",
            TYPE_STRING,
            config.migration.word().to_owned(),
            "Which groups with members may go over to the other protocol.",
        ),
        int(
            "group.consumer.min.heartbeat.interval.ms",
            interval_ms_min.into(),
            "Smallest interval of heartbeats that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.min.session.timeout.ms",
            session_ms_min.into(),
            "Smallest session timeout of groups of the consumer protocol that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.session.timeout.ms",
            consumer_session_ms,
            "Time without a heartbeat after which a member of the consumer protocol counts as gone, in milliseconds.",
        ),
        setting(
            "group.coordinator.rebalance.protocols",
            TYPE_LIST,
            "classic,consumer".to_owned(),
            "The protocols of groups that are spoken.",
        ),
        int(
            "group.initial.rebalance.delay.ms",
            initial_delay_ms,
            "How long a classic group that begins waits for further members, in milliseconds.",
        ),
        int(
            "group.max.session.timeout.ms",
            config.session_ms_max.into(),
            "Largest session timeout that a classic member may ask for, in milliseconds.",
        ),
        int("group.max.size", config.size_max.into(), "Most members of a classic group."),
        int(
            "group.min.session.timeout.ms",
            config.session_ms_min.into(),
            "Smallest session timeout that a classic member may ask for, in milliseconds.",
        ),
        int(
            "offset.metadata.max.bytes",
            config.offset_metadata_bytes_max.into(),
            "Most bytes that a client may keep with an offset.",
        ),
        setting(
            "offsets.retention.check.interval.ms",
            TYPE_LONG,
            config.retention_check_ms.to_string(),
            "How often old offsets are looked for, in milliseconds.",
        ),
        int(
            "offsets.retention.minutes",
            config.offsets_retention_ms / 60_000,
            "Age above which offsets that nobody needs are forgotten, in minutes.",
        ),
        int(
            "offsets.topic.num.partitions",
            config.offsets_partitions.into(),
            "Partitions of the topic that holds groups and offsets, when it is created.",
        ),
        setting(
            "offsets.topic.replication.factor",
            TYPE_SHORT,
            "1".to_owned(),
            "Replicas of the topic that holds groups and offsets.",
        ),
        int(
            "offsets.topic.segment.bytes",
            config.offsets_segment_bytes.into(),
            "Size at which a segment of that topic is full, when it is created, in bytes.",
        ),
    ]
}
