//! What a node is told about groups, checked.

use super::limits;
use crate::config::{ConfigError, Settings, in_range};

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
        }
    }
}

impl GroupConfig {
    /// Checks what was written; what is absent has Kafka's default.
    pub(crate) fn check(settings: &Settings) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let minutes = settings.offsets_retention_minutes.unwrap_or(limits::OFFSETS_RETENTION_MINUTES_DEFAULT);
        let minutes = in_range("offsets.retention.minutes", minutes, 1, i32::MAX as u32)?;
        let session_ms_max = settings.group_session_ms_max.unwrap_or(defaults.session_ms_max);
        let session_ms_max = in_range("group.max.session.timeout.ms", session_ms_max, 1, i32::MAX)?;
        let session_ms_min = settings.group_session_ms_min.unwrap_or(defaults.session_ms_min.min(session_ms_max));
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
        })
    }
}
