//! What a node is told about groups, checked.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::consumer::Assignor;
use super::limits;
use crate::config::{ConfigError, Settings, in_range};
use crate::controller::group_keys::{GroupBounds, INTERVAL_MS, SESSION_MS, number};

/// Which groups with members may go over to the other protocol. Groups without members always may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Migration {
    #[default]
    Bidirectional,
    Upgrade,
    Downgrade,
    Disabled,
}

impl Migration {
    const ALL: [Self; 4] = [Self::Bidirectional, Self::Upgrade, Self::Downgrade, Self::Disabled];

    /// Kafka's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bidirectional => "bidirectional",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn allows_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    pub(super) fn allows_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

/// Checked settings of groups and committed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupConfig {
    /// How long a group that begins waits for further members.
    pub initial_delay_ms: u64,
    pub session_ms_min: i32,
    pub session_ms_max: i32,
    pub size_max: u32,
    pub offset_metadata_bytes_max: u32,
    pub offsets_retention_ms: i64,
    pub retention_check_ms: u64,
    /// Partitions of the offsets topic, when it is created.
    pub offsets_partitions: u32,
    pub offsets_segment_bytes: u32,
    /// Time without a heartbeat after which a member of the consumer protocol counts as gone.
    pub consumer_session_ms: u64,
    pub consumer_session_ms_bounds: (u32, u32),
    /// How often such members are told to send heartbeats.
    pub consumer_interval_ms: i32,
    pub consumer_interval_ms_bounds: (u32, u32),
    pub consumer_size_max: u32,
    /// The first one is for groups whose members do not ask for one.
    pub assignors: &'static [Assignor],
    pub migration: Migration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            initial_delay_ms: limits::INITIAL_DELAY_MS_DEFAULT,
            session_ms_min: limits::SESSION_MS_MIN_DEFAULT,
            session_ms_max: limits::SESSION_MS_MAX_DEFAULT,
            size_max: limits::GROUP_SIZE_MAX_DEFAULT,
            offset_metadata_bytes_max: limits::OFFSET_METADATA_BYTES_DEFAULT,
            offsets_retention_ms: i64::from(limits::OFFSETS_RETENTION_MINUTES_DEFAULT) * 60_000,
            retention_check_ms: limits::OFFSETS_RETENTION_CHECK_MS_DEFAULT,
            offsets_partitions: limits::OFFSETS_PARTITIONS_DEFAULT,
            offsets_segment_bytes: limits::OFFSETS_SEGMENT_BYTES_DEFAULT,
            consumer_session_ms: u64::from(limits::CONSUMER_SESSION_MS_DEFAULT),
            consumer_session_ms_bounds: limits::CONSUMER_SESSION_MS_BOUNDS_DEFAULT,
            consumer_interval_ms: limits::CONSUMER_INTERVAL_MS_DEFAULT.cast_signed(),
            consumer_interval_ms_bounds: limits::CONSUMER_INTERVAL_MS_BOUNDS_DEFAULT,
            consumer_size_max: limits::CONSUMER_SIZE_MAX_DEFAULT,
            assignors: &Assignor::ALL,
            migration: Migration::default(),
        }
    }
}

/// What holds for groups with settings of their own, by their names.
pub type GroupConfigs = BTreeMap<Rc<str>, GroupConfig>;

impl GroupConfig {
    /// What holds for a group for which this was set.
    pub fn of_group(self, set: &BTreeMap<String, String>) -> Self {
        Self {
            consumer_session_ms: number(set, SESSION_MS).map_or(self.consumer_session_ms, u64::from),
            consumer_interval_ms: number(set, INTERVAL_MS).map_or(self.consumer_interval_ms, u32::cast_signed),
            ..self
        }
    }

    /// What can be set for single groups.
    pub fn bounds(&self) -> GroupBounds {
        GroupBounds {
            session_ms: u32::try_from(self.consumer_session_ms).expect("bounded when it was checked"),
            session_ms_bounds: self.consumer_session_ms_bounds,
            interval_ms: self.consumer_interval_ms.cast_unsigned(),
            interval_ms_bounds: self.consumer_interval_ms_bounds,
        }
    }

    /// Checks what was written; what is absent has Kafka's default.
    pub(crate) fn check(settings: &Settings) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let minutes = settings.offsets_retention_minutes.unwrap_or(limits::OFFSETS_RETENTION_MINUTES_DEFAULT);
        let minutes = in_range("offsets.retention.minutes", minutes, 1, i32::MAX as u32)?;
        let session_ms_max = settings.group_session_ms_max.unwrap_or(defaults.session_ms_max);
        let session_ms_max = in_range("group.max.session.timeout.ms", session_ms_max, 1, i32::MAX)?;
        let session_ms_min = settings.group_session_ms_min.unwrap_or(defaults.session_ms_min.min(session_ms_max));
        let consumers = Consumers::check(settings)?;
        Ok(Self {
            initial_delay_ms: in_range(
                "group.initial.rebalance.delay.ms",
                settings.group_initial_delay_ms.unwrap_or(defaults.initial_delay_ms),
                0,
                i32::MAX as u64,
            )?,
            session_ms_min: in_range("group.min.session.timeout.ms", session_ms_min, 1, session_ms_max)?,
            session_ms_max,
            size_max: in_range(
                "group.max.size",
                settings.group_size_max.unwrap_or(defaults.size_max),
                1,
                i32::MAX as u32,
            )?,
            offset_metadata_bytes_max: in_range(
                "offset.metadata.max.bytes",
                settings.offset_metadata_bytes_max.unwrap_or(defaults.offset_metadata_bytes_max),
                0,
                limits::OFFSET_METADATA_BYTES_CEILING,
            )?,
            offsets_retention_ms: i64::from(minutes) * 60_000,
            retention_check_ms: in_range(
                "offsets.retention.check.interval.ms",
                settings.offsets_retention_check_ms.unwrap_or(defaults.retention_check_ms),
                1,
                i64::MAX as u64 / 2,
            )?,
            offsets_partitions: in_range(
                "offsets.topic.num.partitions",
                settings.offsets_partitions.unwrap_or(defaults.offsets_partitions),
                1,
                crate::limits::PARTITIONS_PER_TOPIC_MAX,
            )?,
            offsets_segment_bytes: in_range(
                "offsets.topic.segment.bytes",
                settings.offsets_segment_bytes.unwrap_or(defaults.offsets_segment_bytes),
                1024 * 1024,
                i32::MAX as u32,
            )?,
            consumer_session_ms: u64::from(consumers.session_ms),
            consumer_session_ms_bounds: consumers.session_ms_bounds,
            consumer_interval_ms: consumers.interval_ms.cast_signed(),
            consumer_interval_ms_bounds: consumers.interval_ms_bounds,
            consumer_size_max: consumers.size_max,
            assignors: consumers.assignors,
            migration: consumers.migration,
        })
    }
}

