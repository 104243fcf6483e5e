//! Opening a shard's storage: the newest checkpoint, then the journal from there on.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;

use super::index::IndexReads;
use super::space::Lookout;
use super::{EngineConfig, EngineStats, Inner};
use crate::disk::checkpoint_files::{self, FoundCheckpoints};
use crate::disk::journal_files::JournalShelf;
use crate::disk::layout::Layout;
use crate::disk::segment_files::SegmentShelf;
use crate::ids::{GroupSeq, JournalFileId, LogId};
use crate::journal::{CorruptReason, FilesConfig, KnownFile};
use crate::limits::{BLOCK_BYTES, JOURNAL_BYTES_MIN, JOURNAL_FILE_BYTES};
use crate::memory::{AlignedBuf, BufPool};
use crate::ring::Ring;
use crate::ring::sync::Notify;
use crate::store::StoreLimits;
use crate::store::lost_checkpoints;
use crate::store::recovery::{self, FoundFile, ReopenError, Reopened};

/// Memory that the pool keeps for reuse when nobody holds it.
const POOL_FREE_BYTES_MAX: usize = 64 << 20;

/// A checkpoint is taken after so large a part of the journal's bound. The journal is kept as far as the older of two
/// checkpoints needs it, so two such parts; the rest is room for what comes while one is taken. The rarer they are, the more each log
/// has gathered when it is written.
const CHECKPOINT_SHARE: u64 = 4;

/// What was found at start.
#[derive(Debug, Clone)]
pub struct Recovered {
    pub logs: Vec<LogId>,
    pub groups_replayed: usize,
    pub bytes_replayed: u64,
    /// Write groups that were under way when the shard stopped: cut, because none of them was acknowledged.
    pub groups_cut: usize,
    pub ms: u64,
}

/// Why the storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error(
        "the journal of shard {shard} misses acknowledged records: group {seq}: {reason}. Nothing was changed; restore {shard_dir} \
         from a copy, or move its journal away to go on without these records"
    )]
    Corrupt { shard: u16, seq: GroupSeq, reason: CorruptReason, shard_dir: String },
    #[error("the journal of shard {shard} does not fit its checkpoint: {what}")]
    Misfit { shard: u16, what: String },
    #[error(
        "shard {shard} has no sound checkpoint (damaged: {damaged}), and {why}. Nothing was changed; restore {shard_dir} from a copy, or let \
         `ringmain log rebuild --shard {shard}` tell what its segment files and its journal come to, and take it back with what there is"
    )]
    NoCheckpoint { shard: u16, damaged: String, why: String, shard_dir: String },
    #[error("a journal of {0} bytes is too small: at least {JOURNAL_BYTES_MIN} are needed")]
    JournalTooSmall(u64),
    #[error(
        "the file system of {dir} has {total_mib} MiB in all: {shards} journals of {journal_mib} MiB and a reserve of {reserve_mib} MiB \
         leave no room for data. Choose smaller journals (--journal-mib), fewer shards (--cores) or a larger file system"
    )]
    JournalTooLarge { shards: u64, journal_mib: u64, reserve_mib: u64, total_mib: u64, dir: String },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let what = what.into();
    move |error| OpenError::Io { what, error }
}

/// A journal file's bytes as found.
struct Found {
    id: JournalFileId,
    buf: AlignedBuf,
    len: usize,
}

pub(super) async fn open(ring: Ring, config: EngineConfig) -> Result<(Inner, Recovered), OpenError> {
    let started = super::now();
    if config.journal_bytes_max < JOURNAL_BYTES_MIN {
        return Err(OpenError::JournalTooSmall(config.journal_bytes_max));
    }
    let layout = Layout::new(&config.dir, config.generation, config.shard);
    make_dirs(&layout).map_err(io_error(format!("making {}", layout.shard_dir().display())))?;
    let reserve_bytes = super::space::reserve_bytes(&config, &layout)?;
    let checkpoints = checkpoint_files::read(&layout).map_err(io_error("reading the checkpoint"))?;
    let shard = u32::from(config.shard);
    let from = recovery::replay_from(shard, checkpoints.newest.as_ref());
    let pool = BufPool::new(POOL_FREE_BYTES_MAX);
    let journal = JournalShelf::new(ring.clone(), layout.clone(), config.shard, pool.clone());
    let (read, unread) = read_journal(&journal, &layout, from.replay_from, checkpoints.older_from)
        .await
        .map_err(io_error("reading the journal"))?;
    let found: Vec<_> = read.iter().map(|file| FoundFile { file: file.id, bytes: &file.buf[..file.len] }).collect();
    let files_config =
        FilesConfig { file_bytes: JOURNAL_FILE_BYTES, bytes_max: config.journal_bytes_max, salt: random_salt() };
    let limits = store_limits(&config, reserve_bytes);
    let saved = checkpoints.newest.clone();
    let reopened =
        recovery::reopen((shard, limits, files_config), pool.clone(), saved, &found, (&unread, checkpoints.older_from));
    let Reopened { store, groups_replayed, bytes_replayed, groups_cut, dropped } =
        reopened.map_err(|error| open_error(error, &config, &layout, &checkpoints))?;
    check_without_checkpoint(groups_replayed, &config, &layout, &checkpoints)?;
    let set_aside = checkpoint_files::set_aside(&ring, &layout, &checkpoints).await;
    set_aside.map_err(io_error("setting a damaged checkpoint aside"))?;
    if groups_cut > 0 {
        tracing::warn!(shard, groups_cut, "write groups that were under way at the stop are cut");
    }
    let segments = SegmentShelf::new(ring.clone(), layout.clone(), pool, config.open_segments_max);
    for log in dropped {
        segments.remove(log).await.map_err(io_error(format!("removing the deleted log {log}")))?;
    }

    let report = Recovered {
        logs: store.log_ids().collect(),
        groups_replayed,
        bytes_replayed,
        groups_cut,
        ms: started.elapsed().as_millis() as u64,
    };
    let inner = Inner {
        ring,
        config,
        layout,
        store: RefCell::new(store),
        journal,
        segments,
        started,
        work: Notify::new(),
        progress: Notify::new(),
        pieces: Notify::new(),
        ending: Notify::new(),
        is_ending: Cell::new(false),
        observer: RefCell::default(),
        damage_observer: RefCell::default(),
        calls: Cell::new(0),
        stats: Cell::new(EngineStats::default()),
        stopping: Cell::new(false),
        reserve_bytes,
        lookout: Lookout::default(),
        indexes: IndexReads::default(),
        told_damage: RefCell::default(),
    };
    Ok((inner, report))
}

