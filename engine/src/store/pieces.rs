//! Pieces of segment files: read once, and shared by all who want them. A piece begins at a multiple of the piece size and ends at the
//! next one, or where the file ended when it was asked for.
//!
//! ```text
//!   missing --reserve--> queued --next--> under way --on_read--> here --(used, or idle)--> forgotten
//!                                              '-----on_failed----------------------------^
//! ```
//! Invariant: what is queued, under way and here has at most `bytes_max` bytes. Who finds no room reads alone, as if there were no
//! pieces. A piece that nobody has used yet, or that somebody still holds, makes no room for others: what is read ahead is not lost
//! before it is wanted, and memory that cannot be had back is not counted as free.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::ids::{LogId, SegmentName};
use crate::memory::{Joined, Span};

/// Names a piece: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PieceKey {
    pub log: LogId,
    pub segment: SegmentName,
    pub position: u64,
}

/// A piece to read: the bytes from `key.position` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRead {
    pub key: PieceKey,
    pub end: u64,
    /// No other read has it. The piece may be forgotten and asked for anew while it is read.
    pub ticket: u64,
}

/// What there is of a stretch.
#[derive(Debug)]
pub enum Stock {
    Here(Joined),
    /// Everything that is not here is queued or under way.
    Coming,
    /// These pieces are not asked for yet, and the others may be here or not.
    Missing(Vec<(PieceKey, u64)>),
}

#[derive(Debug)]
enum State {
    Coming,
    Here { span: Span, is_used: bool },
}

#[derive(Debug)]
struct Piece {
    /// The file was read, or is to be read, up to here. There may be fewer bytes where it is too short.
    end: u64,
    ticket: u64,
    state: State,
    touch: u64,
    touched_ms: u64,
}

/// One shard's pieces.
#[derive(Debug)]
pub struct Pieces {
    piece_bytes: u64,
    bytes_max: usize,
    bytes: usize,
    pieces: BTreeMap<PieceKey, Piece>,
    /// Somebody waits for these.
    wanted: VecDeque<PieceKey>,
    /// Somebody is expected to want these.
    ahead: VecDeque<PieceKey>,
    in_flight: usize,
    tickets: u64,
    touches: u64,
}

impl Pieces {
    pub fn new(piece_bytes: u64, bytes_max: usize) -> Self {
        assert!(piece_bytes > 0);
        Self {
            piece_bytes,
            bytes_max,
            bytes: 0,
            pieces: BTreeMap::new(),
            wanted: VecDeque::new(),
            ahead: VecDeque::new(),
            in_flight: 0,
            tickets: 0,
            touches: 0,
        }
    }

    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Of pieces that are here or coming.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The pieces that `range` meets, each with the end that it has in a file that ends at `file_end`.
    pub fn keys(
        &self,
        log: LogId,
        segment: SegmentName,
        range: Range<u64>,
        file_end: u64,
    ) -> impl Iterator<Item = (PieceKey, u64)> + use<> {
        let piece_bytes = self.piece_bytes;
        let numbers = range.start / piece_bytes..range.end.min(file_end).div_ceil(piece_bytes);
        numbers.map(move |number| {
            let position = number * piece_bytes;
            (PieceKey { log, segment, position }, file_end.min(position + piece_bytes))
        })
    }

    /// Looks for a stretch that is wanted now.
    pub fn look(
        &mut self,
        log: LogId,
        segment: SegmentName,
        range: Range<u64>,
        file_end: u64,
        now_ms: u64,
    ) -> Stock {
        let (mut missing, mut is_here) = (Vec::new(), true);
        for (key, end) in self.keys(log, segment, range.clone(), file_end) {
            match self.pieces.get(&key) {
                Some(piece) if piece.end >= end.min(range.end) => is_here &= matches!(piece.state, State::Here { .. }),
                // It was asked for when the file was shorter. Who waits for it looks again.
                Some(Piece { state: State::Coming, .. }) => is_here = false,
                _ => missing.push((key, end)),
            }
        }
        if !missing.is_empty() {
            return Stock::Missing(missing);
        }
        if is_here { Stock::Here(self.take(log, segment, range, now_ms)) } else { self.hurry(log, segment, range) }
    }

    fn take(&mut self, log: LogId, segment: SegmentName, range: Range<u64>, now_ms: u64) -> Joined {
        let mut spans = Vec::new();
        for (key, _) in self.keys(log, segment, range.clone(), range.end) {
            self.touches += 1;
            let piece = self.pieces.get_mut(&key).expect("the caller has seen it");
            (piece.touch, piece.touched_ms) = (self.touches, now_ms);
            let State::Here { span, is_used } = &mut piece.state else { unreachable!("the caller has seen it") };
            *is_used = true;
            let within = |position: u64| (position.max(key.position) - key.position).min(span.len() as u64) as usize;
            let part = within(range.start)..within(range.end);
            let is_short = span.len() as u64 + key.position < range.end.min(key.position + self.piece_bytes);
            spans.push(span.slice(part).expect("within the span"));
            if is_short {
                break;
            }
        }
        Joined::new(spans)
    }

