//! The data directory as the broker sees it: the lock that keeps a second process out, and the node's identity.
//!
//! ```text
//! data/ringmain.lock   locked while a process serves; holds that process's id as text
//! data/node.toml       format version, cluster id, node id, directory id, shard count, generation of the shards; written
//!                      once, and again whenever the number of shards changes
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use engine::Generation;
use engine::disk::generations;
use serde::{Deserialize, Serialize};

use crate::config::Config;

pub(crate) const LOCK_FILE: &str = "ringmain.lock";
const NODE_FILE: &str = "node.toml";
const FORMAT_VERSION: u32 = 1;

/// Why a data directory cannot be served. Each message is a sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the data directory {} is served by another process ({holder}): stop that process, or choose another directory with --data", dir.display())]
    Locked { dir: PathBuf, holder: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} is not understood: {reason}; it was not written by this program, or was changed", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{} has format version {found}, this program knows version {FORMAT_VERSION}: use the program that wrote it", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("{} is missing, and the data directory holds shards: put it back from a copy, because it says which of them count", path.display())]
    Lost { path: PathBuf },
    #[error("the data directory {} belongs to node {stored}, but node.id is {asked}", dir.display())]
    NodeId { dir: PathBuf, stored: i32, asked: i32 },
}

/// A node's lasting identity, as `node.toml` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub format_version: u32,
    /// A random id in Kafka's spelling: 22 characters of URL-safe base64.
    pub cluster_id: String,
    pub node_id: i32,
    /// Tells a disk that was swapped or emptied from the one this node had.
    pub directory_id: String,
    /// Partitions are placed by this number.
    pub shard_count: u16,
    /// Which directories hold these shards. The first generation is not written, as before there were others.
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u32,
}

impl Identity {
    /// Which directories hold the shards.
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// Reads `node.toml`; none if the directory has none.
    pub fn read(dir: &Path) -> Result<Option<Self>, DirectoryError> {
        let path = dir.join(NODE_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, &path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io("read", &path, source)),
        }
    }

    fn new(config: &Config) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            cluster_id: random_id(),
            node_id: config.node_id.0,
            directory_id: random_id(),
            shard_count: config.shard_count(),
            generation: Generation::FIRST.0,
        }
    }
}

fn is_first(generation: &u32) -> bool {
    Generation(*generation) == Generation::FIRST
}

/// A data directory that this process holds. Dropping it lets the next process in.
#[derive(Debug)]
pub struct Directory {
    pub identity: Identity,
    dir: PathBuf,
    lock: File,
}

impl Directory {
    /// Makes the directory if it is missing, locks it, and reads or writes the node's identity. The number of shards may be
    /// another than the configured one.
    pub fn open(config: &Config) -> Result<Self, DirectoryError> {
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(|source| io("make the data directory", dir, source))?;
        let lock = lock(dir)?;
        let identity = match Identity::read(dir)? {
            Some(identity) => identity,
            None => make_identity(dir, config)?,
        };
        if identity.node_id != config.node_id.0 {
            return Err(DirectoryError::NodeId { dir: dir.clone(), stored: identity.node_id, asked: config.node_id.0 });
        }
        Ok(Self { identity, dir: dir.clone(), lock })
    }

    /// Lets another generation of shards count from now on. After a crash, or an error, either it does or the one before.
    pub fn switch(&mut self, shard_count: u16, generation: Generation) -> Result<(), DirectoryError> {
        let identity = Identity { shard_count, generation: generation.0, ..self.identity.clone() };
        write(&self.dir, &identity)?;
        self.identity = identity;
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Whoever is refused next must not read the id of a process that has let go.
        let _ = self.lock.set_len(0);
        let _ = self.lock.unlock();
    }
}

