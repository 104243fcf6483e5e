//! DescribeConfigs: the settings of topics and of this node, with where each value comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym, RESOURCE_TYPE_BROKER, RESOURCE_TYPE_GROUP, RESOURCE_TYPE_TOPIC,
    SOURCE_DEFAULT, SOURCE_DYNAMIC_BROKER, SOURCE_DYNAMIC_DEFAULT_BROKER, SOURCE_STATIC_BROKER, SOURCE_TOPIC,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::describe_group_configs::{describe_group, group_settings};
use crate::config::Config;
use crate::controller::config_keys::{ConfigKey, TOPIC_KEYS, ValueKind};
use crate::controller::defaults::{Level, TopicDefaults};
use crate::controller::names;
use crate::controller::node_keys::{self, NODE_KEYS, NodeKey};
use crate::net::{Answer, ArrivalLimits};
use crate::partition::limits::FETCH_BYTES_MAX;
use crate::shard::Context;

// Kafka's numbers for types (`DescribeConfigsResponse.ConfigType`).
const TYPE_BOOLEAN: i8 = 1;
pub(super) const TYPE_STRING: i8 = 2;
pub(super) const TYPE_INT: i8 = 3;
pub(super) const TYPE_SHORT: i8 = 4;
pub(super) const TYPE_LONG: i8 = 5;
const TYPE_DOUBLE: i8 = 6;
pub(super) const TYPE_LIST: i8 = 7;

pub(super) type Refusal = (ErrorCode, String);

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeConfigsRequest::decode(request.version(), &mut request.body)?;
    // One answer per resource: an answer is much longer than a question.
    let mut seen = BTreeSet::new();
    let resources = body.resources.iter().filter(|one| seen.insert((one.resource_type, one.resource_name)));
    let results = resources.map(|resource| describe(ctx, &body, resource)).collect();
    let response = DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn describe<'a>(
    ctx: &Context,
    body: &DescribeConfigsRequest<'_>,
    resource: &DescribeConfigsResource<'a>,
) -> DescribeConfigsResult<'a> {
    let described = match resource.resource_type {
        RESOURCE_TYPE_TOPIC => describe_topic(ctx, body, resource),
        RESOURCE_TYPE_BROKER => describe_node(ctx, body, resource),
        RESOURCE_TYPE_GROUP => describe_group(ctx, body, resource),
        other => Err((ErrorCode::INVALID_REQUEST, format!("Unsupported resource type: {other}"))),
    };
    let (configs, error) = match described {
        Ok(configs) => (configs, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    let (error_code, error_message) = error.map_or((ErrorCode::NONE, None), |(code, text)| (code, Some(text.into())));
    DescribeConfigsResult {
        error_code,
        error_message,
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.into(),
        configs,
    }
}

pub(super) fn is_wanted(resource: &DescribeConfigsResource<'_>, name: &str) -> bool {
    resource.configuration_keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.contains(&name))
}

/// A config of a topic with the value that holds.
pub(super) struct TopicValue {
    pub(super) key: &'static ConfigKey,
    pub(super) value: String,
    pub(super) source: i8,
}

/// Every config of a topic that has set `configs`.
pub(super) fn topic_values<'a>(
    configs: &'a BTreeMap<String, String>,
    defaults: &'a TopicDefaults,
) -> impl Iterator<Item = TopicValue> + use<'a> {
    TOPIC_KEYS.iter().map(move |key| match configs.get(key.name) {
        Some(value) => TopicValue { key, value: value.clone(), source: SOURCE_TOPIC },
        None => {
            let (level, value) = defaults.ladder(key).swap_remove(0);
            TopicValue { key, value, source: source_of(level) }
        }
    })
}

fn source_of(level: Level) -> i8 {
    match level {
        Level::Node => SOURCE_DYNAMIC_BROKER,
        Level::Cluster => SOURCE_DYNAMIC_DEFAULT_BROKER,
        Level::Static => SOURCE_STATIC_BROKER,
        Level::Table => SOURCE_DEFAULT,
    }
}

fn describe_topic(
    ctx: &Context,
    body: &DescribeConfigsRequest<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribeConfigsResourceResult<'static>>, Refusal> {
    names::check(resource.resource_name).map_err(|fault| (ErrorCode::INVALID_TOPIC_EXCEPTION, fault.to_string()))?;
    let image = ctx.image.borrow();
    let topic = image
        .topic(resource.resource_name)
        .ok_or_else(|| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "The topic does not exist.".to_owned()))?;
    let values = topic_values(&topic.configs, image.defaults()).filter(|value| is_wanted(resource, value.key.name));
    Ok(values
        .map(|TopicValue { key, value, source }| DescribeConfigsResourceResult {
            name: key.name.into(),
            synonyms: if body.include_synonyms { synonyms(key, &value, source, image.defaults()) } else { Vec::new() },
            value: Some(value.into()),
            config_source: source,
            config_type: type_of(key.kind),
            documentation: body.include_documentation.then(|| key.documentation.into()),
            ..DescribeConfigsResourceResult::default()
        })
        .collect())
}

