//! `ringmain config`, and `ringmain topic alter`: what the sub-commands ask the cluster.

use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    RESOURCE_TYPE_BROKER, RESOURCE_TYPE_GROUP, RESOURCE_TYPE_TOPIC, SOURCE_DEFAULT, SOURCE_DYNAMIC_BROKER,
    SOURCE_DYNAMIC_DEFAULT_BROKER, SOURCE_GROUP, SOURCE_STATIC_BROKER, SOURCE_TOPIC,
};
use wire::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    OPERATION_DELETE, OPERATION_SET,
};
use wire::{ApiKey, ErrorCode};

use super::client::{AdminError, Client, Cluster};
use super::report::Report;
use super::report_config::{Altered, ConfigLine, ConfigsOf};
use super::topic::{explain, key_value};

/// Whose settings a command is about.
#[derive(Debug, Clone)]
pub(super) enum Whose {
    Topics(Vec<String>),
    Broker(i32),
    AllBrokers,
    Group(String),
}

/// A change of one setting; without a value it goes back to its default.
pub(super) struct Wish<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

impl<'a> Wish<'a> {
    /// From `KEY=VALUE`.
    pub(super) fn set(text: &'a str) -> Result<Self, AdminError> {
        let (key, value) = key_value(text)?;
        Ok(Self { key, value: Some(value) })
    }

    pub(super) fn unset(key: &'a str) -> Self {
        Self { key, value: None }
    }

    fn to_wire(&self) -> AlterableConfig<'a> {
        let config_operation = if self.value.is_some() { OPERATION_SET } else { OPERATION_DELETE };
        AlterableConfig { name: self.key, config_operation, value: self.value }
    }
}

impl Whose {
    fn resource_type(&self) -> i8 {
        match self {
            Self::Topics(_) => RESOURCE_TYPE_TOPIC,
            Self::Broker(_) | Self::AllBrokers => RESOURCE_TYPE_BROKER,
            Self::Group(_) => RESOURCE_TYPE_GROUP,
        }
    }

    /// The names the protocol has for them.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Topics(names) => names.clone(),
            Self::Broker(id) => vec![id.to_string()],
            Self::AllBrokers => vec![String::new()],
            Self::Group(name) => vec![name.clone()],
        }
    }

    /// The node to ask: a broker answers for itself.
    fn node<'c>(&self, cluster: &'c mut Cluster) -> Result<&'c mut Client, AdminError> {
        let Self::Broker(id) = self else { return cluster.controller() };
        let metadata = cluster.metadata(Some(&[]))?;
        cluster.node(*id, &metadata, &format!("broker {id} (`ringmain cluster describe` shows the brokers)"))
    }
}

/// As a person would say it.
fn spoken(resource_type: i8, name: &str) -> String {
    match (resource_type, name) {
        (RESOURCE_TYPE_BROKER, "") => "all brokers".to_owned(),
        (RESOURCE_TYPE_BROKER, id) => format!("broker {id}"),
        (RESOURCE_TYPE_GROUP, group) => format!("group {group}"),
        (_, topic) => format!("topic {topic}"),
    }
}

/// Changes settings, all of a topic or broker together.
pub(super) fn alter(
    bootstrap: &str,
    whose: &Whose,
    wishes: &[Wish<'_>],
    validate_only: bool,
) -> Result<Report, AdminError> {
    let names = whose.names();
    let resource = |name| AlterConfigsResource {
        resource_type: whose.resource_type(),
        resource_name: name,
        configs: wishes.iter().map(Wish::to_wire).collect(),
    };
    let resources = names.iter().map(|name| resource(name)).collect();
    let request = IncrementalAlterConfigsRequest { resources, validate_only };
    let mut cluster = Cluster::connect(bootstrap)?;
    let node = whose.node(&mut cluster)?;
    let body = node.call(ApiKey::IncrementalAlterConfigs, |version, out| request.encode(version, out))?;
    let answer = body.read(IncrementalAlterConfigsResponse::decode)?;
    let done = done(wishes, validate_only);
    let altered = answer.responses.iter().map(|response| Altered {
        of: spoken(response.resource_type, &response.resource_name),
        result: match response.error_code {
            ErrorCode::NONE => done.clone(),
            code => explain(code, response.error_message.as_deref()),
        },
        failed: response.error_code.is_error(),
    });
    Ok(Report::Altered(altered.collect()))
}

fn done(wishes: &[Wish<'_>], validate_only: bool) -> String {
    let what: Vec<String> = wishes
        .iter()
        .map(|wish| match wish.value {
            Some(value) => format!("{} = {value}", wish.key),
            None => format!("{} is at its default", wish.key),
        })
        .collect();
    let prefix = if validate_only { "would be possible: " } else { "" };
    format!("{prefix}{}", what.join(", "))
}

/// Shows settings: those that were set, or all.
pub(super) fn describe(bootstrap: &str, whose: &Whose, keys: &[String], all: bool) -> Result<Report, AdminError> {
    let names = whose.names();
    let wanted = (!keys.is_empty()).then(|| keys.iter().map(String::as_str).collect::<Vec<_>>());
    let resource = |name| DescribeConfigsResource {
        resource_type: whose.resource_type(),
        resource_name: name,
        configuration_keys: wanted.clone(),
    };
    let resources = names.iter().map(|name| resource(name)).collect();
    let request = DescribeConfigsRequest { resources, include_synonyms: false, include_documentation: true };
    let mut cluster = Cluster::connect(bootstrap)?;
    let node = whose.node(&mut cluster)?;
    let body = node.call(ApiKey::DescribeConfigs, |version, out| request.encode(version, out))?;
    let answer = body.read(DescribeConfigsResponse::decode)?;
    let mut described = Vec::new();
    for result in &answer.results {
        let of = spoken(result.resource_type, &result.resource_name);
        if result.error_code.is_error() {
            let reason = explain(result.error_code, result.error_message.as_deref());
            return Err(AdminError::Usage(format!("{of}: {reason}")));
        }
        // Who names a key wants to see it, whatever it is.
        let without_defaults = !all && keys.is_empty();
        let shown = result.configs.iter().filter(|config| !without_defaults || config.config_source != SOURCE_DEFAULT);
        let mut settings: Vec<ConfigLine> = shown.map(line).collect();
        settings.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some(missing) = keys.iter().find(|key| settings.iter().all(|line| line.key != **key)) {
            return Err(AdminError::Usage(format!("{of} has no setting {missing}; --all shows what there is")));
        }
        described.push(ConfigsOf { of, settings, without_defaults });
    }
    Ok(Report::Configs(described))
}

fn line(config: &DescribeConfigsResourceResult<'_>) -> ConfigLine {
    ConfigLine {
        key: config.name.to_string(),
        value: config.value.as_deref().map(str::to_owned),
        source: source(config.config_source),
        read_only: config.read_only,
        documentation: config.documentation.as_deref().map(str::to_owned),
    }
}

fn source(number: i8) -> &'static str {
    match number {
        SOURCE_TOPIC => "topic",
        SOURCE_GROUP => "group",
        SOURCE_DYNAMIC_BROKER => "broker, changed",
        SOURCE_DYNAMIC_DEFAULT_BROKER => "all brokers, changed",
        SOURCE_STATIC_BROKER => "broker's file or flag",
        SOURCE_DEFAULT => "default",
        _ => "elsewhere",
    }
}
