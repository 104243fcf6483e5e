//! Where things lie under the data directory.
//!
//! ```text
//! <data>/shards/<shard>/journal/<16 hex>.journal
//!                      /checkpoint-<16 hex>
//!                      /copies/0 and /copies/1
//!                      /ballast
//!       /shards-<generation>/<shard>/...            instead of shards/, after the number of shards has changed
//!       /topics/<topic id, 32 hex>/<partition>/<base offset, 20 digits>.log
//!                                             /<base offset, 20 digits>.r<revision>.log
//!                                             /<name of a segment>.idx
//!                                             /<base offset, 20 digits>.next
//!       /quarantine/<topic id, 32 hex>/<partition>/<name of a segment>.damaged and .log
//! ```

use std::path::{Path, PathBuf};

use batch::Offset;

use crate::ids::{Generation, JournalFileId, LogId, SegmentName};

const BALLAST: &str = "ballast";

#[derive(Debug, Clone)]
pub struct Layout {
    data: PathBuf,
    generation: Generation,
    shard: u16,
}

impl Layout {
    /// Name of the directory of a shard's journal files.
    pub const JOURNAL_DIR: &str = "journal";

    /// Name of the directory of the copies of its checkpoints.
    pub const COPIES_DIR: &str = "copies";

    /// As many as there are checkpoints that are kept.
    const COPIES: u64 = 2;

    pub fn new(data: &Path, generation: Generation, shard: u16) -> Self {
        Self { data: data.to_path_buf(), generation, shard }
    }

    /// Index of the shard.
    pub fn shard_index(&self) -> u32 {
        u32::from(self.shard)
    }

    /// What holds the directories of a generation's shards.
    pub fn shards_dir(data: &Path, generation: Generation) -> PathBuf {
        match generation {
            Generation::FIRST => data.join("shards"),
            Generation(number) => data.join(format!("shards-{number}")),
        }
    }

    /// The generation whose shards a directory of this name holds.
    pub fn generation(path: &Path) -> Option<Generation> {
        let name = path.file_name()?.to_str()?;
        if name == "shards" {
            return Some(Generation::FIRST);
        }
        let number = name.strip_prefix("shards-")?;
        let generation = Generation(number.parse().ok()?);
        // A name that no generation would get, such as shards-0 or shards-007, is somebody else's.
        (generation != Generation::FIRST && generation.to_string() == number).then_some(generation)
    }

    /// The shard whose directory has this name.
    pub fn shard(path: &Path) -> Option<u16> {
        let name = path.file_name()?.to_str()?;
        name.parse::<u16>().ok().filter(|shard| shard.to_string() == name)
    }

    pub fn shard_dir(&self) -> PathBuf {
        Self::shards_dir(&self.data, self.generation).join(self.shard.to_string())
    }

    pub fn journal_dir(&self) -> PathBuf {
        self.shard_dir().join(Self::JOURNAL_DIR)
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

    /// Holds the copies of the checkpoints.
    pub fn copies_dir(&self) -> PathBuf {
        self.shard_dir().join(Self::COPIES_DIR)
    }

    /// The copy of a checkpoint. Two files take turns, so it lies over that of the checkpoint before the last.
    pub fn checkpoint_copy(&self, seq: u64) -> PathBuf {
        self.copies_dir().join((seq % Self::COPIES).to_string())
    }

    /// The files that hold copies of checkpoints.
    pub fn checkpoint_copies(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..Self::COPIES).map(|turn| self.checkpoint_copy(turn))
    }

    /// Whether a file has the name of a copy.
    pub fn is_checkpoint_copy(path: &Path) -> bool {
        path.file_name().is_some_and(|name| (0..Self::COPIES).any(|turn| name == turn.to_string().as_str()))
    }

    /// The file that is thrown off when the disk is full.
    pub fn ballast(&self) -> PathBuf {
        self.shard_dir().join(BALLAST)
    }

    /// Whether a shard gives this name to files beside its journal: checkpoints, whole or half written, and the ballast.
    pub fn is_shard_file(path: &Path) -> bool {
        let is_half = || path.extension().is_some_and(|extension| extension == "tmp");
        let whole = if is_half() { path.with_extension("") } else { path.to_path_buf() };
        path.file_name().is_some_and(|name| name == BALLAST) || Self::checkpoint_seq(&whole).is_some()
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

    /// The index of a sealed segment. Not `.index`, which Kafka's tools would take for theirs.
    pub fn segment_index(&self, log: LogId, segment: SegmentName) -> PathBuf {
        self.log_dir(log).join(format!("{segment}.idx"))
    }

    /// A file for a segment to come. It is no segment's: nobody ever reads it.
    pub fn next_file(&self, log: LogId, name: Offset) -> PathBuf {
        self.log_dir(log).join(format!("{:020}.next", name.0))
    }

    /// The name of a file for a segment to come.
    pub fn next_file_name(path: &Path) -> Option<Offset> {
        let name = path.file_name()?.to_str()?.strip_suffix(".next")?;
        (name.len() == 20).then(|| name.parse().ok().map(Offset))?
    }

    /// What is kept of damaged segments, of all shards.
    pub fn quarantine_root(&self) -> PathBuf {
        self.data.join("quarantine")
    }

    pub fn quarantine_dir(&self, log: LogId) -> PathBuf {
        self.quarantine_root().join(format!("{:032x}", log.topic)).join(log.partition.to_string())
    }

    /// Says of a segment that it is damaged.
    pub fn damage_mark(&self, log: LogId, segment: SegmentName) -> PathBuf {
        self.quarantine_dir(log).join(format!("{segment}.damaged"))
    }

    /// Where the file of a damaged segment lies when nobody needs it any more.
    pub fn quarantined(&self, log: LogId, segment: SegmentName) -> PathBuf {
        self.quarantine_dir(log).join(format!("{segment}.log"))
    }

    /// The segment that the name of its file or of its index says.
    pub fn segment_name(path: &Path) -> Option<SegmentName> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(".log").or_else(|| name.strip_suffix(".idx"))?;
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
    fn every_generation_has_a_directory_of_its_own_and_knows_its_name() {
        let data = Path::new("/d");
        for generation in [Generation::FIRST, Generation(1), Generation(u32::MAX)] {
            let dir = Layout::shards_dir(data, generation);
            assert_eq!(Layout::generation(&dir), Some(generation));
            assert!(Layout::new(data, generation, 7).shard_dir().starts_with(&dir));
        }
        for name in ["shards-0", "shards-01", "shards-", "shards-x", "shards-4294967296", "topics", "shard"] {
            assert_eq!(Layout::generation(&data.join(name)), None, "{name}");
        }
        assert_eq!(Layout::shard(Path::new("/d/shards/12")), Some(12));
        assert_eq!(Layout::shard(Path::new("/d/shards/012")), None);
    }

    #[test]
    fn names_read_back_and_foreign_names_do_not() {
        let layout = Layout::new(Path::new("/d"), Generation::FIRST, 3);
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
        assert_eq!(Layout::segment_name(&layout.segment_index(log, compacted)), Some(compacted));
        let next = layout.next_file(log, Offset(42));
        assert_eq!((Layout::next_file_name(&next), Layout::segment_name(&next)), (Some(Offset(42)), None));
        assert_eq!(Layout::next_file_name(&segment), None);
        for foreign in
            ["42.log", "00000000000000000042.r0.log", "00000000000000000042.r07.log", "00000000000000000042.index"]
        {
            assert_eq!(Layout::segment_name(Path::new(foreign)), None, "{foreign}");
        }
    }
}
