//! Generations of shard directories: found, written whole beside the one that counts, removed.
//!
//! Through the ordinary, blocking file system: no shard runs while the number of shards changes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::layout::Layout;
use crate::checkpoint::{self, Checkpoint};
use crate::ids::Generation;

/// Copies of its checkpoint that a new shard begins with, so that damage to one of them costs nothing.
const COPIES: u64 = 2;

/// The generations whose directories are there, whole or not, oldest first.
pub fn found(data: &Path) -> io::Result<Vec<Generation>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data)? {
        found.extend(Layout::generation(&entry?.path()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether a generation has a directory for each of its shards.
pub fn has_all_shards(data: &Path, generation: Generation, shard_count: u16) -> bool {
    (0..shard_count).all(|shard| Layout::new(data, generation, shard).shard_dir().is_dir())
}

/// Writes a generation: for each checkpoint a shard that begins with it and an empty journal. When this returns all of it is on
/// stable storage and has been read back.
///
/// # Errors
/// With what failed. Then [`remove`] takes away what there is.
pub fn write(data: &Path, generation: Generation, checkpoints: &[Checkpoint]) -> io::Result<()> {
    for (shard, checkpoint) in (0..).zip(checkpoints) {
        assert_eq!(checkpoint.shard, u32::from(shard), "checkpoints come in the order of the shards");
        let layout = Layout::new(data, generation, shard);
        fs::create_dir_all(layout.journal_dir())?;
        for copy in 0..COPIES {
            let mut checkpoint = checkpoint.clone();
            checkpoint.seq += copy;
            write_checkpoint(&layout.checkpoint(checkpoint.seq), &checkpoint)?;
        }
        sync_dir(&layout.journal_dir())?;
        sync_dir(&layout.shard_dir())?;
    }
    sync_dir(&Layout::shards_dir(data, generation))?;
    sync_dir(data)
}

pub(crate) fn write_checkpoint(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let bytes = checkpoint::encode(checkpoint);
    let mut file = File::create_new(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let is_same = fs::read(path)? == bytes && checkpoint::decode(&bytes).is_ok_and(|read| read == *checkpoint);
    let differs = || io::Error::other(format!("{} is not read back as it was written", path.display()));
    if is_same { Ok(()) } else { Err(differs()) }
}

/// Removes the files of a generation's shards and its directories, and returns what is left: whatever no shard has written
/// stays where it is.
pub fn remove(data: &Path, generation: Generation) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    let shards_dir = Layout::shards_dir(data, generation);
    for shard in entries(&shards_dir)? {
        if Layout::shard(&shard).is_some() && shard.is_dir() {
            remove_shard(&shard, &mut left)?;
        } else {
            left.push(shard);
        }
    }
    remove_empty(&shards_dir)?;
    sync_dir(data)?;
    Ok(left)
}

fn remove_shard(shard: &Path, left: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in entries(shard)? {
        if path.file_name().is_some_and(|name| name == Layout::JOURNAL_DIR) {
            remove_files(&path, |path| Layout::journal_file_id(path).is_some(), left)?;
        } else if path.file_name().is_some_and(|name| name == Layout::COPIES_DIR) {
            remove_files(&path, Layout::is_checkpoint_copy, left)?;
        }
    }
    remove_files(shard, Layout::is_shard_file, left)
}

/// Removes those files of a directory that `is_ours`, and the directory if nothing is left in it.
fn remove_files(dir: &Path, is_ours: impl Fn(&Path) -> bool, left: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in entries(dir)? {
        if is_ours(&path) && path.is_file() {
            fs::remove_file(&path)?;
        } else {
            left.push(path);
        }
    }
    remove_empty(dir)
}

fn remove_empty(dir: &Path) -> io::Result<()> {
    match fs::remove_dir(dir) {
        Err(error) if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => Err(error),
        _ => Ok(()),
    }
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GroupSeq, JournalFileId};

    fn checkpoint(shard: u32) -> Checkpoint {
        Checkpoint {
            shard,
            seq: 7,
            replay_from: GroupSeq(12),
            last_group: GroupSeq::NONE,
            last_group_checksum: 0,
            durable_seq: GroupSeq(11),
            last_file: JournalFileId(3 << 32),
            logs: Vec::new(),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            entries(dir).unwrap().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_generation_begins_with_two_copies_of_each_checkpoint_and_an_empty_journal() {
        let data = tempfile::tempdir().unwrap();
        write(data.path(), Generation(4), &[checkpoint(0), checkpoint(1)]).unwrap();
        assert_eq!(found(data.path()).unwrap(), [Generation(4)]);
        assert!(has_all_shards(data.path(), Generation(4), 2));
        assert!(!has_all_shards(data.path(), Generation(4), 3));
        for shard in 0..2_u16 {
            let layout = Layout::new(data.path(), Generation(4), shard);
            assert_eq!(names(&layout.journal_dir()), [""; 0]);
            for seq in [7, 8] {
                let read = checkpoint::decode(&fs::read(layout.checkpoint(seq)).unwrap()).unwrap();
                assert_eq!(read, Checkpoint { seq, ..checkpoint(u32::from(shard)) });
            }
        }
        assert!(write(data.path(), Generation(4), &[checkpoint(0)]).is_err(), "nothing is ever written over");
    }

    #[test]
    fn what_no_shard_has_written_is_never_removed() {
        let data = tempfile::tempdir().unwrap();
        write(data.path(), Generation(1), &[checkpoint(0), checkpoint(1), checkpoint(2)]).unwrap();
        let first = Layout::new(data.path(), Generation(1), 0);
        fs::write(first.journal_file(JournalFileId(9)), "groups").unwrap();
        fs::write(first.checkpoint(9).with_extension("tmp"), "half").unwrap();
        fs::write(first.ballast(), "").unwrap();
        fs::write(first.shard_dir().join("journal-of-mine"), "a note").unwrap();
        let second = Layout::new(data.path(), Generation(1), 1);
        fs::write(second.journal_dir().join("0000000000000009.journal.bak"), "a copy").unwrap();
        fs::create_dir_all(Layout::shards_dir(data.path(), Generation(1)).join("old")).unwrap();

        let mut left = remove(data.path(), Generation(1)).unwrap();
        left.sort();
        let shards = Layout::shards_dir(data.path(), Generation(1));
        assert_eq!(names(&shards), ["0", "1", "old"]);
        assert_eq!(names(&shards.join("0")), ["journal-of-mine"]);
        assert_eq!(names(&shards.join("1")), ["journal"]);
        assert_eq!(names(&shards.join("1/journal")), ["0000000000000009.journal.bak"]);
        assert_eq!(left.len(), 4, "{left:?}");

        remove(data.path(), Generation(9)).unwrap();
        write(data.path(), Generation(2), &[checkpoint(0)]).unwrap();
        assert_eq!(remove(data.path(), Generation(2)).unwrap(), [""; 0].map(PathBuf::from));
        assert_eq!(found(data.path()).unwrap(), [Generation(1)]);
    }
}
