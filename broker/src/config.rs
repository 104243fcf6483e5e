//! What a node is told: defaults, then the file, then flags.
//!
//! [`Settings`] is what was written, every field optional; [`Config`] is what has been checked, and the rest of the
//! broker sees only that. The keys of the file are Kafka's where Kafka has the setting.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::group::config::GroupConfig;
use crate::ids::{CoreId, NodeId};
use crate::limits;

/// When a produce request with acks is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once the records are on stable storage.
    #[default]
    Durable,
    /// Once the records are in memory; they are stored within 50 ms.
    Relaxed,
}

/// Where clients reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

/// The settings as written in a file or as flags. An absent one leaves the choice to what comes before.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(rename = "node.id")]
    pub node_id: Option<i32>,
    #[serde(rename = "data")]
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    pub advertise: Option<String>,
    pub cores: Option<Vec<usize>>,
    pub durability: Option<Durability>,
    #[serde(rename = "memory.bytes")]
    pub memory_bytes: Option<u64>,
    #[serde(rename = "journal.mib")]
    pub journal_mib: Option<u32>,
    #[serde(rename = "journal.group.kib")]
    pub journal_group_kib: Option<u32>,
    #[serde(rename = "disk.reserve.mib")]
    pub disk_reserve_mib: Option<u32>,
    #[serde(rename = "auto.create.topics.enable")]
    pub auto_create_topics: Option<bool>,
    #[serde(rename = "num.partitions")]
    pub partitions: Option<u32>,
    #[serde(rename = "message.max.bytes")]
    pub message_bytes_max: Option<u32>,
    #[serde(rename = "socket.request.max.bytes")]
    pub request_bytes_max: Option<u32>,
    #[serde(rename = "connections.per.shard.max")]
    pub connections_max: Option<u32>,
    #[serde(rename = "connections.max.idle.ms")]
    pub connection_idle_ms: Option<u64>,
    #[serde(rename = "log.retention.ms")]
    pub retention_ms: Option<i64>,
    #[serde(rename = "log.retention.bytes")]
    pub retention_bytes: Option<i64>,
    #[serde(rename = "log.retention.check.interval.ms")]
    pub retention_check_ms: Option<u64>,
    #[serde(rename = "log.cleaner.backoff.ms")]
    pub compaction_check_ms: Option<u64>,
    #[serde(rename = "log.cleaner.io.max.bytes.per.second")]
    pub compaction_bytes_per_s: Option<u64>,
    #[serde(rename = "producer.id.expiration.ms")]
    pub producer_expiry_ms: Option<u64>,
    #[serde(rename = "log.scrub.mib.per.second")]
    pub scrub_mib_per_s: Option<u32>,
    #[serde(rename = "group.initial.rebalance.delay.ms")]
    pub group_initial_delay_ms: Option<u64>,
    #[serde(rename = "group.min.session.timeout.ms")]
    pub group_session_ms_min: Option<i32>,
    #[serde(rename = "group.max.session.timeout.ms")]
    pub group_session_ms_max: Option<i32>,
    #[serde(rename = "group.max.size")]
    pub group_size_max: Option<u32>,
    #[serde(rename = "group.consumer.session.timeout.ms")]
    pub consumer_session_ms: Option<u32>,
    #[serde(rename = "group.consumer.min.session.timeout.ms")]
    pub consumer_session_ms_min: Option<u32>,
    #[serde(rename = "group.consumer.max.session.timeout.ms")]
    pub consumer_session_ms_max: Option<u32>,
    #[serde(rename = "group.consumer.heartbeat.interval.ms")]
    pub consumer_interval_ms: Option<u32>,
    #[serde(rename = "group.consumer.min.heartbeat.interval.ms")]
    pub consumer_interval_ms_min: Option<u32>,
    #[serde(rename = "group.consumer.max.heartbeat.interval.ms")]
    pub consumer_interval_ms_max: Option<u32>,
    #[serde(rename = "group.consumer.max.size")]
    pub consumer_size_max: Option<u32>,
    #[serde(rename = "group.consumer.assignors")]
    pub consumer_assignors: Option<Vec<String>>,
    #[serde(rename = "group.consumer.migration.policy")]
    pub consumer_migration: Option<String>,
    #[serde(rename = "offset.metadata.max.bytes")]
    pub offset_metadata_bytes_max: Option<u32>,
    #[serde(rename = "offsets.retention.minutes")]
    pub offsets_retention_minutes: Option<u32>,
    #[serde(rename = "offsets.retention.check.interval.ms")]
    pub offsets_retention_check_ms: Option<u64>,
    #[serde(rename = "offsets.topic.num.partitions")]
    pub offsets_partitions: Option<u32>,
    #[serde(rename = "offsets.topic.segment.bytes")]
    pub offsets_segment_bytes: Option<u32>,
    #[serde(rename = "log.level")]
    pub trace_filter: Option<String>,
}