/// Every place that has a value, the one that counts first. Those of nodes have a name of their own there.
fn synonyms(
    key: &'static ConfigKey,
    value: &str,
    source: i8,
    defaults: &TopicDefaults,
) -> Vec<DescribeConfigsSynonym<'static>> {
    let own = DescribeConfigsSynonym { name: key.name.into(), value: Some(value.to_owned().into()), source };
    let node_name = node_keys::of_topic_key(key.name).map_or(key.name, |key| key.name);
    let own = (source == SOURCE_TOPIC).then_some(own);
    own.into_iter().chain(ladder_synonyms(node_name, defaults.ladder(key))).collect()
}

fn ladder_synonyms(
    name: &'static str,
    ladder: Vec<(Level, String)>,
) -> impl Iterator<Item = DescribeConfigsSynonym<'static>> {
    ladder.into_iter().map(move |(level, value)| DescribeConfigsSynonym {
        name: name.into(),
        value: Some(value.into()),
        source: source_of(level),
    })
}

fn type_of(kind: ValueKind) -> i8 {
    match kind {
        ValueKind::Boolean => TYPE_BOOLEAN,
        ValueKind::Int { .. } => TYPE_INT,
        ValueKind::Long { .. } => TYPE_LONG,
        ValueKind::Double { .. } => TYPE_DOUBLE,
        ValueKind::Word(_) => TYPE_STRING,
        ValueKind::Words(_) | ValueKind::ThrottledReplicas => TYPE_LIST,
    }
}

fn describe_node(
    ctx: &Context,
    body: &DescribeConfigsRequest<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribeConfigsResourceResult<'static>>, Refusal> {
    let own_id = ctx.node.node_id;
    let image = ctx.image.borrow();
    if resource.resource_name.is_empty() {
        let changed = image.node_configs().get(&None).into_iter().flatten();
        let wanted = changed.filter(|(name, _)| is_wanted(resource, name));
        return Ok(wanted.filter_map(|(name, value)| changed_for_all(body, name, value)).collect());
    }
    if resource.resource_name != own_id.to_string() {
        let name = resource.resource_name;
        let message = format!("Unexpected broker id, expected {own_id} or empty string, but received {name}");
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    let read_once =
        node_settings(ctx).into_iter().chain(group_settings(&ctx.config.groups)).map(|setting| setting.to_wire(body));
    let changeable = NODE_KEYS.iter().map(|key| changeable(body, key, image.defaults()));
    let mut settings: Vec<_> =
        read_once.chain(changeable).filter(|setting| is_wanted(resource, &setting.name)).collect();
    settings.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(settings)
}

/// A setting that was changed for all nodes: as in Kafka only those are shown for all nodes.
fn changed_for_all(
    body: &DescribeConfigsRequest<'_>,
    name: &str,
    value: &str,
) -> Option<DescribeConfigsResourceResult<'static>> {
    let key = node_keys::find(name)?;
    let ladder = vec![(Level::Cluster, value.to_owned()), (Level::Table, key.topic_config().default.to_owned())];
    Some(node_value(body, key, ladder))
}

/// A setting of this node that can be changed while it runs.
fn changeable(
    body: &DescribeConfigsRequest<'_>,
    key: &'static NodeKey,
    defaults: &TopicDefaults,
) -> DescribeConfigsResourceResult<'static> {
    node_value(body, key, defaults.ladder(key.topic_config()))
}

fn node_value(
    body: &DescribeConfigsRequest<'_>,
    key: &'static NodeKey,
    ladder: Vec<(Level, String)>,
) -> DescribeConfigsResourceResult<'static> {
    let topic_config = key.topic_config();
    let (level, value) = ladder[0].clone();
    DescribeConfigsResourceResult {
        name: key.name.into(),
        value: Some(value.into()),
        config_source: source_of(level),
        synonyms: if body.include_synonyms { ladder_synonyms(key.name, ladder).collect() } else { Vec::new() },
        config_type: type_of(topic_config.kind),
        documentation: body.include_documentation.then(|| topic_config.documentation.into()),
        ..DescribeConfigsResourceResult::default()
    }
}

/// A setting that is read from the configuration file or a flag, once; it counts as static, whatever its value.
#[derive(Clone)]
pub(super) struct NodeSetting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) kind: i8,
    pub(super) documentation: &'static str,
}

