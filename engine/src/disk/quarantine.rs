//! Segments that are known to be damaged. Each is marked as soon as it is found, and when its time comes, by retention or because compaction
//! has replaced it, its file is kept and not removed: what can be read of it may be all that is left of something.
//!
//! ```text
//!   found damaged                    needed no more                      its topic is deleted
//!   quarantine/<log>/<segment>.damaged   -->   topics/<log>/<segment>.log moves beside the mark   -->   both go
//! ```
//! A mark outlives the process. It says in words what was found, and counts whatever it says.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::journal_files::sync_dir;
use super::layout::Layout;
use crate::ids::{LogId, SegmentName};
use crate::limits::QUARANTINED_FILES_MAX;
use crate::ring::Ring;

/// Held while a file is let into a quarantine. All shards of a node share one.
static ROOM: Mutex<()> = Mutex::new(());

/// The quarantine of a node, as one of its shards uses it.
pub struct Quarantine {
    ring: Ring,
    layout: Layout,
}

/// What becomes of a segment file that nobody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not known to be damaged, or there is no room for it here: it goes as any other.
    Goes,
    /// It lies here now.
    Kept,
}

impl Quarantine {
    pub fn new(ring: Ring, layout: Layout) -> Quarantine {
        Quarantine { ring, layout }
    }

    /// Marks a segment as damaged, durably. The first mark stays.
    pub async fn mark(&self, log: LogId, segment: SegmentName, what: &str) -> io::Result<()> {
        let dir = self.layout.quarantine_dir(log);
        std::fs::create_dir_all(&dir)?;
        let path = self.layout.damage_mark(log, segment);
        match self.ring.open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o644).await {
            // A process that was killed may not have come to sync its name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            file => {
                let file = file?;
                self.ring.write_all_at(&file, what.as_bytes().to_vec(), 0).await.0?;
                self.ring.fsync(&file).await?;
            }
        }
        // The log's, the topic's, the quarantine's own, and the data directory.
        for dir in dir.ancestors().take(4) {
            sync_dir(&self.ring, dir).await?;
        }
        Ok(())
    }

    /// Takes the file of a segment that nobody needs any more, if it is marked.
    pub async fn take(&self, log: LogId, segment: SegmentName) -> io::Result<Fate> {
        let mark = self.layout.damage_mark(log, segment);
        let path = self.layout.segment(log, segment);
        if !mark.try_exists()? || !path.try_exists()? {
            return Ok(Fate::Goes);
        }
        let target = self.layout.quarantined(log, segment);
        let has_room = {
            // Blocking, because it is rare, and nobody may get in between the count and what it permits, on whatever shard.
            let _alone = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
            let has_room = files(&self.layout.quarantine_root())?.len() < QUARANTINED_FILES_MAX;
            if has_room {
                std::fs::rename(&path, &target)?;
            }
            has_room
        };
        if !has_room {
            tracing::error!(%log, file = %path.display(), "the quarantine is full: a damaged segment goes as any other");
            self.ring.unlink(&mark).await?;
            return Ok(Fate::Goes);
        }
        sync_dir(&self.ring, &self.layout.quarantine_dir(log)).await?;
        sync_dir(&self.ring, &self.layout.log_dir(log)).await?;
        tracing::warn!(%log, file = %target.display(), "a damaged segment that nobody needs any more is kept in quarantine");
        Ok(Fate::Kept)
    }

    /// The segments of a log that have marks or files here: no other segment may get their names.
    pub fn names(&self, log: LogId) -> io::Result<BTreeSet<SegmentName>> {
        let paths = entries(&self.layout.quarantine_dir(log))?;
        Ok(paths.iter().filter_map(|path| Layout::segment_name(&path.with_extension("log"))).collect())
    }

    /// Removes all of a log that was deleted: whoever deletes a topic wants its records gone.
    pub async fn remove(&self, log: LogId) -> io::Result<()> {
        let dir = self.layout.quarantine_dir(log);
        let paths = entries(&dir)?;
        if paths.is_empty() {
            return Ok(());
        }
        for path in paths {
            self.ring.unlink(&path).await?;
        }
        self.ring.rmdir(&dir).await?;
        let topic = dir.parent().expect("a log's directory lies in its topic's");
        // Other partitions may have something there.
        match self.ring.rmdir(topic).await {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => sync_dir(&self.ring, topic).await,
            result => result.and(sync_dir(&self.ring, &self.layout.quarantine_root()).await),
        }
    }
}