/// Checked settings of a node. Made by [`Config::check`] alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    pub node_id: NodeId,
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// What metadata tells clients; none means the address that was bound.
    pub advertised: Option<HostPort>,
    /// One shard runs on each; never empty, no core twice.
    pub cores: Vec<CoreId>,
    pub memory_bytes_per_shard: u64,
    pub journal_bytes_per_shard: u64,
    /// A journal write carries about this much at most; what fits the disk is what `tuning calibrate` finds.
    pub group_bytes: usize,
    /// What producing leaves free in the data directory's file system; none means that its size decides.
    pub disk_reserve_bytes: Option<u64>,
    pub auto_create_topics: bool,
    /// Of topics that do not set it.
    pub durability: Durability,
    /// Largest batch of topics that do not set it.
    pub message_bytes_max: u32,
    /// Partitions of a topic that is created without saying how many.
    pub partitions: u32,
    pub request_bytes_max: u32,
    pub connections_per_shard_max: u32,
    pub connection_idle: Duration,
    /// Age of records above which segments go, of topics that do not set it. None keeps them.
    pub retention_ms: Option<u64>,
    /// Size of a partition above which segments go, of topics that do not set it. None keeps them.
    pub retention_bytes: Option<u64>,
    /// How often each shard looks for segments that are past retention.
    pub retention_check: Duration,
    /// How often each shard looks for logs to compact.
    pub compaction_check: Duration,
    /// What compaction reads and writes in a second at most, on each shard.
    pub compaction_bytes_per_s_per_shard: u64,
    /// Idempotent producers that have been silent for longer are forgotten.
    pub producer_expiry: Duration,
    /// How fast each shard checks its sealed segments when it has nothing else to do. 0 for not at all.
    pub scrub_bytes_per_s: u64,
    /// Consumer groups and committed offsets.
    pub groups: GroupConfig,
    /// What is traced to standard error, in the syntax of `RUST_LOG`.
    pub trace_filter: String,
}

/// Why settings cannot be used. Each message is a sentence for the person who wrote them.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    FileUnreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {} is not understood: {}", path.display(), reason.trim_end())]
    FileMalformed { path: PathBuf, reason: String },
    #[error("{setting} = {value} is not possible: {reason}")]
    Value { setting: &'static str, value: String, reason: String },
    #[error("cannot tell which cores this process may use: pass --cores, for example --cores 0,1")]
    CoresUnknown,
}

