//! A disk in memory with two faces: what the process sees, and what is on stable storage. Writes and changes of directories
//! move from the one to the other when they are synced, or by luck when the power fails.

mod change;
mod lies;

use std::collections::BTreeMap;

use engine::{JournalFileId, LogId, Offset, SegmentName};

use crate::random::Random;
use change::{Change, Face};
pub use lies::{KINDS, Kind, Lie, Told};

/// What a device writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Journal(JournalFileId),
    Checkpoint(u64),
    /// The copy of each second checkpoint.
    Copy(u64),
    /// A checkpoint that is being written.
    Temporary(u64),
    /// A checkpoint that was found damaged.
    Damaged(u64),
    Segment(LogId, SegmentName),
    /// Beside a sealed segment.
    Index(LogId, SegmentName),
    /// For a segment to come.
    Next(LogId, Offset),
    /// It says that a segment is damaged.
    Mark(LogId, SegmentName),
    /// A damaged segment that nobody needs any more.
    Quarantined(LogId, SegmentName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dir {
    Journal,
    Shard,
    Copies,
    /// A log's directory and those above it, which the shell makes and syncs together.
    Log(LogId),
    /// What is known and kept of a log's damaged segments.
    Quarantine(LogId),
}

impl Name {
    pub fn dir(self) -> Dir {
        match self {
            Name::Journal(_) => Dir::Journal,
            Name::Checkpoint(_) | Name::Temporary(_) | Name::Damaged(_) => Dir::Shard,
            Name::Copy(_) => Dir::Copies,
            Name::Segment(log, _) | Name::Index(log, _) | Name::Next(log, _) => Dir::Log(log),
            Name::Mark(log, _) | Name::Quarantined(log, _) => Dir::Quarantine(log),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    seen: Face,
    durable: Face,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Link(Name, u64),
    Unlink(Name),
    Rename(Name, Name),
}

impl Entry {
    /// The directories that it changes, at once or not at all.
    fn dirs(self) -> [Dir; 2] {
        match self {
            Entry::Link(name, _) | Entry::Unlink(name) => [name.dir(); 2],
            Entry::Rename(from, to) => [from.dir(), to.dir()],
        }
    }
}

fn change_entry(names: &mut BTreeMap<Name, u64>, entry: Entry) {
    match entry {
        Entry::Link(name, file) => {
            names.insert(name, file);
        }
        Entry::Unlink(name) => {
            names.remove(&name);
        }
        Entry::Rename(from, to) => {
            if let Some(file) = names.remove(&from) {
                names.insert(to, file);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<u64, File>,
    seen: BTreeMap<Name, u64>,
    durable: BTreeMap<Name, u64>,
    unsynced: Vec<Entry>,
    files_made: u64,
    /// What the device will not do.
    pub lie: Option<Lie>,
    /// What it has not done, although it said so.
    pub told: Vec<Told>,
}

impl Disk {
    pub fn exists(&self, name: Name) -> bool {
        self.seen.contains_key(&name)
    }

    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.seen.keys().copied()
    }

    pub fn read(&self, name: Name) -> Option<&[u8]> {
        self.seen.get(&name).map(|file| self.files[file].seen.bytes.as_slice())
    }

    /// Makes an empty file, or empties the one that is there.
    pub fn create(&mut self, name: Name) {
        if self.exists(name) {
            self.change(name, Change::Truncate(0));
            return;
        }
        self.files_made += 1;
        self.files.insert(self.files_made, File::default());
        self.entry(Entry::Link(name, self.files_made));
    }

    pub fn rename(&mut self, from: Name, to: Name) {
        assert!(self.exists(from));
        self.entry(Entry::Rename(from, to));
    }

    pub fn unlink(&mut self, name: Name) {
        self.entry(Entry::Unlink(name));
    }

    fn entry(&mut self, entry: Entry) {
        change_entry(&mut self.seen, entry);
        self.unsynced.push(entry);
    }

    /// A write through a handle to a file that has been unlinked goes nowhere.
    pub fn write(&mut self, name: Name, position: u64, bytes: &[u8]) {
        if self.exists(name) {
            let arrival = self.arrival(name, position, bytes);
            self.change(name, Change::write(position, bytes, arrival));
        }
    }

    /// The write alone is on stable storage when this returns, as with `RWF_DSYNC`.
    pub fn write_durable(&mut self, name: Name, position: u64, bytes: &[u8]) {
        let arrival = self.arrival(name, position, bytes);
        let file = self.file(name).expect("durable writes go to files that are kept");
        let change = Change::write(position, bytes, arrival);
        file.seen.apply(&change);
        file.durable.apply(&change);
    }

    pub fn truncate(&mut self, name: Name, len: u64) {
        self.change(name, Change::Truncate(len as usize));
    }

    /// The medium gives back another bit than was written.
    pub fn flip(&mut self, name: Name, bit: usize) {
        let file = self.file(name).expect("what is damaged is there");
        for face in [&mut file.seen, &mut file.durable] {
            if let Some(byte) = face.bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn change(&mut self, name: Name, change: Change) {
        if let Some(file) = self.file(name) {
            file.seen.apply(&change);
            file.unsynced.push(change);
        }
    }

    fn file(&mut self, name: Name) -> Option<&mut File> {
        self.seen.get(&name).and_then(|file| self.files.get_mut(file))
    }

    /// Changes bytes where nobody wrote: what is read from now on, and after any power cut, is not what was written.
    pub fn damage(&mut self, name: Name, position: usize, bytes: &[u8]) {
        let file = self.file(name).expect("damage hits files that are there");
        file.unsynced.clear();
        file.seen.bytes[position..position + bytes.len()].copy_from_slice(bytes);
        file.durable = file.seen.clone();
    }

    pub fn sync(&mut self, name: Name) {
        if let Some(file) = self.file(name) {
            file.unsynced.drain(..).for_each(|change| file.durable.apply(&change));
        }
    }

    /// Where a file has come from another directory, what was done there before comes along: file systems journal it in order.
    pub fn sync_dir(&mut self, dir: Dir) {
        let came_from = self.unsynced.iter().map(|entry| entry.dirs()).filter(|dirs| dirs.contains(&dir));
        let synced: Vec<Dir> = came_from.flatten().chain([dir]).collect();
        let durable = &mut self.durable;
        self.unsynced.retain(|entry| {
            let is_synced = entry.dirs().iter().any(|dir| synced.contains(dir));
            if is_synced {
                change_entry(durable, *entry);
            }
            !is_synced
        });
    }

    /// What was not synced is lost, kept or torn. Changes of one directory are kept up to some point: file systems journal them in order.
    pub fn lose_power(&mut self, random: &mut Random) {
        let mut stopped: Vec<Dir> = Vec::new();
        for entry in std::mem::take(&mut self.unsynced) {
            if entry.dirs().iter().any(|dir| stopped.contains(dir)) || random.one_in(3) {
                stopped.extend(entry.dirs());
                continue;
            }
            change_entry(&mut self.durable, entry);
        }
        for file in self.files.values_mut() {
            for change in file.unsynced.drain(..) {
                change.survive(random, &mut file.durable);
            }
            file.durable.settle();
            file.seen.clone_from(&file.durable);
        }
        self.seen.clone_from(&self.durable);
        let kept: Vec<u64> = self.seen.values().copied().collect();
        self.files.retain(|file, _| kept.contains(file));
    }
}