/// All segment files below a directory of the quarantine.
pub fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(dir)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if Layout::segment_name(&path).is_some() {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use batch::Offset;

    use super::*;
    use crate::ids::Generation;
    use crate::ring::{RingConfig, spawn_shard};

    const LOG: LogId = LogId { topic: 9, partition: 2 };

    fn name(base: usize) -> SegmentName {
        SegmentName::appended(Offset(base as i64))
    }

    /// On a shard of its own, in a data directory that goes with the test and has these segment files.
    fn with_segments<F, T>(count: usize, test: impl FnOnce(Quarantine, Layout) -> F + Send + 'static) -> T
    where
        F: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let data = tempfile::tempdir().expect("a directory can be made");
        let layout = Layout::new(data.path(), Generation::FIRST, 0);
        fs::create_dir_all(layout.log_dir(LOG)).expect("a directory can be made");
        (0..count).for_each(|base| fs::write(layout.segment(LOG, name(base)), b"records").expect("written"));
        let run = move |ring: Ring| test(Quarantine::new(ring, layout.clone()), layout);
        spawn_shard("quarantine", None, RingConfig::default(), run).expect("a shard starts").join().expect("it ends")
    }

    #[test]
    fn a_marked_segment_is_kept_and_one_that_is_not_goes() {
        with_segments(2, |quarantine, layout| async move {
            quarantine.mark(LOG, name(0), "a flipped bit").await.expect("marked");
            quarantine.mark(LOG, name(0), "the same again").await.expect("marked");
            assert_eq!(fs::read(layout.damage_mark(LOG, name(0))).expect("a mark"), b"a flipped bit");
            assert_eq!(quarantine.take(LOG, name(1)).await.expect("looked at"), Fate::Goes);
            assert_eq!(quarantine.take(LOG, name(0)).await.expect("taken"), Fate::Kept);
            assert_eq!(fs::read(layout.quarantined(LOG, name(0))).expect("kept"), b"records");
            assert!(!layout.segment(LOG, name(0)).exists() && layout.segment(LOG, name(1)).exists());
            assert_eq!(quarantine.take(LOG, name(0)).await.expect("it is not there"), Fate::Goes);
            assert_eq!(quarantine.names(LOG).expect("listed"), BTreeSet::from([name(0)]));
        });
    }

    #[test]
    fn so_many_files_are_kept_and_no_more() {
        with_segments(QUARANTINED_FILES_MAX + 1, |quarantine, layout| async move {
            for base in 0..=QUARANTINED_FILES_MAX {
                quarantine.mark(LOG, name(base), "damaged").await.expect("marked");
                let fate = quarantine.take(LOG, name(base)).await.expect("taken");
                assert_eq!(fate == Fate::Kept, base < QUARANTINED_FILES_MAX, "{base}");
            }
            assert!(layout.segment(LOG, name(QUARANTINED_FILES_MAX)).exists(), "whoever asked removes it");
        });
    }

    #[test]
    fn with_its_topic_everything_goes_that_is_kept_of_a_log() {
        with_segments(2, |quarantine, layout| async move {
            quarantine.remove(LOG).await.expect("there is nothing");
            quarantine.mark(LOG, name(0), "damaged").await.expect("marked");
            quarantine.mark(LOG, name(1), "damaged").await.expect("marked");
            assert_eq!(quarantine.take(LOG, name(0)).await.expect("taken"), Fate::Kept);
            quarantine.remove(LOG).await.expect("removed");
            assert_eq!(fs::read_dir(layout.quarantine_root()).expect("a directory").count(), 0);
        });
    }
}