impl Settings {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::FileUnreadable { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|error| ConfigError::FileMalformed { path: path.to_owned(), reason: error.to_string() })
    }

    /// These settings, and those of `base` where these say nothing.
    pub fn over(self, base: Settings) -> Settings {
        Settings {
            node_id: self.node_id.or(base.node_id),
            data_dir: self.data_dir.or(base.data_dir),
            listen: self.listen.or(base.listen),
            advertise: self.advertise.or(base.advertise),
            cores: self.cores.or(base.cores),
            durability: self.durability.or(base.durability),
            memory_bytes: self.memory_bytes.or(base.memory_bytes),
            journal_mib: self.journal_mib.or(base.journal_mib),
            journal_group_kib: self.journal_group_kib.or(base.journal_group_kib),
            disk_reserve_mib: self.disk_reserve_mib.or(base.disk_reserve_mib),
            auto_create_topics: self.auto_create_topics.or(base.auto_create_topics),
            partitions: self.partitions.or(base.partitions),
            message_bytes_max: self.message_bytes_max.or(base.message_bytes_max),
            request_bytes_max: self.request_bytes_max.or(base.request_bytes_max),
            connections_max: self.connections_max.or(base.connections_max),
            connection_idle_ms: self.connection_idle_ms.or(base.connection_idle_ms),
            retention_ms: self.retention_ms.or(base.retention_ms),
            retention_bytes: self.retention_bytes.or(base.retention_bytes),
            retention_check_ms: self.retention_check_ms.or(base.retention_check_ms),
            compaction_check_ms: self.compaction_check_ms.or(base.compaction_check_ms),
            compaction_bytes_per_s: self.compaction_bytes_per_s.or(base.compaction_bytes_per_s),
            producer_expiry_ms: self.producer_expiry_ms.or(base.producer_expiry_ms),
            scrub_mib_per_s: self.scrub_mib_per_s.or(base.scrub_mib_per_s),
            group_initial_delay_ms: self.group_initial_delay_ms.or(base.group_initial_delay_ms),
            group_session_ms_min: self.group_session_ms_min.or(base.group_session_ms_min),
            group_session_ms_max: self.group_session_ms_max.or(base.group_session_ms_max),
            group_size_max: self.group_size_max.or(base.group_size_max),
            consumer_session_ms: self.consumer_session_ms.or(base.consumer_session_ms),
            consumer_session_ms_min: self.consumer_session_ms_min.or(base.consumer_session_ms_min),
            consumer_session_ms_max: self.consumer_session_ms_max.or(base.consumer_session_ms_max),
            consumer_interval_ms: self.consumer_interval_ms.or(base.consumer_interval_ms),
            consumer_interval_ms_min: self.consumer_interval_ms_min.or(base.consumer_interval_ms_min),
            consumer_interval_ms_max: self.consumer_interval_ms_max.or(base.consumer_interval_ms_max),
            consumer_size_max: self.consumer_size_max.or(base.consumer_size_max),
            consumer_assignors: self.consumer_assignors.or(base.consumer_assignors),
            consumer_migration: self.consumer_migration.or(base.consumer_migration),
            offset_metadata_bytes_max: self.offset_metadata_bytes_max.or(base.offset_metadata_bytes_max),
            offsets_retention_minutes: self.offsets_retention_minutes.or(base.offsets_retention_minutes),
            offsets_retention_check_ms: self.offsets_retention_check_ms.or(base.offsets_retention_check_ms),
            offsets_partitions: self.offsets_partitions.or(base.offsets_partitions),
            offsets_segment_bytes: self.offsets_segment_bytes.or(base.offsets_segment_bytes),
            trace_filter: self.trace_filter.or(base.trace_filter),
        }
    }
}