fn store_limits(config: &EngineConfig, reserve_bytes: u64) -> StoreLimits {
    StoreLimits {
        group_bytes: config.group_bytes,
        disk_reserve_bytes: reserve_bytes,
        disk_sharers: u64::from(config.disk_sharers),
        producer_expiry_ms: config.producer_expiry.as_millis() as u64,
        ..StoreLimits::new(config.memory_bytes_max, config.journal_bytes_max / CHECKPOINT_SHARE)
    }
}

/// Without a sound checkpoint the shard opens only if its journal makes up for those that there were.
fn check_without_checkpoint(
    groups_replayed: usize,
    config: &EngineConfig,
    layout: &Layout,
    checkpoints: &FoundCheckpoints,
) -> Result<(), OpenError> {
    if checkpoints.newest.is_some() {
        return Ok(());
    }
    let checked = lost_checkpoints::check_journal(config.generation, checkpoints.newest_seq, groups_replayed);
    checked.map_err(|why| no_checkpoint(&why, config, layout, checkpoints))?;
    if !checkpoints.damaged.is_empty() {
        let shard = config.shard;
        tracing::warn!(shard, groups_replayed, "no checkpoint is sound; the journal is whole from its first group on");
    }
    Ok(())
}

fn make_dirs(layout: &Layout) -> io::Result<()> {
    std::fs::create_dir_all(layout.journal_dir())?;
    // It is made with the first copy: a start on a full disk needs no space.
    match std::fs::File::open(layout.copies_dir()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        dir => dir?.sync_all()?,
    }
    // A process that was killed may have written a copy and not come to sync it. Those that cannot be opened are told of when they are read.
    for copy in layout.checkpoint_copies().filter_map(|path| std::fs::File::open(path).ok()) {
        copy.sync_all()?;
    }
    for dir in layout.journal_dir().ancestors().take(4) {
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Reads the files that may hold groups still needed, and says what is known of the others.
async fn read_journal(
    journal: &JournalShelf,
    layout: &Layout,
    replay_from: GroupSeq,
    older_from: GroupSeq,
) -> io::Result<(Vec<Found>, Vec<KnownFile>)> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(layout.journal_dir())? {
        ids.extend(Layout::journal_file_id(&entry?.path()));
    }
    ids.sort();
    let mut heads = Vec::new();
    for id in &ids {
        heads.push(journal.read(*id, AlignedBuf::zeroed(2 * BLOCK_BYTES)).await?);
    }
    let heads: Vec<_> = ids.iter().zip(&heads).map(|(id, (len, head))| (*id, &head[..*len])).collect();
    let unread = recovery::unread(&heads, replay_from, older_from);
    let mut found = Vec::new();
    for id in &ids[unread.len()..] {
        let (len, buf) = journal.read(*id, AlignedBuf::zeroed(JOURNAL_FILE_BYTES as usize)).await?;
        found.push(Found { id: *id, buf, len });
    }
    Ok((found, unread))
}

fn open_error(error: ReopenError, config: &EngineConfig, layout: &Layout, checkpoints: &FoundCheckpoints) -> OpenError {
    if checkpoints.newest.is_none() && !checkpoints.damaged.is_empty() {
        let why = format!("its journal does not make up for it: {error}");
        return no_checkpoint(&why, config, layout, checkpoints);
    }
    match error {
        ReopenError::Misfit(what) => OpenError::Misfit { shard: config.shard, what },
        ReopenError::Corrupt { seq, reason } => {
            let shard_dir = layout.shard_dir().display().to_string();
            OpenError::Corrupt { shard: config.shard, seq, reason, shard_dir }
        }
    }
}

fn no_checkpoint(
    why: &impl ToString,
    config: &EngineConfig,
    layout: &Layout,
    checkpoints: &FoundCheckpoints,
) -> OpenError {
    let names = checkpoints.damaged.iter().filter_map(|path| path.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    OpenError::NoCheckpoint {
        shard: config.shard,
        damaged: if names.is_empty() { "none is there".to_owned() } else { names.join(", ") },
        why: why.to_string(),
        shard_dir: layout.shard_dir().display().to_string(),
    }
}

/// Makes the identities of journal files unguessable for those who write records.
pub(super) fn random_salt() -> u32 {
    let mut salt = [0u8; 4];
    let read =
        std::fs::File::open(Path::new("/dev/urandom")).and_then(|mut file| io::Read::read_exact(&mut file, &mut salt));
    match read {
        Ok(()) => u32::from_le_bytes(salt),
        // Without a random source the process number and the address of a stack variable have to do.
        Err(_) => std::process::id() ^ (std::ptr::from_ref(&salt) as usize as u32),
    }
}
