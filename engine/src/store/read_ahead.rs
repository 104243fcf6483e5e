//! Who reads on from where, and which pieces are read before anybody asks for them.
//!
//! ```text
//!   file:    |..answered..|..asked for now..|....ahead....|
//!            a reader is known by where its next read begins: there the last answer ended
//! ```
//! Several consumers that read the same records close behind each other are one reader here, and share its pieces.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, VecDeque};

use batch::Offset;

use super::pieces::{PieceRead, Pieces, Stock};
use super::{ColdRead, Effect, Store, Wanted};
use crate::ids::{LogId, SegmentName};
use crate::limits::{
    PIECE_IDLE_MS, PIECE_REST_BESIDE_GROUPS, PIECES_BESIDE_GROUPS_MAX, PIECES_IN_FLIGHT_MAX, READERS_MAX,
    READS_YIELD_MS,
};
use crate::log::{Log, ReadPlan, ReadRequest};
use crate::memory::{Joined, Span};

/// What there is of the bytes that a read wants.
#[derive(Debug)]
pub enum Sought {
    /// These, or the first of them.
    Here(Joined),
    /// They are being read: seek again when a piece has come.
    Coming,
    /// Nobody else reads them: they are to be read for this read alone.
    Alone,
}

/// Where somebody is expected to read on.
#[derive(Debug, Clone, Copy)]
struct Reader {
    segment: SegmentName,
    /// A batch starts here, the first that the reader has not seen.
    position: u64,
    /// So many bytes are read ahead of it.
    window: u64,
}

/// One shard's readers, oldest first, and the pieces they share.
#[derive(Debug)]
pub(super) struct ReadAhead {
    pieces: Pieces,
    window_max: u64,
    readers: BTreeMap<(LogId, Offset), Reader>,
    by_age: VecDeque<(LogId, Offset)>,
    /// Appends were waiting for the device until a moment before this.
    yields_until_ms: u64,
}

impl ReadAhead {
    pub(super) fn new(piece_bytes: u64, bytes_max: usize, window_max: u64) -> Self {
        let pieces = Pieces::new(piece_bytes, bytes_max);
        Self { pieces, window_max, readers: BTreeMap::new(), by_age: VecDeque::new(), yields_until_ms: 0 }
    }

    fn note(&mut self, log: LogId, next: Offset, reader: Reader) {
        let key = (log, next);
        if self.readers.insert(key, reader).is_none() {
            self.by_age.push_back(key);
        }
        if self.by_age.len() > READERS_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.readers.remove(&oldest);
        }
    }

    /// The log, or this segment of it, has gone. What is being read of it counts for nobody any more.
    pub(super) fn forget(&mut self, log: LogId, segment: Option<SegmentName>) {
        self.pieces.forget_segments(log, segment);
        let is_of = |key: &(LogId, Offset), reader: &Reader| {
            key.0 == log && segment.is_none_or(|segment| reader.segment == segment)
        };
        self.readers.retain(|key, reader| !is_of(key, reader));
        let readers = &self.readers;
        self.by_age.retain(|key| readers.contains_key(key));
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.pieces.idle_due_ms(PIECE_IDLE_MS)
    }

    /// Queues what lies from `position` on, up to the reader's window, as far as the files have it and memory does not.
    fn look_ahead(&mut self, log: &Log, mut segment: SegmentName, mut position: u64, mut bytes: u64, now_ms: u64) {
        while bytes > 0 {
            let Some(found) = log.segment(segment) else { return };
            let file_end = log.read_from_file_until(found);
            for (key, end) in self.pieces.keys(log.id(), segment, position..file_end.min(position + bytes), file_end) {
                // A piece of a file that grows would be read once more when it has grown.
                let is_whole = found.is_closed() || end - key.position == self.pieces.piece_bytes();
                if !is_whole || !self.pieces.reserve_ahead(key, end, now_ms) {
                    return;
                }
            }
            bytes = bytes.saturating_sub(file_end.saturating_sub(position));
            let Some(next) = log.segment_after(segment).filter(|_| found.is_closed()) else { return };
            (segment, position) = (next.name(), 0);
        }
    }
}

impl Store {
    /// Plans a read that begins where an earlier one has ended: no index is needed to find the place.
    pub(super) fn plan_reading_on(&self, id: LogId, request: ReadRequest) -> Option<ReadPlan> {
        let reader = self.read_ahead.readers.get(&(id, request.from))?;
        self.log(id)?.plan_reading_on(reader.segment, reader.position, request)
    }