impl Config {
    /// Checks `settings` against the machine and the limits; what is absent gets its default.
    pub fn check(settings: Settings) -> Result<Self, ConfigError> {
        let groups = GroupConfig::check(&settings)?;
        let cores = cores(settings.cores)?;
        let shards = cores.len() as u64;
        let memory_bytes_per_shard = memory_per_shard(settings.memory_bytes, shards)?;
        // A request must fit in the shard's budget for requests, or it could never be admitted.
        let ceiling = u32::try_from(limits::request_bytes_ceiling(memory_bytes_per_shard)).unwrap_or(u32::MAX);
        let request_bytes_max = in_range(
            "socket.request.max.bytes",
            settings.request_bytes_max.unwrap_or(limits::REQUEST_BYTES_MAX_DEFAULT.min(ceiling)),
            limits::REQUEST_BYTES_MAX_FLOOR,
            limits::REQUEST_BYTES_MAX_CEILING.min(ceiling),
        )?;
        let batch_bytes_ceiling = request_bytes_max - limits::REQUEST_OVERHEAD_BYTES;
        let message_bytes_max = in_range(
            "message.max.bytes",
            settings.message_bytes_max.unwrap_or(limits::MESSAGE_BYTES_MAX_DEFAULT.min(batch_bytes_ceiling)),
            1024,
            batch_bytes_ceiling,
        )?;
        let journal_mib = in_range(
            "journal.mib",
            settings.journal_mib.unwrap_or(limits::JOURNAL_MIB_DEFAULT),
            limits::JOURNAL_MIB_FLOOR,
            limits::JOURNAL_MIB_CEILING,
        )?;
        let disk_reserve_mib = settings
            .disk_reserve_mib
            .map(|mib| in_range("disk.reserve.mib", mib, 1, limits::DISK_RESERVE_MIB_CEILING))
            .transpose()?;
        let (listen, advertised) = addresses(settings.listen.as_deref(), settings.advertise.as_deref())?;
        let idle_ms = settings.connection_idle_ms.unwrap_or(limits::CONNECTION_IDLE_MS_DEFAULT);
        Ok(Self {
            node_id: NodeId(in_range("node.id", settings.node_id.unwrap_or(1), 0, i32::MAX)?),
            data_dir: settings.data_dir.unwrap_or_else(|| PathBuf::from("./data")),
            listen,
            advertised,
            cores,
            memory_bytes_per_shard,
            journal_bytes_per_shard: u64::from(journal_mib) << 20,
            group_bytes: group_bytes(settings.journal_group_kib)?,
            disk_reserve_bytes: disk_reserve_mib.map(|mib| u64::from(mib) << 20),
            auto_create_topics: settings.auto_create_topics.unwrap_or(true),
            durability: settings.durability.unwrap_or_default(),
            message_bytes_max,
            partitions: partitions(settings.partitions)?,
            request_bytes_max,
            connections_per_shard_max: in_range(
                "connections.per.shard.max",
                settings.connections_max.unwrap_or(limits::CONNECTIONS_MAX_DEFAULT),
                1,
                limits::CONNECTIONS_MAX_CEILING,
            )?,
            connection_idle: Duration::from_millis(in_range("connections.max.idle.ms", idle_ms, 1_000, u64::MAX)?),
            retention_ms: bound("log.retention.ms", settings.retention_ms.unwrap_or(limits::RETENTION_MS_DEFAULT))?,
            retention_bytes: bound("log.retention.bytes", settings.retention_bytes.unwrap_or(-1))?,
            retention_check: retention_check(settings.retention_check_ms)?,
            compaction_check: compaction_check(settings.compaction_check_ms)?,
            compaction_bytes_per_s_per_shard: compaction_bytes_per_s(settings.compaction_bytes_per_s, shards)?,
            producer_expiry: producer_expiry(settings.producer_expiry_ms)?,
            scrub_bytes_per_s: scrub_rate(settings.scrub_mib_per_s)?,
            groups,
            trace_filter: settings.trace_filter.unwrap_or_else(|| "info".to_owned()),
        })
    }

    /// The number of shards: one per core.
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.cores.len()).expect("checked against SHARDS_MAX")
    }
}

fn partitions(asked: Option<u32>) -> Result<u32, ConfigError> {
    in_range("num.partitions", asked.unwrap_or(limits::PARTITIONS_DEFAULT), 1, limits::PARTITIONS_PER_TOPIC_MAX)
}

/// A bound as Kafka writes it: with -1 there is none.
fn bound(setting: &'static str, value: i64) -> Result<Option<u64>, ConfigError> {
    Ok(u64::try_from(in_range(setting, value, -1, i64::MAX)?).ok())
}

