//! The settings of single groups (KIP-848), which go before what the node was told about all of them.

use std::collections::BTreeMap;

use super::config_keys::{ConfigKey, ValueKind};
use super::configs::{self, ConfigFault};

/// Time without a heartbeat after which a member of the consumer protocol counts as gone, in milliseconds.
pub const SESSION_MS: &str = "consumer.session.timeout.ms";
/// How often such members are told to send heartbeats, in milliseconds.
pub const INTERVAL_MS: &str = "consumer.heartbeat.interval.ms";

/// What was set for single groups, by their names.
pub type GroupConfigs = BTreeMap<String, BTreeMap<String, String>>;

/// The settings, sorted by name. Their defaults are Kafka's; what holds is what the node was told.
pub const GROUP_KEYS: &[ConfigKey] = &[
    ConfigKey {
        name: INTERVAL_MS,
        kind: ValueKind::Int { min: 1, max: i32::MAX },
        default: "5000",
        acts: true,
        documentation: "How often members of the group are told to send heartbeats, in milliseconds.",
    },
    ConfigKey {
        name: SESSION_MS,
        kind: ValueKind::Int { min: 1, max: i32::MAX },
        default: "45000",
        acts: true,
        documentation: "Time without a heartbeat after which a member of the group counts as gone, in milliseconds.",
    },
];

/// What the node was told: the ranges for single groups, and what holds for all that set nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupBounds {
    pub session_ms: u32,
    pub session_ms_bounds: (u32, u32),
    pub interval_ms: u32,
    pub interval_ms_bounds: (u32, u32),
}

/// Why settings of a group are not possible. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    #[error("Default group resources are not allowed.")]
    Nameless,
    #[error("Unknown group config name: {0}")]
    UnknownKey(String),
    #[error(transparent)]
    Value(#[from] ConfigFault),
    #[error("{key} must be greater than or equal to group.consumer.min.{what} ({bound})")]
    TooSmall { key: &'static str, what: &'static str, bound: u32 },
    #[error("{key} must be less than or equal to group.consumer.max.{what} ({bound})")]
    TooLarge { key: &'static str, what: &'static str, bound: u32 },
    #[error("{SESSION_MS} must be greater than {INTERVAL_MS}")]
    BeatsTooSlowly,
    #[error("{0} groups with settings of their own are the limit.")]
    TooMany(usize),
}

pub fn find(name: &str) -> Option<&'static ConfigKey> {
    GROUP_KEYS.iter().find(|key| key.name == name)
}

/// A setting as a number, where it is set.
pub fn number(configs: &BTreeMap<String, String>, name: &str) -> Option<u32> {
    configs.get(name)?.trim().parse().ok()
}

/// Checks all settings that one group is to have.
pub fn check(wished: &BTreeMap<String, String>, bounds: &GroupBounds) -> Result<(), GroupFault> {
    for (name, value) in wished {
        let key = find(name).ok_or_else(|| GroupFault::UnknownKey(name.clone()))?;
        configs::check_value(key, value)?;
    }
    let session_ms = bounded(wished, SESSION_MS, "session.timeout.ms", bounds.session_ms_bounds)?;
    let interval_ms = bounded(wished, INTERVAL_MS, "heartbeat.interval.ms", bounds.interval_ms_bounds)?;
    let (session_ms, interval_ms) =
        (session_ms.unwrap_or(bounds.session_ms), interval_ms.unwrap_or(bounds.interval_ms));
    if session_ms > interval_ms { Ok(()) } else { Err(GroupFault::BeatsTooSlowly) }
}

fn bounded(
    wished: &BTreeMap<String, String>,
    key: &'static str,
    what: &'static str,
    (least, most): (u32, u32),
) -> Result<Option<u32>, GroupFault> {
    match number(wished, key) {
        Some(ms) if ms < least => Err(GroupFault::TooSmall { key, what, bound: least }),
        Some(ms) if ms > most => Err(GroupFault::TooLarge { key, what, bound: most }),
        ms => Ok(ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: GroupBounds = GroupBounds {
        session_ms: 45_000,
        session_ms_bounds: (1_000, 60_000),
        interval_ms: 5_000,
        interval_ms_bounds: (500, 15_000),
    };

    fn checked(configs: &[(&str, &str)]) -> Result<(), String> {
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check(&configs.collect(), &BOUNDS).map_err(|fault| fault.to_string())
    }

    #[test]
    fn settings_of_a_group_lie_between_the_node_s_bounds_and_members_beat_faster_than_their_sessions_end() {
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&[(SESSION_MS, "60000"), (INTERVAL_MS, "500")]), Ok(()));
        let refused = |configs: &[(&str, &str)]| checked(configs).expect_err("it is refused");
        assert!(refused(&[(SESSION_MS, "999")]).contains("group.consumer.min.session.timeout.ms (1000)"));
        assert!(refused(&[(SESSION_MS, "60001")]).contains("group.consumer.max.session.timeout.ms (60000)"));
        assert!(refused(&[(INTERVAL_MS, "20000")]).contains("group.consumer.max.heartbeat.interval.ms (15000)"));
        assert!(refused(&[(INTERVAL_MS, "soon")]).contains("Not a number of type INT"));
        assert_eq!(
            refused(&[("share.session.timeout.ms", "1")]),
            "Unknown group config name: share.session.timeout.ms"
        );
        // The interval of a group that sets none is the node's.
        assert_eq!(refused(&[(SESSION_MS, "5000")]), GroupFault::BeatsTooSlowly.to_string());
    }
}
