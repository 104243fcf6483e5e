//! Topic configs: what is a valid value, and what the values mean for the broker.

use std::collections::BTreeMap;

use engine::compaction::CompactionConfig;

use super::config_keys::{self, ConfigKey, ValueKind};
use crate::config::{Config, Durability};
use crate::limits::{MESSAGE_BYTES_MAX_DEFAULT, PARTITIONS_DEFAULT};

/// What the broker gives a topic that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDefaults {
    pub durability: Durability,
    pub message_bytes_max: u32,
    pub segment_bytes: u64,
    /// None keeps records of any age.
    pub retention_ms: Option<u64>,
    /// None keeps any number of bytes.
    pub retention_bytes: Option<u64>,
    /// Partitions of a topic whose creator does not care.
    pub partitions: u32,
}

impl Default for TopicDefaults {
    fn default() -> Self {
        Self {
            durability: Durability::Durable,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            segment_bytes: engine::limits::SEGMENT_BYTES_DEFAULT,
            retention_ms: Some(config_keys::WEEK_MS),
            retention_bytes: None,
            partitions: PARTITIONS_DEFAULT,
        }
    }
}

impl TopicDefaults {
    /// What a node's configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            durability: config.durability,
            message_bytes_max: config.message_bytes_max,
            partitions: config.partitions,
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            ..Self::default()
        }
    }

    /// The effective default of a key: the broker's where it has one, else the table's.
    pub fn value_of(&self, key: &ConfigKey) -> String {
        match key.name {
            config_keys::DURABILITY => durability_word(self.durability).to_owned(),
            config_keys::MAX_MESSAGE_BYTES => self.message_bytes_max.to_string(),
            config_keys::SEGMENT_BYTES => self.segment_bytes.to_string(),
            config_keys::RETENTION_MS => limit_text(self.retention_ms),
            config_keys::RETENTION_BYTES => limit_text(self.retention_bytes),
            _ => key.default.to_owned(),
        }
    }
}

/// What a topic's configs mean: the values that act, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    pub durability: Durability,
    pub message_bytes_max: u32,
    pub segment_bytes: u64,
    pub segment_ms: u64,
    pub retention_ms: Option<u64>,
    pub retention_bytes: Option<u64>,
    /// Whether old segments go, and records may be deleted.
    pub deletes: bool,
    /// How the log is compacted, if only the last record of each key is kept, so that every record needs one.
    pub compaction: Option<CompactionConfig>,
}

impl TopicSettings {
    /// Parses the configs that are set and takes the defaults for the others. What was set has been checked before it
    /// was stored; should a later build have stored what this one cannot read, the default holds.
    pub fn new(configs: &BTreeMap<String, String>, defaults: &TopicDefaults) -> Self {
        let durability = match configs.get(config_keys::DURABILITY).map(String::as_str) {
            Some(config_keys::DURABLE) => Durability::Durable,
            Some(config_keys::RELAXED) => Durability::Relaxed,
            _ => defaults.durability,
        };
        Self {
            durability,
            message_bytes_max: number(configs, config_keys::MAX_MESSAGE_BYTES).unwrap_or(defaults.message_bytes_max),
            segment_bytes: number(configs, config_keys::SEGMENT_BYTES).unwrap_or(defaults.segment_bytes),
            segment_ms: number(configs, config_keys::SEGMENT_MS).unwrap_or(config_keys::WEEK_MS),
            retention_ms: number(configs, config_keys::RETENTION_MS).map_or(defaults.retention_ms, limit),
            retention_bytes: number(configs, config_keys::RETENTION_BYTES).map_or(defaults.retention_bytes, limit),
            deletes: configs
                .get(config_keys::CLEANUP_POLICY)
                .is_none_or(|words| words.split(',').any(|word| word.trim() == config_keys::DELETE)),
            compaction: configs
                .get(config_keys::CLEANUP_POLICY)
                .filter(|words| words.split(',').any(|word| word.trim() == config_keys::COMPACT))
                .map(|_| compaction(configs)),
        }
    }

    /// Whether only the last record of each key is kept.
    pub fn is_compacted(&self) -> bool {
        self.compaction.is_some()
    }

    /// Whether answers do not wait for stable storage.
    pub fn is_relaxed(&self) -> bool {
        self.durability == Durability::Relaxed
    }
}

fn compaction(configs: &BTreeMap<String, String>) -> CompactionConfig {
    let defaults = CompactionConfig::default();
    let ratio: Option<f64> = number(configs, config_keys::DIRTY_RATIO_MIN);
    CompactionConfig {
        dirty_ratio_min_ppm: ratio.map_or(defaults.dirty_ratio_min_ppm, |ratio| (ratio * 1e6) as u32),
        delete_retention_ms: number(configs, config_keys::DELETE_RETENTION_MS).unwrap_or(defaults.delete_retention_ms),
        lag_ms_min: number(configs, config_keys::COMPACTION_LAG_MS_MIN).unwrap_or(defaults.lag_ms_min),
        // Kafka's way to say that there is no bound.
        lag_ms_max: number(configs, config_keys::COMPACTION_LAG_MS_MAX).filter(|ms| *ms < i64::MAX as u64),
    }
}

/// The word of the config that means `durability`.
pub fn durability_word(durability: Durability) -> &'static str {
    match durability {
        Durability::Durable => config_keys::DURABLE,
        Durability::Relaxed => config_keys::RELAXED,
    }
}

/// A bound as Kafka writes it: below zero there is none.
pub fn limit(value: i64) -> Option<u64> {
    u64::try_from(value).ok()
}

/// The inverse of [`limit`].
pub fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

fn number<T: std::str::FromStr>(configs: &BTreeMap<String, String>, name: &str) -> Option<T> {
    configs.get(name)?.trim().parse().ok()
}