pub(crate) fn in_range<N>(setting: &'static str, value: N, least: N, most: N) -> Result<N, ConfigError>
where
    N: PartialOrd + std::fmt::Display + Copy,
{
    if value < least || value > most {
        let reason = format!("it must be between {least} and {most}");
        return Err(ConfigError::Value { setting, value: value.to_string(), reason });
    }
    Ok(value)
}

fn retention_check(asked_ms: Option<u64>) -> Result<Duration, ConfigError> {
    let check_ms = asked_ms.unwrap_or(engine::limits::RETENTION_CHECK_MS_DEFAULT);
    let check_ms = in_range("log.retention.check.interval.ms", check_ms, 1, limits::RETENTION_CHECK_MS_CEILING)?;
    Ok(Duration::from_millis(check_ms))
}

fn producer_expiry(asked_ms: Option<u64>) -> Result<Duration, ConfigError> {
    let expiry_ms = asked_ms.unwrap_or(engine::limits::PRODUCER_EXPIRY_MS);
    Ok(Duration::from_millis(in_range("producer.id.expiration.ms", expiry_ms, 1, limits::PRODUCER_EXPIRY_MS_CEILING)?))
}

fn scrub_rate(asked_mib: Option<u32>) -> Result<u64, ConfigError> {
    let Some(mib) = asked_mib else { return Ok(engine::limits::SCRUB_BYTES_PER_S_DEFAULT) };
    Ok(u64::from(in_range("log.scrub.mib.per.second", mib, 0, limits::SCRUB_MIB_PER_S_CEILING)?) << 20)
}

fn compaction_check(asked_ms: Option<u64>) -> Result<Duration, ConfigError> {
    let check_ms = asked_ms.unwrap_or(engine::limits::COMPACTION_CHECK_MS_DEFAULT);
    let check_ms = in_range("log.cleaner.backoff.ms", check_ms, 1, limits::RETENTION_CHECK_MS_CEILING)?;
    Ok(Duration::from_millis(check_ms))
}

/// What is asked for is the node's, as in Kafka.
fn compaction_bytes_per_s(asked: Option<u64>, shards: u64) -> Result<u64, ConfigError> {
    let Some(asked) = asked else { return Ok(engine::limits::COMPACTION_BYTES_PER_S_DEFAULT) };
    let asked = in_range("log.cleaner.io.max.bytes.per.second", asked, limits::COMPACTION_BYTES_PER_S_FLOOR, u64::MAX)?;
    Ok(asked / shards)
}

/// A write group is a whole number of the disk's blocks.
fn group_bytes(asked_kib: Option<u32>) -> Result<usize, ConfigError> {
    let Some(kib) = asked_kib else { return Ok(engine::limits::GROUP_BYTES) };
    let setting = "journal.group.kib";
    let kib = in_range(setting, kib, limits::JOURNAL_GROUP_KIB_FLOOR, limits::JOURNAL_GROUP_KIB_CEILING)?;
    let bytes = (kib as usize) << 10;
    if bytes.is_multiple_of(engine::limits::BLOCK_BYTES) {
        return Ok(bytes);
    }
    let reason = format!("it must be a multiple of {}", engine::limits::BLOCK_BYTES >> 10);
    Err(ConfigError::Value { setting, value: kib.to_string(), reason })
}

fn cores(asked: Option<Vec<usize>>) -> Result<Vec<CoreId>, ConfigError> {
    let allowed: Vec<usize> =
        core_affinity::get_core_ids().ok_or(ConfigError::CoresUnknown)?.iter().map(|core| core.id).collect();
    let cores = asked.unwrap_or_else(|| allowed.iter().copied().take(limits::SHARDS_MAX).collect());
    let refuse = |reason: String| {
        let value = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        Err(ConfigError::Value { setting: "cores", value, reason })
    };
    if cores.is_empty() || cores.len() > limits::SHARDS_MAX {
        return refuse(format!("a node has 1 to {} shards, one per core", limits::SHARDS_MAX));
    }
    for (position, core) in cores.iter().enumerate() {
        if cores[..position].contains(core) {
            return refuse(format!("core {core} is named twice"));
        }
        if !allowed.contains(core) {
            return refuse(format!("this process may not run on core {core}, only on {allowed:?}"));
        }
    }
    Ok(cores.into_iter().map(CoreId).collect())
}

fn memory_per_shard(asked: Option<u64>, shards: u64) -> Result<u64, ConfigError> {
    let floor = limits::MEMORY_BYTES_PER_SHARD_FLOOR * shards;
    let node_bytes = asked.unwrap_or_else(|| (ram_bytes() / limits::MEMORY_FRACTION_DEFAULT).max(floor));
    if node_bytes < floor {
        let reason = format!("a node with {shards} shards needs at least {floor}");
        return Err(ConfigError::Value { setting: "memory.bytes", value: node_bytes.to_string(), reason });
    }
    Ok(node_bytes / shards)
}

fn ram_bytes() -> u64 {
    // SAFETY: sysconf only reads its argument.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}

/// Where to listen, and what clients are told to dial if that is another address.
fn addresses(listen: Option<&str>, advertise: Option<&str>) -> Result<(SocketAddr, Option<HostPort>), ConfigError> {
    let listen = resolve(listen.unwrap_or("127.0.0.1:9092"))?;
    let advertised = advertise.map(advertised).transpose()?;
    if listen.ip().is_unspecified() && advertised.is_none() {
        let reason = "clients cannot dial it; say with --advertise HOST:PORT what they should dial".to_owned();
        return Err(ConfigError::Value { setting: "listen", value: listen.to_string(), reason });
    }
    Ok((listen, advertised))
}

fn resolve(listen: &str) -> Result<SocketAddr, ConfigError> {
    let refuse = |reason: String| ConfigError::Value { setting: "listen", value: listen.to_owned(), reason };
    let mut addresses = listen
        .to_socket_addrs()
        .map_err(|error| refuse(format!("it must be HOST:PORT with a host of this machine ({error})")))?;
    addresses.next().ok_or_else(|| refuse("the host has no address".to_owned()))
}

fn advertised(text: &str) -> Result<HostPort, ConfigError> {
    let refuse = || ConfigError::Value {
        setting: "advertise",
        value: text.to_owned(),
        reason: "it must be HOST:PORT as clients should dial it".to_owned(),
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().map_err(|_| refuse())?;
    if host.is_empty() || port == 0 || host.len() > 255 {
        return Err(refuse());
    }
    Ok(HostPort { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: Settings) -> String {
        Config::check(settings).expect_err("must be refused").to_string()
    }

    #[test]
    fn without_settings_everything_has_a_default() {
        let config = Config::check(Settings::default()).expect("defaults are possible");
        assert_eq!(config.listen, "127.0.0.1:9092".parse::<SocketAddr>().expect("an address"));
        assert_eq!(config.data_dir, PathBuf::from("./data"));
        assert_eq!(config.durability, Durability::Durable);
        assert_eq!(config.message_bytes_max, 1_048_588);
        assert!(!config.cores.is_empty());
    }

    #[test]
    fn flags_win_over_the_file() {
        let file: Settings =
            toml::from_str("listen = '127.0.0.1:1'\n'num.partitions' = 3\ndurability = 'relaxed'").expect("valid");
        let flags = Settings { listen: Some("127.0.0.1:2".to_owned()), ..Settings::default() };
        let config = Config::check(flags.over(file)).expect("possible");
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.partitions, 3);
        assert_eq!(config.durability, Durability::Relaxed);
    }

    #[test]
    fn an_unknown_key_of_the_file_is_named() {
        let error = toml::from_str::<Settings>("'num.partitons' = 3").expect_err("a typing error");
        assert!(error.to_string().contains("num.partitons"), "{error}");
    }

    #[test]
    fn the_keys_that_tuning_sets_are_understood() {
        let file = "# journal.group.kib: tuning calibrate on vda\n\"journal.group.kib\" = 256\n\"cores\" = [0]\n";
        let settings: Settings = toml::from_str(file).expect("valid");
        assert_eq!((settings.journal_group_kib, settings.cores), (Some(256), Some(vec![0])));
    }

    #[test]
    fn a_write_group_is_a_whole_number_of_blocks() {
        let group = |kib| Config::check(Settings { journal_group_kib: kib, ..Settings::default() });
        assert_eq!(group(None).expect("the default").group_bytes, engine::limits::GROUP_BYTES);
        assert_eq!(group(Some(64)).expect("possible").group_bytes, 64 << 10);
        let text = group(Some(65)).expect_err("not whole").to_string();
        assert_eq!(text, "journal.group.kib = 65 is not possible: it must be a multiple of 4");
        assert!(group(Some(8)).is_err() && group(Some(8192)).is_err());
    }

    #[test]
    fn impossible_values_are_refused_with_one_sentence() {
        let text = refused(Settings { cores: Some(vec![0, 0]), ..Settings::default() });
        assert_eq!(text, "cores = 0,0 is not possible: core 0 is named twice");
        let text = refused(Settings { listen: Some("9092".to_owned()), ..Settings::default() });
        assert!(text.starts_with("listen = 9092 is not possible: it must be HOST:PORT"), "{text}");
        let text = refused(Settings { memory_bytes: Some(1), cores: Some(vec![0]), ..Settings::default() });
        assert!(text.starts_with("memory.bytes = 1 is not possible: a node with 1 shards needs at least"), "{text}");
        let text = refused(Settings { listen: Some("0.0.0.0:9092".to_owned()), ..Settings::default() });
        assert!(text.contains("--advertise"), "{text}");
        let text = refused(Settings { advertise: Some("host".to_owned()), ..Settings::default() });
        assert!(text.contains("HOST:PORT as clients should dial it"), "{text}");
        let text = refused(Settings { message_bytes_max: Some(u32::MAX), ..Settings::default() });
        assert!(text.starts_with("message.max.bytes = 4294967295"), "{text}");
    }
}