    /// Looks for the bytes that a read wants, and asks for those that nobody has asked for yet.
    pub fn seek(&mut self, read: &mut ColdRead, now_ms: u64) -> Sought {
        let Wanted::Bytes(range) = read.wanted() else { unreachable!("the index comes first") };
        let (id, name) = (read.log(), read.segment());
        let log = self.logs.get(&id).map(|slot| &slot.log);
        let Some((log, segment)) = log.and_then(|log| Some((log, log.segment(name)?))) else { return Sought::Alone };
        let ahead = &mut self.read_ahead;
        let window = ahead.readers.get(&(id, read.from())).map(|reader| reader.window);
        if window.is_none() && range.end - range.start < ahead.pieces.piece_bytes() / 2 {
            return Sought::Alone;
        }
        let stock = ahead.pieces.look(id, name, range.clone(), segment.flushed, now_ms);
        let is_first_look = !std::mem::replace(&mut read.has_waited, true);
        let sought = match stock {
            Stock::Here(bytes) => Sought::Here(bytes),
            Stock::Coming => Sought::Coming,
            // It has waited, and what came was of no use or had to make room: that way lies no end.
            Stock::Missing(_) if !is_first_look => return Sought::Alone,
            Stock::Missing(missing) if ahead.pieces.reserve_wanted(&missing, now_ms) => Sought::Coming,
            Stock::Missing(_) => return Sought::Alone,
        };
        if is_first_look && let Some(window) = window {
            ahead.look_ahead(log, name, range.end, window, now_ms);
        }
        sought
    }

    /// A read from the files has been answered: somebody may read on where it ended.
    pub fn on_answered(&mut self, read: &ColdRead) {
        let Some(answered) = read.answered() else { return };
        let Some(log) = self.logs.get(&read.log()).map(|slot| &slot.log) else { return };
        let ahead = &mut self.read_ahead;
        let window = match ahead.readers.get(&(log.id(), read.from())) {
            Some(reader) => (reader.window * 2).clamp(ahead.pieces.piece_bytes(), ahead.window_max),
            // Whoever begins at the beginning reads on.
            None if answered.from_start => ahead.pieces.piece_bytes().min(ahead.window_max),
            None => 0,
        };
        let (segment, position) = match log.segment(read.segment()) {
            None => return,
            Some(segment) if answered.position < segment.bytes => (segment.name(), answered.position),
            Some(segment) => match log.segment_after(segment.name()) {
                Some(next) => (next.name(), 0),
                None => return,
            },
        };
        ahead.note(log.id(), answered.next, Reader { segment, position, window });
    }

    /// What was read is not what was written: whoever asks next reads the device anew.
    pub fn on_corrupt(&mut self, read: &ColdRead) {
        self.read_ahead.forget(read.log(), Some(read.segment()));
    }

    /// A piece has been read, as far as its file goes, or it could not be; it took so long. Returns for how long whoever read it rests
    /// before [`Store::on_piece_rested`], in microseconds: beside appends the device is theirs for most of the time, however fast it is.
    pub fn on_piece_read(&mut self, read: &PieceRead, bytes: Option<Span>, took_us: u64, now_ms: u64) -> u64 {
        self.read_ahead.pieces.on_read(read, bytes, now_ms);
        if self.yields(now_ms) { took_us * PIECE_REST_BESIDE_GROUPS } else { 0 }
    }

    pub fn on_piece_rested(&mut self) {
        self.read_ahead.pieces.on_rested();
    }

    fn yields(&self, now_ms: u64) -> bool {
        now_ms < self.read_ahead.yields_until_ms
    }

    /// Memory that pieces take or will take, and pieces under way.
    pub fn pieces(&self) -> (usize, usize) {
        (self.read_ahead.pieces.bytes(), self.read_ahead.pieces.in_flight())
    }

    /// Begins the reads that may begin. Appends go first: while their groups come one after the other, few reads are under way.
    pub(super) fn poll_reads(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if !self.groups.is_idle() {
            self.read_ahead.yields_until_ms = now_ms + READS_YIELD_MS;
        }
        self.read_ahead.pieces.forget_idle(PIECE_IDLE_MS, now_ms);
        let in_flight_max = if self.yields(now_ms) { PIECES_BESIDE_GROUPS_MAX } else { PIECES_IN_FLIGHT_MAX };
        while let Some(read) = self.read_ahead.pieces.next(in_flight_max) {
            effects.push(Effect::ReadPiece(read));
        }
    }
}