pub(crate) fn lock(dir: &Path) -> Result<File, DirectoryError> {
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|source| io("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let holder = match pid.trim() {
                "" => "its id is not known yet".to_owned(),
                pid => format!("pid {pid}"),
            };
            return Err(DirectoryError::Locked { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(io("lock", &path, source)),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    match written {
        // The id is for people. The lock holds without it, and a node on a full disk must start, to be cleared up.
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {}
        written => written.map_err(|source| io("write", &path, source))?,
    }
    Ok(file)
}

fn parse(text: &str, path: &Path) -> Result<Identity, DirectoryError> {
    let malformed = |error: toml::de::Error| DirectoryError::Malformed {
        path: path.to_owned(),
        reason: error.message().trim_end().to_owned(),
    };
    let value: toml::Table = toml::from_str(text).map_err(malformed)?;
    if let Some(found) = value.get("format_version").and_then(toml::Value::as_integer)
        && found != i64::from(FORMAT_VERSION)
    {
        return Err(DirectoryError::Format { path: path.to_owned(), found: u32::try_from(found).unwrap_or(u32::MAX) });
    }
    value.try_into().map_err(malformed)
}

/// The identity comes before the first shard, so shards without one have lost it.
fn make_identity(dir: &Path, config: &Config) -> Result<Identity, DirectoryError> {
    let found = generations::found(dir).map_err(|source| io("list", dir, source))?;
    if !found.is_empty() {
        return Err(DirectoryError::Lost { path: dir.join(NODE_FILE) });
    }
    let identity = Identity::new(config);
    write(dir, &identity)?;
    Ok(identity)
}

/// Writes the identity whole, synced, then renames it, so that a crash leaves either what was before or all of it.
fn write(dir: &Path, identity: &Identity) -> Result<(), DirectoryError> {
    let text = toml::to_string(identity).expect("a flat table of strings and numbers has a TOML form");
    let (path, draft) = (dir.join(NODE_FILE), dir.join("node.toml.new"));
    let mut file = File::create(&draft).map_err(|source| io("write", &draft, source))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|source| io("write", &draft, source))?;
    std::fs::rename(&draft, &path).map_err(|source| io("write", &path, source))?;
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| io("sync", dir, source))
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> DirectoryError {
    DirectoryError::Io { action, path: path.to_owned(), source }
}

/// A random id in Kafka's spelling. It never begins with a dash, which command lines would take for an option.
fn random_id() -> String {
    loop {
        let id = wire::Uuid(uuid::Uuid::new_v4().into_bytes()).to_string();
        if !id.starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn config(dir: &Path, cores: Vec<usize>) -> Config {
        let settings = Settings { data_dir: Some(dir.to_owned()), cores: Some(cores), ..Settings::default() };
        Config::check(settings).expect("possible settings")
    }

    fn fresh_dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("ringmain-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn the_identity_is_made_once_and_kept() {
        let dir = fresh_dir("identity");
        let core = core_affinity::get_core_ids().expect("cores")[0].id;
        let first = Directory::open(&config(&dir, vec![core])).expect("opens").identity.clone();
        let second = Directory::open(&config(&dir, vec![core])).expect("opens again").identity.clone();
        assert_eq!(first, second);
        assert_eq!(first.cluster_id.len(), 22);
        assert_ne!(first.cluster_id, first.directory_id);
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_pid() {
        let dir = fresh_dir("lock");
        let core = core_affinity::get_core_ids().expect("cores")[0].id;
        let config = config(&dir, vec![core]);
        let held = Directory::open(&config).expect("opens");
        let error = Directory::open(&config).expect_err("is locked").to_string();
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        drop(held);
        Directory::open(&config).expect("opens after the first has let go");
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn another_format_and_a_lost_identity_are_refused() {
        let dir = fresh_dir("format");
        let core = core_affinity::get_core_ids().expect("cores")[0].id;
        let config = config(&dir, vec![core]);
        drop(Directory::open(&config).expect("opens"));
        let path = dir.join(NODE_FILE);
        let text = std::fs::read_to_string(&path).expect("is there");
        std::fs::write(&path, text.replace("format_version = 1", "format_version = 9")).expect("written");
        assert!(matches!(Directory::open(&config), Err(DirectoryError::Format { found: 9, .. })));
        std::fs::write(&path, "what is this").expect("written");
        assert!(matches!(Directory::open(&config), Err(DirectoryError::Malformed { .. })));
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(dir.join("shards-3")).expect("made");
        let error = Directory::open(&config).expect_err("nobody knows which shards count").to_string();
        assert!(error.contains("node.toml is missing"), "{error}");
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn the_generation_is_switched_for_good_and_changes_nothing_else() {
        let dir = fresh_dir("switch");
        let core = core_affinity::get_core_ids().expect("cores")[0].id;
        let config = config(&dir, vec![core]);
        let mut directory = Directory::open(&config).expect("opens");
        let before = directory.identity.clone();
        let text = std::fs::read_to_string(dir.join(NODE_FILE)).expect("is there");
        assert!(!text.contains("generation"), "{text}");
        directory.switch(5, Generation(2)).expect("switched");
        drop(directory);
        let after = Directory::open(&config).expect("opens").identity.clone();
        assert_eq!((after.shard_count, after.generation()), (5, Generation(2)));
        assert_eq!(after, Identity { shard_count: 5, generation: 2, ..before });
        std::fs::remove_dir_all(dir).expect("removed");
    }
}