fn node_settings(ctx: &Context) -> Vec<NodeSetting> {
    let config: &Config = &ctx.config;
    let node = &ctx.node;
    let text = |name, value: String, documentation| NodeSetting { name, value, kind: TYPE_STRING, documentation };
    let int = |name, value: String, documentation| NodeSetting { name, value, kind: TYPE_INT, documentation };
    let long = |name, value: String, documentation| NodeSetting { name, value, kind: TYPE_LONG, documentation };
    let create = config.auto_create_topics.to_string();
    let compaction_bytes = config.compaction_bytes_per_s_per_shard.saturating_mul(u64::from(ctx.shard_count));
    let mut settings = vec![
        text(
            "advertised.listeners",
            format!("PLAINTEXT://{}:{}", node.host, node.port),
            "Where clients are told to connect to.",
        ),
        NodeSetting {
            kind: TYPE_BOOLEAN,
            ..text("auto.create.topics.enable", create, "Whether asking for a topic that does not exist creates it.")
        },
        int("broker.id", node.node_id.to_string(), "The node's id in the cluster; the same as node.id."),
        long(
            "connections.max.idle.ms",
            config.connection_idle.as_millis().to_string(),
            "Time without a request after which a connection is closed, in milliseconds.",
        ),
        int("default.replication.factor", "1".to_owned(), "Replicas of a topic whose creator does not care."),
        int("fetch.max.bytes", FETCH_BYTES_MAX.to_string(), "Most bytes of one fetch answer."),
        text("listeners", format!("PLAINTEXT://{}", config.listen), "Where the node accepts connections."),
        long(
            "log.cleaner.backoff.ms",
            config.compaction_check.as_millis().to_string(),
            "How often each shard looks for logs to compact, in milliseconds.",
        ),
        NodeSetting {
            kind: TYPE_DOUBLE,
            ..long(
                "log.cleaner.io.max.bytes.per.second",
                compaction_bytes.to_string(),
                "What compaction reads and writes in a second at most, on all shards together.",
            )
        },
        text("log.dirs", config.data_dir.display().to_string(), "Directory for everything the node stores."),
        long(
            "log.retention.check.interval.ms",
            config.retention_check.as_millis().to_string(),
            "How often each shard looks for segments that are past retention, in milliseconds.",
        ),
        int("node.id", node.node_id.to_string(), "The node's id in the cluster."),
        int("num.partitions", config.partitions.to_string(), "Partitions of a topic whose creator does not care."),
        int(
            "producer.id.expiration.ms",
            config.producer_expiry.as_millis().to_string(),
            "Time after which a log forgets a producer that was silent, in milliseconds.",
        ),
        int("ringmain.shards", ctx.shard_count.to_string(), "Shards of the node, one on each core."),
        int("socket.request.max.bytes", config.request_bytes_max.to_string(), "Largest request that is taken."),
    ];
    settings.extend(arrival_settings(&config.arrivals));
    settings.sort_by_key(|setting| setting.name);
    settings
}

fn arrival_settings(limits: &ArrivalLimits) -> [NodeSetting; 4] {
    let int =
        |name, value: u32, documentation| NodeSetting { name, value: value.to_string(), kind: TYPE_INT, documentation };
    let overrides = limits.per_ip_overrides.iter().map(|(address, count)| match address {
        IpAddr::V4(address) => format!("{address}:{count}"),
        IpAddr::V6(address) => format!("[{address}]:{count}"),
    });
    [
        int("max.connection.creation.rate", limits.rate_max, "Connections that are accepted in a second."),
        int("max.connections", limits.open_max, "Connections of the node."),
        int("max.connections.per.ip", limits.per_ip_max, "Connections from one address."),
        NodeSetting {
            name: "max.connections.per.ip.overrides",
            value: overrides.collect::<Vec<_>>().join(","),
            kind: TYPE_STRING,
            documentation: "Addresses with a limit of their own.",
        },
    ]
}

impl NodeSetting {
    fn to_wire(&self, body: &DescribeConfigsRequest<'_>) -> DescribeConfigsResourceResult<'static> {
        let synonym = || DescribeConfigsSynonym {
            name: self.name.into(),
            value: Some(self.value.clone().into()),
            source: SOURCE_STATIC_BROKER,
        };
        DescribeConfigsResourceResult {
            name: self.name.into(),
            value: Some(self.value.clone().into()),
            read_only: true,
            config_source: SOURCE_STATIC_BROKER,
            synonyms: if body.include_synonyms { vec![synonym()] } else { Vec::new() },
            config_type: self.kind,
            documentation: body.include_documentation.then(|| self.documentation.into()),
            ..DescribeConfigsResourceResult::default()
        }
    }
}
