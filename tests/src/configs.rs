//! Configs of topics and nodes, changed and described at the port.

use crate::kafka::Client;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

/// Kafka's number for topics as resources.
pub const TOPIC: i8 = 2;
/// Kafka's number for nodes as resources.
pub const NODE: i8 = 4;
/// Kafka's number for groups as resources.
pub const GROUP: i8 = 32;

/// Kafka's number for an operation.
pub const SET: i8 = 0;
/// See [`SET`].
pub const DELETE: i8 = 1;
/// See [`SET`].
pub const APPEND: i8 = 2;
/// See [`SET`].
pub const SUBTRACT: i8 = 3;

/// A change: operation, name, value.
pub type Change<'a> = (i8, &'a str, Option<&'a str>);

/// What is to change of one topic or node.
pub fn alteration(kind: i8, name: &str, changes: &[Change<'_>]) -> AlterConfigsResource {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let configs = changes.iter().map(|(operation, name, value)| {
        let config = AlterableConfig::default().with_name(text(name)).with_config_operation(*operation);
        config.with_value(value.map(text))
    });
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect())
}

impl Client {
    /// Changes configs and gives the error code and text.
    pub fn alter_configs(&mut self, kind: i8, name: &str, changes: &[Change<'_>]) -> (i16, String) {
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![alteration(kind, name, changes)]);
        let answer = self.call(1, &request).responses.remove(0);
        (answer.error_code, answer.error_message.map(|text| text.to_string()).unwrap_or_default())
    }

    /// Sets a config of a topic; panics if the broker refuses.
    pub fn set_topic_config(&mut self, topic: &str, name: &str, value: &str) {
        let (code, text) = self.alter_configs(TOPIC, topic, &[(SET, name, Some(value))]);
        assert_eq!(code, 0, "{topic}: {name}={value}: {text}");
    }

    /// Every config of a topic or node, by name; panics if the broker refuses.
    pub fn describe_configs(&mut self, kind: i8, name: &str) -> BTreeMap<String, DescribeConfigsResourceResult> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name.to_owned()))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource])
            .with_include_synonyms(true)
            .with_include_documentation(true);
        let mut answer = self.call(4, &request);
        let result = answer.results.remove(0);
        assert_eq!(result.error_code, 0, "{name}: {:?}", result.error_message);
        result.configs.into_iter().map(|config| (config.name.to_string(), config)).collect()
    }
}
