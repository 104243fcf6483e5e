//! Topic configs: what is a valid value, and what the values mean for the broker.

use std::collections::BTreeMap;

use engine::compaction::CompactionConfig;

use super::config_keys::{self, ConfigKey, ValueKind};
use super::defaults::TopicDefaults;
use super::intake::Intake;
use super::limits::TOPIC_CONFIG_BYTES_MAX;
use crate::config::Durability;

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
    /// How batches are taken in.
    pub intake: Intake,
}

/// The values that hold for a topic: its own, and where it has none, what was changed for the nodes.
pub struct Values<'a> {
    pub configs: &'a BTreeMap<String, String>,
    pub defaults: &'a TopicDefaults,
}

impl<'a> Values<'a> {
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.configs.get(name).map(String::as_str).or_else(|| self.defaults.changed(name)).map(str::trim)
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
}

impl TopicSettings {
    /// Parses the configs that are set and takes the defaults for the others. What was set has been checked before it
    /// was stored; should a later build have stored what this one cannot read, the default holds.
    pub fn new(configs: &BTreeMap<String, String>, defaults: &TopicDefaults) -> Self {
        let values = Values { configs, defaults };
        let durability = match values.get(config_keys::DURABILITY) {
            Some(config_keys::DURABLE) => Durability::Durable,
            Some(config_keys::RELAXED) => Durability::Relaxed,
            _ => defaults.durability,
        };
        let policy = values.get(config_keys::CLEANUP_POLICY).unwrap_or(config_keys::DELETE);
        let has_policy = |wanted| policy.split(',').any(|word| word.trim() == wanted);
        Self {
            durability,
            message_bytes_max: values.number(config_keys::MAX_MESSAGE_BYTES).unwrap_or(defaults.message_bytes_max),
            segment_bytes: values.number(config_keys::SEGMENT_BYTES).unwrap_or(defaults.segment_bytes),
            segment_ms: values.number(config_keys::SEGMENT_MS).unwrap_or(config_keys::WEEK_MS),
            retention_ms: values.number(config_keys::RETENTION_MS).map_or(defaults.retention_ms, limit),
            retention_bytes: values.number(config_keys::RETENTION_BYTES).map_or(defaults.retention_bytes, limit),
            deletes: has_policy(config_keys::DELETE),
            compaction: has_policy(config_keys::COMPACT).then(|| compaction(&values)),
            intake: Intake::new(&values),
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

fn compaction(values: &Values<'_>) -> CompactionConfig {
    let defaults = CompactionConfig::default();
    let ratio: Option<f64> = values.number(config_keys::DIRTY_RATIO_MIN);
    CompactionConfig {
        dirty_ratio_min_ppm: ratio.map_or(defaults.dirty_ratio_min_ppm, |ratio| (ratio * 1e6) as u32),
        delete_retention_ms: values.number(config_keys::DELETE_RETENTION_MS).unwrap_or(defaults.delete_retention_ms),
        lag_ms_min: values.number(config_keys::COMPACTION_LAG_MS_MIN).unwrap_or(defaults.lag_ms_min),
        // Kafka's way to say that there is no bound.
        lag_ms_max: values.number(config_keys::COMPACTION_LAG_MS_MAX).filter(|ms| *ms < i64::MAX as u64),
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

/// Why a config is refused. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    #[error("Unknown topic config name: {0}")]
    UnknownKey(String),
    #[error("Null value not supported for topic configs: {0}")]
    NullValue(String),
    #[error("Invalid value {value} for configuration {key}: {reason}")]
    InvalidValue { key: &'static str, value: String, reason: String },
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    InvalidNodeValue { name: String, value: String, reason: String },
    #[error("Tiered storage does not exist here, so remote.storage.enable cannot be true.")]
    NoTieredStorage,
    #[error("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})")]
    LagsCross { min: i64, max: i64 },
    #[error("The configs of one topic or node may take {TOPIC_CONFIG_BYTES_MAX} bytes at most.")]
    TooLarge,
}

impl ConfigFault {
    /// The same fault under the name that a node's setting has for the config.
    pub fn about(self, name: &str) -> Self {
        match self {
            Self::InvalidValue { value, reason, .. } => Self::InvalidNodeValue { name: name.to_owned(), value, reason },
            other => other,
        }
    }
}

/// Checks all configs that one topic, or one node, is to have.
pub fn check_all(configs: &BTreeMap<String, String>) -> Result<(), ConfigFault> {
    if configs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > TOPIC_CONFIG_BYTES_MAX {
        return Err(ConfigFault::TooLarge);
    }
    if configs.get(config_keys::REMOTE_STORAGE).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
        return Err(ConfigFault::NoTieredStorage);
    }
    let number = |name| configs.get(name).and_then(|value: &String| value.trim().parse::<i64>().ok());
    let min = number(config_keys::COMPACTION_LAG_MS_MIN).unwrap_or(0);
    let max = number(config_keys::COMPACTION_LAG_MS_MAX).unwrap_or(i64::MAX);
    if min > max { Err(ConfigFault::LagsCross { min, max }) } else { Ok(()) }
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
    fn configs_that_contradict_each_other_are_refused() {
        let all = |configs: &[(&str, &str)]| {
            check_all(&configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(all(&[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "5")]), Ok(()));
        let crossed = all(&[("min.compaction.lag.ms", "6"), ("max.compaction.lag.ms", "5")]);
        assert_eq!(crossed, Err(ConfigFault::LagsCross { min: 6, max: 5 }));
        assert_eq!(all(&[("remote.storage.enable", "False")]), Ok(()));
        assert_eq!(all(&[("remote.storage.enable", "true")]), Err(ConfigFault::NoTieredStorage));
        assert_eq!(all(&[("segment.ms", &"0".repeat(TOPIC_CONFIG_BYTES_MAX))]), Err(ConfigFault::TooLarge));
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
