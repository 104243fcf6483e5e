//! A device that does not keep its word: a write is lost, or lands in another place, and nobody is told.
//!
//! Beside what a file holds the disk keeps what it was meant to hold, through syncs and power cuts. So it is known at any time which
//! bytes are not what they should be.

use std::fmt;
use std::ops::Range;

use super::change::{Arrival, Change};
use super::{Disk, Name};
use crate::random::Random;

const BLOCK_BYTES: usize = 4096;

/// What kind of file a write is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Journal,
    Segment,
    Index,
    Checkpoint,
}

pub const KINDS: [Kind; 4] = [Kind::Journal, Kind::Segment, Kind::Index, Kind::Checkpoint];

impl Name {
    pub fn kind(self) -> Kind {
        match self {
            Name::Journal(_) => Kind::Journal,
            Name::Segment(..) | Name::Next(..) => Kind::Segment,
            Name::Index(..) | Name::Mark(..) | Name::Quarantined(..) => Kind::Index,
            Name::Checkpoint(_) | Name::Copy(_) | Name::Temporary(_) | Name::Damaged(_) => Kind::Checkpoint,
        }
    }
}

/// What the device is about to do with the next write to a file of some kind.
#[derive(Debug, Clone)]
pub struct Lie {
    pub of: Kind,
    /// Where it goes instead: to some file of this kind, if there is one.
    pub to: Option<Kind>,
    /// Decides which file, and where in it.
    pub random: Random,
}

/// A write that the device said was done.
#[derive(Clone)]
pub struct Told {
    name: Name,
    position: u64,
    bytes: usize,
    /// Where it went, and all that did.
    pub stray: Option<(Name, usize, Vec<u8>)>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for {:?} at {}", self.bytes, self.name, self.position)?;
        match &self.stray {
            None => write!(f, " lost"),
            Some((to, at, bytes)) => write!(f, ", of which {} went to {to:?} at {at}", bytes.len()),
        }
    }
}

impl Disk {
    /// What becomes of a write. One that goes astray lands when this returns.
    pub(super) fn arrival(&mut self, name: Name, position: u64, bytes: &[u8]) -> Arrival {
        let Some(mut lie) = self.lie.take_if(|lie| lie.of == name.kind() && !bytes.is_empty()) else {
            return Arrival::Arrives;
        };
        let names: Vec<Name> = self.names().filter(|to| Some(to.kind()) == lie.to).collect();
        let names: Vec<Name> = names.into_iter().filter(|to| self.read(*to).is_some_and(|f| !f.is_empty())).collect();
        let mut stray = None;
        if !names.is_empty() {
            let to = names[lie.random.below(names.len())];
            let target_bytes = self.read(to).map_or(0, <[u8]>::len);
            let at = lie.random.below(target_bytes.div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
            if (to, at as u64) == (name, position) {
                return Arrival::Arrives;
            }
            stray = Some((to, at, bytes[..bytes.len().min(target_bytes - at)].to_vec()));
        }
        if let Some((to, at, bytes)) = &stray {
            self.go_astray(*to, *at, bytes);
        }
        self.told.push(Told { name, position, bytes: bytes.len(), stray });
        Arrival::Lost
    }

    fn go_astray(&mut self, to: Name, at: usize, bytes: &[u8]) {
        let change = Change::write(at as u64, bytes, Arrival::Stray);
        let file = self.file(to).expect("chosen among those that are there");
        file.seen.apply(&change);
        // What was written there before and is not synced yet must not come on top of it.
        if file.unsynced.iter().any(|other| other.overlaps(&(at..at + bytes.len()))) {
            file.unsynced.push(change);
        } else {
            file.durable.apply(&change);
        }
    }

    /// Where a file is not as it was written.
    pub fn damaged(&self, name: Name) -> Vec<Range<usize>> {
        self.seen.get(&name).map_or_else(Vec::new, |file| self.files[file].seen.damaged())
    }

    /// The files that are not as they were written.
    pub fn damaged_names(&self) -> Vec<Name> {
        self.names().filter(|name| !self.damaged(*name).is_empty()).collect()
    }

    /// What was written to a file.
    pub fn meant(&self, name: Name) -> Option<&[u8]> {
        self.seen.get(&name).map(|file| self.files[file].seen.meant())
    }

    /// The disk as if the device had kept its word.
    pub fn honest(&self) -> Disk {
        let mut disk = self.clone();
        for file in disk.files.values_mut() {
            (file.seen, file.durable) = (file.seen.honest(), file.durable.honest());
            file.unsynced.retain(|change| !matches!(change, Change::Write { arrival: Arrival::Stray, .. }));
            for change in &mut file.unsynced {
                if let Change::Write { arrival, .. } = change {
                    *arrival = Arrival::Arrives;
                }
            }
        }
        disk
    }
}
