//! Where things lie under the data directory.
//!
//! ```text
//! <data>/shards/<shard>/journal/<16 hex>.journal
//!                      /checkpoint-<16 hex>
//!                      /ballast
//!       /topics/<topic id, 32 hex>/<partition>/<base offset, 20 digits>.log
//!                                             /<base offset, 20 digits>.r<revision>.log
//! ```

use std::path::{Path, PathBuf};

use batch::Offset;

use crate::ids::{JournalFileId, LogId, SegmentName};

#[derive(Debug, Clone)]
pub struct Layout {
    data: PathBuf,
    shard: u16,
}

impl Layout {
    pub fn new(data: &Path, shard: u16) -> Self {
        Self { data: data.to_path_buf(), shard }
    }

    pub fn shard_dir(&self) -> PathBuf {
        self.data.join("shards").join(self.shard.to_string())
    }

    pub fn journal_dir(&self) -> PathBuf {
        self.shard_dir().join("journal")
    }

    pub fn journal_file(&self, id: JournalFileId) -> PathBuf {
        self.journal_dir().join(format!("{id}.journal"))
    }

    /// The identity that a journal file's name claims.
    pub fn journal_file_id(path: &Path) -> Option<JournalFileId> {
        let name = path.file_name()?.to_str()?.strip_suffix(".journal")?;
        (name.len() == 16).then(|| u64::from_str_radix(name, 16).ok().map(JournalFileId))?
    }

    pub fn checkpoint(&self, seq: u64) -> PathBuf {
        self.shard_dir().join(format!("checkpoint-{seq:016x}"))
    }

    pub fn checkpoint_seq(path: &Path) -> Option<u64> {
        let name = path.file_name()?.to_str()?.strip_prefix("checkpoint-")?;
        (name.len() == 16).then(|| u64::from_str_radix(name, 16).ok())?
    }

    /// The file that is thrown off when the disk is full.
    pub fn ballast(&self) -> PathBuf {
        self.shard_dir().join("ballast")
    }

    pub fn topics_dir(&self) -> PathBuf {
        self.data.join("topics")
    }

    pub fn topic_dir(&self, log: LogId) -> PathBuf {
        self.topics_dir().join(format!("{:032x}", log.topic))
    }

    pub fn log_dir(&self, log: LogId) -> PathBuf {
        self.topic_dir(log).join(log.partition.to_string())
    }

    pub fn segment(&self, log: LogId, segment: SegmentName) -> PathBuf {
        self.log_dir(log).join(format!("{segment}.log"))
    }

    /// The segment that a file's name says.
    pub fn segment_name(path: &Path) -> Option<SegmentName> {
        let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
        let (base, revision) = match name.split_once(".r") {
            Some((base, revision)) => (base, revision.parse().ok().filter(|number| *number > 0)?),
            None => (name, 0),
        };
        let base = (base.len() == 20).then(|| base.parse().ok().map(Offset))??;
        let segment = SegmentName { base, revision };
        // A number may be written in many ways, a name in one.
        (segment.to_string() == name).then_some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_foreign_names_do_not() {
        let layout = Layout::new(Path::new("/d"), 3);
        let id = JournalFileId(0x1_0000_00ab);
        assert_eq!(Layout::journal_file_id(&layout.journal_file(id)), Some(id));
        assert_eq!(Layout::checkpoint_seq(&layout.checkpoint(77)), Some(77));
        assert_eq!(Layout::journal_file_id(Path::new("/d/lost+found")), None);
        assert_eq!(Layout::checkpoint_seq(Path::new("/d/checkpoint-00ff.tmp")), None);
        let log = LogId { topic: 5, partition: 7 };
        let segment = layout.segment(log, SegmentName::appended(Offset(42)));
        assert!(segment.ends_with("topics/00000000000000000000000000000005/7/00000000000000000042.log"));
        assert_eq!(Layout::segment_name(&segment), Some(SegmentName::appended(Offset(42))));
        let compacted = SegmentName { base: Offset(42), revision: 7 };
        let path = layout.segment(log, compacted);
        assert!(path.ends_with("7/00000000000000000042.r7.log"));
        assert_eq!(Layout::segment_name(&path), Some(compacted));
        for foreign in
            ["42.log", "00000000000000000042.r0.log", "00000000000000000042.r07.log", "00000000000000000042.idx"]
        {
            assert_eq!(Layout::segment_name(Path::new(foreign)), None, "{foreign}");
        }
    }
}
