//! DescribeConfigs: the settings of topics and of this node, with where each value comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym, RESOURCE_TYPE_BROKER, RESOURCE_TYPE_TOPIC, SOURCE_DEFAULT,
    SOURCE_STATIC_BROKER, SOURCE_TOPIC,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::config::Config;
use crate::controller::config_keys::{ConfigKey, TOPIC_KEYS, ValueKind};
use crate::controller::configs::{TopicDefaults, durability_word, limit_text};
use crate::controller::names;
use crate::net::Answer;
use crate::partition::limits::FETCH_BYTES_MAX;
use crate::shard::Context;

// Kafka's numbers for types (`DescribeConfigsResponse.ConfigType`).
const TYPE_BOOLEAN: i8 = 1;
const TYPE_STRING: i8 = 2;
const TYPE_INT: i8 = 3;
const TYPE_LONG: i8 = 5;
const TYPE_DOUBLE: i8 = 6;
const TYPE_LIST: i8 = 7;

type Refusal = (ErrorCode, String);

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

fn is_wanted(resource: &DescribeConfigsResource<'_>, name: &str) -> bool {
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
            let value = defaults.value_of(key);
            let source = if value == key.default { SOURCE_DEFAULT } else { SOURCE_STATIC_BROKER };
            TopicValue { key, value, source }
        }
    })
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

/// Every place that has a value, the one that counts first.
fn synonyms(
    key: &'static ConfigKey,
    value: &str,
    source: i8,
    defaults: &TopicDefaults,
) -> Vec<DescribeConfigsSynonym<'static>> {
    let synonym =
        |value: String, source| DescribeConfigsSynonym { name: key.name.into(), value: Some(value.into()), source };
    let mut synonyms = Vec::new();
    if source == SOURCE_TOPIC {
        synonyms.push(synonym(value.to_owned(), SOURCE_TOPIC));
    }
    let broker_value = defaults.value_of(key);
    if broker_value != key.default {
        synonyms.push(synonym(broker_value, SOURCE_STATIC_BROKER));
    }
    synonyms.push(synonym(key.default.to_owned(), SOURCE_DEFAULT));
    synonyms
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
    // The empty name stands for what all nodes have in common and can be changed while they run: nothing, here.
    if resource.resource_name.is_empty() {
        return Ok(Vec::new());
    }
    if resource.resource_name != own_id.to_string() {
        let name = resource.resource_name;
        let message = format!("Unexpected broker id, expected {own_id} or empty string, but received {name}");
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    let settings = node_settings(ctx);
    let wanted = settings.into_iter().filter(|setting| is_wanted(resource, setting.name));
    Ok(wanted.map(|setting| setting.to_wire(body.include_synonyms)).collect())
}

/// A setting of this node. What is read from the configuration file or a flag counts as static, whatever its value.
struct NodeSetting {
    name: &'static str,
    value: String,
    kind: i8,
}

fn node_settings(ctx: &Context) -> Vec<NodeSetting> {
    let config: &Config = &ctx.config;
    let node = &ctx.node;
    let setting = |name, kind, value: String| NodeSetting { name, value, kind };
    let listener = format!("PLAINTEXT://{}", config.listen);
    let mut settings = vec![
        setting("advertised.listeners", TYPE_STRING, format!("PLAINTEXT://{}:{}", node.host, node.port)),
        setting("auto.create.topics.enable", TYPE_BOOLEAN, config.auto_create_topics.to_string()),
        setting("broker.id", TYPE_INT, node.node_id.to_string()),
        setting("connections.max.idle.ms", TYPE_LONG, config.connection_idle.as_millis().to_string()),
        setting("default.replication.factor", TYPE_INT, "1".to_owned()),
        setting("fetch.max.bytes", TYPE_INT, FETCH_BYTES_MAX.to_string()),
        setting("listeners", TYPE_STRING, listener),
        setting("log.cleaner.backoff.ms", TYPE_LONG, config.compaction_check.as_millis().to_string()),
        setting("log.dirs", TYPE_STRING, config.data_dir.display().to_string()),
        setting("log.retention.bytes", TYPE_LONG, limit_text(config.retention_bytes)),
        setting("log.retention.check.interval.ms", TYPE_LONG, config.retention_check.as_millis().to_string()),
        setting("log.retention.ms", TYPE_LONG, limit_text(config.retention_ms)),
        setting("message.max.bytes", TYPE_INT, config.message_bytes_max.to_string()),
        setting("node.id", TYPE_INT, node.node_id.to_string()),
        setting("num.partitions", TYPE_INT, config.partitions.to_string()),
        setting("producer.id.expiration.ms", TYPE_INT, config.producer_expiry.as_millis().to_string()),
        setting("ringmain.durability", TYPE_STRING, durability_word(config.durability).to_owned()),
        setting("ringmain.shards", TYPE_INT, ctx.shard_count.to_string()),
        setting("socket.request.max.bytes", TYPE_INT, config.request_bytes_max.to_string()),
    ];
    settings.sort_by_key(|setting| setting.name);
    settings
}

impl NodeSetting {
    fn to_wire(&self, include_synonyms: bool) -> DescribeConfigsResourceResult<'static> {
        let synonym = || DescribeConfigsSynonym {
            name: self.name.into(),
            value: Some(self.value.clone().into()),
            source: SOURCE_STATIC_BROKER,
        };
        DescribeConfigsResourceResult {
            name: self.name.into(),
            value: Some(self.value.clone().into()),
            // Nothing of a node can be changed while it runs.
            read_only: true,
            config_source: SOURCE_STATIC_BROKER,
            synonyms: if include_synonyms { vec![synonym()] } else { Vec::new() },
            config_type: self.kind,
            ..DescribeConfigsResourceResult::default()
        }
    }
}
