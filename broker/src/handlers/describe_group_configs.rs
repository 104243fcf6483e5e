//! The settings of groups and committed offsets, for DescribeConfigs: of all groups, and of single ones.

use wire::ErrorCode;
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsSynonym,
    SOURCE_DEFAULT, SOURCE_GROUP,
};

use super::describe_configs::{
    NodeSetting, Refusal, TYPE_INT, TYPE_LIST, TYPE_LONG, TYPE_SHORT, TYPE_STRING, is_wanted,
};
use crate::controller::group_keys::{GROUP_KEYS, INTERVAL_MS};
use crate::group::config::GroupConfig;
use crate::shard::Context;

pub(super) fn group_settings(config: &GroupConfig) -> Vec<NodeSetting> {
    [consumer_settings(config), classic_settings(config), offsets_settings(config)].concat()
}

/// The settings of one group, which need not exist: what was set for it, or else what the node was told.
pub(super) fn describe_group(
    ctx: &Context,
    body: &DescribeConfigsRequest<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribeConfigsResourceResult<'static>>, Refusal> {
    if resource.resource_name.is_empty() {
        return Err((ErrorCode::INVALID_REQUEST, "Group name must not be empty".to_owned()));
    }
    let image = ctx.image.borrow();
    let set = image.group_configs().get(resource.resource_name);
    let node = ctx.config.groups.bounds();
    let keys = GROUP_KEYS.iter().filter(|key| is_wanted(resource, key.name));
    Ok(keys
        .map(|key| {
            let own = set.and_then(|set| set.get(key.name)).cloned();
            let source = if own.is_some() { SOURCE_GROUP } else { SOURCE_DEFAULT };
            let synonym = own.clone().filter(|_| body.include_synonyms).map(|value| DescribeConfigsSynonym {
                name: key.name.into(),
                value: Some(value.into()),
                source,
            });
            let of_node = if key.name == INTERVAL_MS { node.interval_ms } else { node.session_ms };
            DescribeConfigsResourceResult {
                name: key.name.into(),
                value: Some(own.unwrap_or_else(|| of_node.to_string()).into()),
                config_source: source,
                synonyms: synonym.into_iter().collect(),
                config_type: TYPE_INT,
                documentation: body.include_documentation.then(|| key.documentation.into()),
                ..DescribeConfigsResourceResult::default()
            }
        })
        .collect())
}

fn setting(name: &'static str, kind: i8, value: impl ToString, documentation: &'static str) -> NodeSetting {
    NodeSetting { name, value: value.to_string(), kind, documentation }
}

fn int(name: &'static str, value: impl ToString, documentation: &'static str) -> NodeSetting {
    setting(name, TYPE_INT, value, documentation)
}

fn consumer_settings(config: &GroupConfig) -> Vec<NodeSetting> {
    let assignors: Vec<&str> = config.assignors.iter().map(|assignor| assignor.name()).collect();
    let (session_ms_min, session_ms_max) = config.consumer_session_ms_bounds;
    let (interval_ms_min, interval_ms_max) = config.consumer_interval_ms_bounds;
    vec![
        setting(
            "group.consumer.assignors",
            TYPE_LIST,
            assignors.join(","),
            "Assignors of groups of the consumer protocol; the first one unless members ask for another.",
        ),
        int(
            "group.consumer.heartbeat.interval.ms",
            config.consumer_interval_ms,
            "How often members of groups of the consumer protocol are told to send heartbeats, in milliseconds.",
        ),
        int(
            "group.consumer.max.heartbeat.interval.ms",
            interval_ms_max,
            "Largest interval of heartbeats that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.max.session.timeout.ms",
            session_ms_max,
            "Largest session timeout of groups of the consumer protocol that can be set, in milliseconds.",
        ),
        int("group.consumer.max.size", config.consumer_size_max, "Most members of a group of the consumer protocol."),
        setting(
            "group.consumer.migration.policy",
            TYPE_STRING,
            config.migration.word(),
            "Which groups with members may go over to the other protocol.",
        ),
        int(
            "group.consumer.min.heartbeat.interval.ms",
            interval_ms_min,
            "Smallest interval of heartbeats that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.min.session.timeout.ms",
            session_ms_min,
            "Smallest session timeout of groups of the consumer protocol that can be set, in milliseconds.",
        ),
        int(
            "group.consumer.session.timeout.ms",
            config.consumer_session_ms,
            "Time without a heartbeat after which a member of the consumer protocol counts as gone, in milliseconds.",
        ),
        setting(
            "group.coordinator.rebalance.protocols",
            TYPE_LIST,
            "classic,consumer",
            "The protocols of groups that are spoken.",
        ),
    ]
}

fn classic_settings(config: &GroupConfig) -> Vec<NodeSetting> {
    vec![
        int(
            "group.initial.rebalance.delay.ms",
            config.initial_delay_ms,
            "How long a classic group that begins waits for further members, in milliseconds.",
        ),
        int(
            "group.max.session.timeout.ms",
            config.session_ms_max,
            "Largest session timeout that a classic member may ask for, in milliseconds.",
        ),
        int("group.max.size", config.size_max, "Most members of a classic group."),
        int(
            "group.min.session.timeout.ms",
            config.session_ms_min,
            "Smallest session timeout that a classic member may ask for, in milliseconds.",
        ),
    ]
}

fn offsets_settings(config: &GroupConfig) -> Vec<NodeSetting> {
    vec![
        int(
            "offset.metadata.max.bytes",
            config.offset_metadata_bytes_max,
            "Most bytes that a client may keep with an offset.",
        ),
        setting(
            "offsets.retention.check.interval.ms",
            TYPE_LONG,
            config.retention_check_ms,
            "How often old offsets are looked for, in milliseconds.",
        ),
        int(
            "offsets.retention.minutes",
            config.offsets_retention_ms / 60_000,
            "Age above which offsets that nobody needs are forgotten, in minutes.",
        ),
        int(
            "offsets.topic.num.partitions",
            config.offsets_partitions,
            "Partitions of the topic that holds groups and offsets, when it is created.",
        ),
        setting(
            "offsets.topic.replication.factor",
            TYPE_SHORT,
            "1",
            "Replicas of the topic that holds groups and offsets.",
        ),
        int(
            "offsets.topic.segment.bytes",
            config.offsets_segment_bytes,
            "Size at which a segment of that topic is full, when it is created, in bytes.",
        ),
    ]
}