    /// What was queued for later is wanted now.
    fn hurry(&mut self, log: LogId, segment: SegmentName, range: Range<u64>) -> Stock {
        for (key, _) in self.keys(log, segment, range.clone(), range.end) {
            if let Some(at) = self.ahead.iter().position(|queued| *queued == key) {
                self.ahead.remove(at);
                self.wanted.push_back(key);
            }
        }
        Stock::Coming
    }

    /// Queues pieces that somebody waits for. `false` if there is no room for all of them.
    #[must_use]
    pub fn reserve_wanted(&mut self, missing: &[(PieceKey, u64)], now_ms: u64) -> bool {
        let bytes = missing.iter().map(|(key, end)| bytes_of(key, *end)).sum();
        if !self.make_room(bytes) {
            return false;
        }
        for (key, end) in missing {
            self.ask(*key, *end, now_ms);
            self.wanted.push_back(*key);
        }
        true
    }

    /// Queues a piece that somebody is expected to want, unless it is here or coming. `false` if there is no room.
    #[must_use]
    pub fn reserve_ahead(&mut self, key: PieceKey, end: u64, now_ms: u64) -> bool {
        if self.pieces.get(&key).is_some_and(|piece| piece.end >= end || matches!(piece.state, State::Coming)) {
            return true;
        }
        if !self.make_room(bytes_of(&key, end)) {
            return false;
        }
        self.ask(key, end, now_ms);
        self.ahead.push_back(key);
        true
    }

    fn ask(&mut self, key: PieceKey, end: u64, now_ms: u64) {
        self.forget(key);
        self.tickets += 1;
        self.touches += 1;
        self.bytes += bytes_of(&key, end);
        let piece = Piece { end, ticket: self.tickets, state: State::Coming, touch: self.touches, touched_ms: now_ms };
        self.pieces.insert(key, piece);
    }

    /// Frees what was used longest ago until so much fits.
    fn make_room(&mut self, bytes: usize) -> bool {
        while self.bytes + bytes > self.bytes_max {
            let spent = self.pieces.iter().filter(|(_, piece)| piece.is_spent());
            let Some(oldest) = spent.min_by_key(|(_, piece)| piece.touch).map(|(key, _)| *key) else { return false };
            self.forget(oldest);
        }
        true
    }

    /// The next piece to read, if fewer than `in_flight_max` are under way.
    pub fn next(&mut self, in_flight_max: usize) -> Option<PieceRead> {
        if self.in_flight >= in_flight_max {
            return None;
        }
        let key = self.wanted.pop_front().or_else(|| self.ahead.pop_front())?;
        let piece = self.pieces.get(&key).expect("what is queued is known");
        self.in_flight += 1;
        Some(PieceRead { key, end: piece.end, ticket: piece.ticket })
    }

    /// A piece has been read, as far as its file goes; or it could not be, and who waits for it reads alone.
    pub fn on_read(&mut self, read: &PieceRead, bytes: Option<Span>, now_ms: u64) {
        self.in_flight -= 1;
        let piece = self.pieces.get_mut(&read.key).filter(|piece| piece.ticket == read.ticket);
        match (piece, bytes) {
            (Some(piece), Some(span)) => {
                assert!(span.len() as u64 <= read.end - read.key.position, "no more was asked for");
                piece.state = State::Here { span, is_used: false };
                piece.touched_ms = now_ms;
            }
            (Some(_), None) => self.forget(read.key),
            // It has been forgotten meanwhile.
            (None, _) => {}
        }
    }

    /// Forgets the pieces of a log, or of one of its segments: the file is not what it was, or nobody may read it any more.
    pub fn forget_segments(&mut self, log: LogId, segment: Option<SegmentName>) {
        let of_segment = |key: &PieceKey| key.log == log && segment.is_none_or(|segment| key.segment == segment);
        let gone: Vec<PieceKey> = self.pieces.keys().filter(|key| of_segment(key)).copied().collect();
        gone.into_iter().for_each(|key| self.forget(key));
    }

    /// Forgets what nobody has asked for lately.
    pub fn forget_idle(&mut self, idle_ms: u64, now_ms: u64) {
        let is_idle = |piece: &Piece| piece.touched_ms + idle_ms <= now_ms && matches!(piece.state, State::Here { .. });
        let idle: Vec<PieceKey> =
            self.pieces.iter().filter(|(_, piece)| is_idle(piece)).map(|(key, _)| *key).collect();
        idle.into_iter().for_each(|key| self.forget(key));
    }

    /// When the next of them is forgotten if nobody asks for it.
    pub fn idle_due_ms(&self, idle_ms: u64) -> Option<u64> {
        let here = self.pieces.values().filter(|piece| matches!(piece.state, State::Here { .. }));
        here.map(|piece| piece.touched_ms + idle_ms).min()
    }

    fn forget(&mut self, key: PieceKey) {
        let Some(piece) = self.pieces.remove(&key) else { return };
        self.bytes -= bytes_of(&key, piece.end);
        if matches!(piece.state, State::Coming) {
            self.wanted.retain(|queued| *queued != key);
            self.ahead.retain(|queued| *queued != key);
        }
    }
}

impl Piece {
    /// It was used, and its memory comes back when it is forgotten.
    fn is_spent(&self) -> bool {
        matches!(&self.state, State::Here { span, is_used: true } if span.is_alone())
    }
}

fn bytes_of(key: &PieceKey, end: u64) -> usize {
    (end - key.position) as usize
}
