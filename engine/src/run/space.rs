//! Looks how much space there is, tells the store, and hands back to it what found none.

use std::cell::Cell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::{EngineConfig, Inner, OpenError, StorageError};
use crate::disk::free_space::{self, FileSystemSpace, is_exhausted};
use crate::disk::layout::Layout;
use crate::limits::{BALLAST_SHARE, DISK_RESERVE_BYTES_MAX, DISK_RESERVE_SHARE, FREE_SPACE_LOOK_MS};
use crate::ring;
use crate::store::Effect;

/// What the shell remembers between two looks.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    ballast: Cell<Ballast>,
    was_full: Cell<bool>,
    /// A look could not be taken, and it was said.
    is_blind: Cell<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ballast {
    /// A process before this one may have left it.
    #[default]
    Unknown,
    Ashore,
    /// It is being taken in or thrown off.
    Moving,
    Aboard,
}

/// The reserve in force: the configured one, or 5 % of the file system and at most 1 GiB.
///
/// # Errors
/// When the journals of all shards and the reserve do not fit the file system even if it is otherwise empty.
pub(super) fn reserve_bytes(config: &EngineConfig, layout: &Layout) -> Result<u64, OpenError> {
    let looked = free_space::look(&layout.shard_dir());
    let FileSystemSpace { total_bytes, .. } =
        looked.map_err(|error| OpenError::Io { what: "looking at the free space".to_owned(), error })?;
    let usual = (total_bytes / DISK_RESERVE_SHARE).min(DISK_RESERVE_BYTES_MAX);
    let reserve_bytes = config.disk_reserve_bytes.unwrap_or(usual);
    let shards = u64::from(config.disk_sharers);
    if config.journal_bytes_max.saturating_mul(shards).saturating_add(reserve_bytes) >= total_bytes {
        let (journal_mib, reserve_mib) = (config.journal_bytes_max >> 20, reserve_bytes >> 20);
        let (total_mib, dir) = (total_bytes >> 20, config.dir.display().to_string());
        return Err(OpenError::JournalTooLarge { shards, journal_mib, reserve_mib, total_mib, dir });
    }
    Ok(reserve_bytes)
}

/// Looks again and again, as long as the engine is there.
pub(super) async fn keep_looking(inner: Weak<Inner>) {
    let Some(ring) = inner.upgrade().map(|inner| inner.ring.clone()) else { return };
    loop {
        ring.sleep(Duration::from_millis(FREE_SPACE_LOOK_MS)).await;
        let Some(inner) = inner.upgrade().filter(|inner| !inner.stopping.get()) else { return };
        inner.look_at_space();
        if inner.store.borrow().waits_for_free_space() {
            inner.work.notify_one();
        }
    }
}

impl Inner {
    /// Looks how much space there is, and tells the store.
    pub(super) fn look_at_space(self: &Rc<Self>) {
        let lookout = &self.lookout;
        let space = match free_space::look(&self.layout.shard_dir()) {
            Ok(space) => space,
            Err(error) => {
                if !lookout.is_blind.replace(true) {
                    tracing::warn!(shard = self.config.shard, %error, "cannot tell how much space the disk has");
                }
                return;
            }
        };
        lookout.is_blind.set(false);
        self.segments.on_free_space(space.free_bytes);
        self.store.borrow_mut().on_free_space(space.free_bytes);
        self.say_whether_full(space.free_bytes);
        // The ballast comes back only when there is plenty beside it: it must not be what fills the disk.
        if matches!(lookout.ballast.get(), Ballast::Unknown | Ballast::Ashore)
            && !self.store.borrow().is_disk_full()
            && space.free_bytes / 2 >= self.reserve_bytes
        {
            self.move_ballast(Ballast::Aboard);
        }
    }

    fn say_whether_full(&self, free_bytes: u64) {
        let (is_full, shard) = (self.store.borrow().is_disk_full(), self.config.shard);
        if self.lookout.was_full.replace(is_full) == is_full {
            return;
        }
        let reserve_bytes = self.reserve_bytes;
        if is_full {
            tracing::warn!(
                shard,
                free_bytes,
                reserve_bytes,
                "the disk is full: producing is refused until there is space"
            );
        } else {
            tracing::info!(shard, free_bytes, reserve_bytes, "the disk has space again");
        }
    }

    /// An effect that found no space goes back to the store; any other failure is final.
    pub(super) fn give_back(self: &Rc<Self>, error: io::Error, effect: Effect) -> io::Result<()> {
        if !is_exhausted(&error) {
            return Err(error);
        }
        tracing::debug!(shard = self.config.shard, %error, "{} waits for space", super::describe(&effect));
        self.store.borrow_mut().on_no_space(effect);
        if matches!(self.lookout.ballast.get(), Ballast::Unknown | Ballast::Aboard) {
            self.move_ballast(Ballast::Ashore);
        }
        Ok(())
    }

    fn move_ballast(self: &Rc<Self>, to: Ballast) {
        self.lookout.ballast.set(Ballast::Moving);
        let inner = self.clone();
        ring::spawn(async move {
            let bytes = inner.reserve_bytes / BALLAST_SHARE / u64::from(inner.config.disk_sharers);
            let moved = match to {
                Ballast::Aboard if bytes > 0 => free_space::take_ballast(&inner.ring, &inner.layout, bytes).await,
                _ => free_space::drop_ballast(&inner.ring, &inner.layout).await,
            };
            inner.lookout.ballast.set(to);
            if let Err(error) = moved {
                // It is a precaution: without it the same things are tried, only with less room.
                tracing::warn!(shard = inner.config.shard, %error, "the ballast could not be moved");
            }
        });
    }

    /// For a stop on a full disk: everything acknowledged is in the journal, and what is missing in the segments waits for space.
    pub(super) fn leaves_to_recovery(&self) -> bool {
        let leaves = self.store.borrow().is_settled_without_space();
        if leaves {
            tracing::warn!(shard = self.config.shard, "stopping on a full disk: the next start reads the journal");
        }
        leaves
    }

    /// A full disk ends a clean stop early; any other failure is one.
    pub(super) fn excuse(&self, closed: io::Result<()>, what: impl std::fmt::Display) -> Result<(), StorageError> {
        match closed {
            Err(error) if is_exhausted(&error) => {
                tracing::warn!(shard = self.config.shard, %error, "{what}: left to the next start");
                Ok(())
            }
            closed => closed.map_err(|error| StorageError(format!("{what}: {error}"))),
        }
    }
}