/// Why a config is refused. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    #[error("Unknown topic config name: {0}")]
    UnknownKey(String),
    #[error("Null value not supported for topic configs: {0}")]
    NullValue(String),
    #[error("Invalid value {value} for configuration {key}: {reason}")]
    InvalidValue { key: &'static str, value: String, reason: String },
}

/// Checks one config by name.
pub fn check(name: &str, value: Option<&str>) -> Result<(), ConfigFault> {
    let key = config_keys::find(name).ok_or_else(|| ConfigFault::UnknownKey(name.to_owned()))?;
    let value = value.ok_or_else(|| ConfigFault::NullValue(name.to_owned()))?;
    check_value(key, value)
}

/// Checks a value against its key's type and range.
pub fn check_value(key: &ConfigKey, value: &str) -> Result<(), ConfigFault> {
    reason_against(key.kind, value.trim())
        .map_or(Ok(()), |reason| Err(ConfigFault::InvalidValue { key: key.name, value: value.to_owned(), reason }))
}

/// Says what is wrong with a value, if anything is.
fn reason_against(kind: ValueKind, value: &str) -> Option<String> {
    match kind {
        ValueKind::Boolean => {
            let valid = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
            (!valid).then(|| "Expected value to be either true or false".to_owned())
        }
        ValueKind::Int { min, max } => match value.parse::<i32>() {
            Err(_) => Some("Not a number of type INT".to_owned()),
            Ok(number) if number < min => Some(format!("Value must be at least {min}")),
            Ok(number) if number > max => Some(format!("Value must be no more than {max}")),
            Ok(_) => None,
        },
        ValueKind::Long { min } => match value.parse::<i64>() {
            Err(_) => Some("Not a number of type LONG".to_owned()),
            Ok(number) if number < min => Some(format!("Value must be at least {min}")),
            Ok(_) => None,
        },
        ValueKind::Double { min, max } => match value.parse::<f64>() {
            Err(_) => Some("Not a number of type DOUBLE".to_owned()),
            // A NaN is in no range.
            Ok(number) if (min..=max).contains(&number) => None,
            Ok(_) => Some(format!("Value must be between {min} and {max}")),
        },
        ValueKind::Word(words) => {
            (!words.contains(&value)).then(|| format!("String must be one of: {}", words.join(", ")))
        }
        ValueKind::Words(words) => {
            let valid = value.split(',').all(|word| words.contains(&word.trim()));
            (!valid).then(|| format!("Each of the comma-separated words must be one of: {}", words.join(", ")))
        }
        ValueKind::ThrottledReplicas => {
            let valid = value.is_empty() || value == "*" || value.split(',').all(|pair| is_replica_pair(pair.trim()));
            (!valid).then(|| "Expected * or a list of partition:broker pairs".to_owned())
        }
    }
}

fn is_replica_pair(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(partition, broker)| partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_checked_against_type_and_range() {
        for (name, value) in [
            ("segment.bytes", "1048576"),
            ("cleanup.policy", "compact,delete"),
            ("cleanup.policy", "compact, delete"),
            ("min.cleanable.dirty.ratio", "0.25"),
            ("preallocate", "TRUE"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-9"),
            ("ringmain.durability", "relaxed"),
            ("leader.replication.throttled.replicas", "0:1,2:3"),
            ("follower.replication.throttled.replicas", "*"),
        ] {
            assert_eq!(check(name, Some(value)), Ok(()), "{name}={value}");
        }
        for (name, value) in [
            ("segment.bytes", "1"),
            ("segment.bytes", "2147483648"),
            ("segment.bytes", ""),
            ("cleanup.policy", "shred"),
            ("cleanup.policy", ""),
            ("min.cleanable.dirty.ratio", "NaN"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("preallocate", "yes"),
            ("retention.ms", "-2"),
            ("retention.ms", "week"),
            ("ringmain.durability", "maybe"),
            ("leader.replication.throttled.replicas", "0-1"),
        ] {
            assert!(matches!(check(name, Some(value)), Err(ConfigFault::InvalidValue { .. })), "{name}={value}");
        }
    }

    #[test]
    fn an_unknown_key_and_a_missing_value_are_told_apart() {
        assert_eq!(check("segment.byte", Some("1")), Err(ConfigFault::UnknownKey("segment.byte".into())));
        assert_eq!(check("segment.bytes", None), Err(ConfigFault::NullValue("segment.bytes".into())));
    }

    #[test]
    fn settings_take_what_is_set_and_the_broker_s_defaults_for_the_rest() {
        let defaults = TopicDefaults { durability: Durability::Relaxed, ..TopicDefaults::default() };
        let configs = BTreeMap::from([("max.message.bytes".to_owned(), "2000".to_owned())]);
        let settings = TopicSettings::new(&configs, &defaults);
        assert_eq!(settings.message_bytes_max, 2000);
        assert_eq!(settings.segment_bytes, defaults.segment_bytes);
        assert!(settings.is_relaxed());
        assert_eq!(settings.compaction, None);
        let compacted: BTreeMap<String, String> = [
            ("cleanup.policy", "delete, compact"),
            ("min.cleanable.dirty.ratio", "0.25"),
            ("max.compaction.lag.ms", "9223372036854775807"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let settings = TopicSettings::new(&compacted, &defaults);
        let expected = CompactionConfig { dirty_ratio_min_ppm: 250_000, ..CompactionConfig::default() };
        assert_eq!((settings.compaction, settings.deletes), (Some(expected), true));
        let durable = BTreeMap::from([("ringmain.durability".to_owned(), "durable".to_owned())]);
        assert!(!TopicSettings::new(&durable, &defaults).is_relaxed());
    }
}