/// The settings of groups of the consumer protocol.
struct Consumers {
    session_ms: u32,
    session_ms_bounds: (u32, u32),
    interval_ms: u32,
    interval_ms_bounds: (u32, u32),
    size_max: u32,
    assignors: &'static [Assignor],
    migration: Migration,
}

impl Consumers {
    fn check(settings: &Settings) -> Result<Self, ConfigError> {
        let most = i32::MAX as u32;
        let (least_ms, most_ms) = limits::CONSUMER_SESSION_MS_BOUNDS_DEFAULT;
        let session_ms_max = settings.consumer_session_ms_max.unwrap_or(most_ms);
        let session_ms_max = in_range("group.consumer.max.session.timeout.ms", session_ms_max, 1, most)?;
        let session_ms_min = settings.consumer_session_ms_min.unwrap_or(least_ms.min(session_ms_max));
        let session_ms_min = in_range("group.consumer.min.session.timeout.ms", session_ms_min, 1, session_ms_max)?;
        let default_ms = limits::CONSUMER_SESSION_MS_DEFAULT.clamp(session_ms_min, session_ms_max);
        let session_ms = settings.consumer_session_ms.unwrap_or(default_ms);
        let session_ms = in_range("group.consumer.session.timeout.ms", session_ms, session_ms_min, session_ms_max)?;
        let (least_ms, most_ms) = limits::CONSUMER_INTERVAL_MS_BOUNDS_DEFAULT;
        let interval_ms_max = settings.consumer_interval_ms_max.unwrap_or(most_ms);
        let interval_ms_max = in_range("group.consumer.max.heartbeat.interval.ms", interval_ms_max, 1, most)?;
        let interval_ms_min = settings.consumer_interval_ms_min.unwrap_or(least_ms.min(interval_ms_max));
        let interval_ms_min =
            in_range("group.consumer.min.heartbeat.interval.ms", interval_ms_min, 1, interval_ms_max)?;
        let default_ms = limits::CONSUMER_INTERVAL_MS_DEFAULT.clamp(interval_ms_min, interval_ms_max);
        let interval_ms = settings.consumer_interval_ms.unwrap_or(default_ms);
        // A member that beats no faster than its session lasts would be gone all the time.
        let interval_ms_most = interval_ms_max.min(session_ms - 1);
        let interval_ms =
            in_range("group.consumer.heartbeat.interval.ms", interval_ms, interval_ms_min, interval_ms_most)?;
        let size_max = settings.consumer_size_max.unwrap_or(limits::CONSUMER_SIZE_MAX_DEFAULT);
        Ok(Self {
            session_ms,
            session_ms_bounds: (session_ms_min, session_ms_max),
            interval_ms,
            interval_ms_bounds: (interval_ms_min, interval_ms_max),
            size_max: in_range("group.consumer.max.size", size_max, 1, most)?,
            assignors: settings.consumer_assignors.as_deref().map_or(Ok(&Assignor::ALL[..]), assignors)?,
            migration: settings.consumer_migration.as_deref().map_or(Ok(Migration::default()), migration)?,
        })
    }
}

fn assignors(names: &[String]) -> Result<&'static [Assignor], ConfigError> {
    const RANGE_FIRST: &[Assignor] = &[Assignor::Range, Assignor::Uniform];
    let refusal = |reason: &str| ConfigError::Value {
        setting: "group.consumer.assignors",
        value: names.join(","),
        reason: reason.to_owned(),
    };
    let found: Option<Vec<Assignor>> = names.iter().map(|name| Assignor::find(name.trim())).collect();
    let found = found.ok_or_else(|| refusal("the assignors are uniform and range"))?;
    let lists: [&'static [Assignor]; 4] = [&Assignor::ALL, RANGE_FIRST, &[Assignor::Uniform], &[Assignor::Range]];
    lists.into_iter().find(|list| *list == found).ok_or_else(|| refusal("it must name one or two of them, each once"))
}

fn migration(word: &str) -> Result<Migration, ConfigError> {
    let found = Migration::ALL.into_iter().find(|policy| policy.word().eq_ignore_ascii_case(word));
    found.ok_or_else(|| ConfigError::Value {
        setting: "group.consumer.migration.policy",
        value: word.to_owned(),
        reason: "it must be bidirectional, upgrade, downgrade or disabled".to_owned(),
    })
}
