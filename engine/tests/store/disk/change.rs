//! What a file holds, what it would hold had the device kept its word, and how the one becomes the other.

use std::ops::Range;

use super::SECTOR_BYTES;
use crate::random::Random;

const BLOCK_BYTES: usize = 4096;

/// Whether the device does with a write what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Arrives,
    /// The device says that it is written, and it is not, here.
    Lost,
    /// It was meant for another place.
    Stray,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { position: usize, bytes: Vec<u8>, arrival: Arrival },
    Truncate(usize),
}

impl Change {
    pub(super) fn write(position: u64, bytes: &[u8], arrival: Arrival) -> Change {
        Change::Write { position: position as usize, bytes: bytes.to_vec(), arrival }
    }

    pub(super) fn overlaps(&self, range: &Range<usize>) -> bool {
        match self {
            Change::Write { position, bytes, .. } => *position < range.end && range.start < position + bytes.len(),
            Change::Truncate(_) => true,
        }
    }

    /// What the power left of it. What went astray did so when it was written.
    pub(super) fn survive(&self, random: &mut Random, file: &mut Face) {
        let (position, bytes, arrival) = match self {
            Change::Write { arrival: Arrival::Stray, .. } => return file.apply(self),
            Change::Write { position, bytes, arrival } => (*position, bytes, *arrival),
            Change::Truncate(_) if random.below(4) == 0 => return,
            Change::Truncate(_) => return file.apply(self),
        };
        match random.below(4) {
            0 => {}
            1 => file.apply(self),
            torn => {
                let cut = random.below(bytes.len().div_ceil(SECTOR_BYTES) + 1);
                for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if if torn == 2 { index < cut } else { random.one_in(2) } {
                        let position = position + index * SECTOR_BYTES;
                        file.apply(&Change::Write { position, bytes: sector.to_vec(), arrival });
                    }
                }
            }
        }
    }
}

/// The content of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Face {
    pub(super) bytes: Vec<u8>,
    /// What was written, if that may be something else.
    meant: Option<Vec<u8>>,
}

impl Face {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Truncate(len) => {
                self.bytes.resize(*len, 0);
                self.meant.iter_mut().for_each(|meant| meant.resize(*len, 0));
            }
            Change::Write { position, bytes, arrival } => {
                if *arrival != Arrival::Arrives {
                    self.meant.get_or_insert_with(|| self.bytes.clone());
                }
                if *arrival != Arrival::Stray {
                    self.meant.iter_mut().for_each(|meant| put(meant, *position, bytes));
                }
                if *arrival == Arrival::Lost {
                    // The file is as long as the file system was told, with nothing in it.
                    self.bytes.resize(self.bytes.len().max(position + bytes.len()), 0);
                } else {
                    put(&mut self.bytes, *position, bytes);
                }
            }
        }
    }

    pub(super) fn meant(&self) -> &[u8] {
        self.meant.as_ref().unwrap_or(&self.bytes)
    }

    /// The file as if the device had kept its word.
    pub(super) fn honest(&self) -> Face {
        Face { bytes: self.meant().to_vec(), meant: None }
    }

    /// Forgets what was meant once it is there after all.
    pub(super) fn settle(&mut self) {
        self.meant.take_if(|meant| *meant == self.bytes);
    }

    /// Where the file is not as it was written, block by block.
    pub(super) fn damaged(&self) -> Vec<Range<usize>> {
        let Some(meant) = &self.meant else { return Vec::new() };
        let mut ranges = Vec::new();
        for (block, (is, was)) in self.bytes.chunks(BLOCK_BYTES).zip(meant.chunks(BLOCK_BYTES)).enumerate() {
            let differs = |at: &usize| is[*at] != was[*at];
            let len = is.len().min(was.len());
            if let (Some(first), Some(last)) = ((0..len).find(differs), (0..len).rfind(differs)) {
                ranges.push(block * BLOCK_BYTES + first..block * BLOCK_BYTES + last + 1);
            }
        }
        ranges
    }
}

fn put(file: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    if file.len() < position + bytes.len() {
        file.resize(position + bytes.len(), 0);
    }
    file[position..position + bytes.len()].copy_from_slice(bytes);
}
