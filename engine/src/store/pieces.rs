//! Pieces of segment files: read once, and shared by all who want them. A piece begins at a multiple of the piece size and ends at the
//! next one, or where the file ended when it was asked for.
//!
//! ```text
//!   missing --reserve--> queued --next--> under way --on_read--> here --(used, or idle)--> forgotten
//!                                              '-----on_failed----------------------------^
//! ```
//! Invariant: what is queued, under way and here has at most `bytes_max` bytes; only what is forgotten while it is under way comes on
//! top, until it has been read. Who finds no room reads alone, as if there were no
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
    pub fn look(&mut self, log: LogId, segment: SegmentName, range: Range<u64>, file_end: u64, now_ms: u64) -> Stock {
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

    /// Whoever read a piece has rested: another may be read.
    pub fn on_rested(&mut self) {
        self.in_flight -= 1;
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
        let idle: Vec<PieceKey> = self.pieces.iter().filter(|(_, piece)| is_idle(piece)).map(|(key, _)| *key).collect();
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

#[cfg(test)]
mod tests {
    use batch::Offset;

    use super::*;
    use crate::memory::{AlignedBuf, Chunk};

    const LOG: LogId = LogId { topic: 1, partition: 0 };
    const SEGMENT: SegmentName = SegmentName::appended(Offset(0));
    const FILE_END: u64 = 450;

    /// Room for three pieces of 100 bytes.
    fn pieces() -> Pieces {
        Pieces::new(100, 300)
    }

    fn look(pieces: &mut Pieces, range: Range<u64>) -> Stock {
        pieces.look(LOG, SEGMENT, range, FILE_END, 0)
    }

    fn ask(pieces: &mut Pieces, range: Range<u64>) -> bool {
        let Stock::Missing(missing) = look(pieces, range) else { panic!("nobody has asked for them") };
        pieces.reserve_wanted(&missing, 0)
    }

    fn key(position: u64) -> PieceKey {
        PieceKey { log: LOG, segment: SEGMENT, position }
    }

    /// Each byte is the number of its piece.
    fn read(pieces: &mut Pieces, bytes_max: usize) -> PieceKey {
        let read = pieces.next(1).expect("something is queued");
        let len = ((read.end - read.key.position) as usize).min(bytes_max);
        let mut buf = AlignedBuf::zeroed(len);
        buf.fill((read.key.position / 100) as u8);
        pieces.on_read(&read, Chunk::sealed(buf).slice(0..len), 0);
        pieces.on_rested();
        read.key
    }

    fn here(stock: Stock) -> Vec<u8> {
        let Stock::Here(joined) = stock else { panic!("{stock:?}") };
        joined.bytes(0..joined.len()).to_vec()
    }

    #[test]
    fn a_stretch_is_read_once_for_all_who_want_it() {
        let mut pieces = pieces();
        assert!(ask(&mut pieces, 50..210));
        assert!(matches!(look(&mut pieces, 199..200), Stock::Coming));
        for _ in 0..3 {
            read(&mut pieces, 100);
        }
        assert!(pieces.next(8).is_none());
        let bytes = here(look(&mut pieces, 50..210));
        assert_eq!(bytes, [vec![0; 50], vec![1; 100], vec![2; 10]].concat());
        assert_eq!(here(look(&mut pieces, 100..101)), [1]);
    }

    #[test]
    fn room_is_made_of_what_was_used_and_nobody_holds() {
        let mut pieces = pieces();
        assert!(ask(&mut pieces, 0..300) && !ask(&mut pieces, 300..400), "everything is on its way");
        for _ in 0..3 {
            read(&mut pieces, 100);
        }
        assert!(!ask(&mut pieces, 300..400), "nobody has used anything");
        let Stock::Here(held) = look(&mut pieces, 0..100) else { panic!("it was read") };
        assert!(!ask(&mut pieces, 300..400), "its memory would not come back");
        drop(held);
        assert!(pieces.reserve_ahead(key(300), 400, 0));
        assert_eq!(pieces.bytes(), 300);
        assert!(
            matches!(look(&mut pieces, 0..100), Stock::Missing(_))
                && matches!(look(&mut pieces, 100..300), Stock::Here(_))
        );
    }

    #[test]
    fn what_somebody_waits_for_is_read_before_what_is_read_ahead() {
        let mut pieces = pieces();
        assert!(pieces.reserve_ahead(key(0), 100, 0) && pieces.reserve_ahead(key(100), 200, 0));
        assert!(ask(&mut pieces, 200..201) && matches!(look(&mut pieces, 100..200), Stock::Coming));
        assert_eq!(
            [read(&mut pieces, 100), read(&mut pieces, 100), read(&mut pieces, 100)],
            [key(200), key(100), key(0)]
        );
    }

    #[test]
    fn no_more_are_under_way_than_allowed() {
        let mut pieces = pieces();
        assert!(ask(&mut pieces, 0..300));
        let (first, second) = (pieces.next(2).expect("one"), pieces.next(2).expect("two"));
        assert!(pieces.next(2).is_none());
        pieces.on_read(&first, None, 0);
        assert!(pieces.next(2).is_none(), "not before it has rested");
        pieces.on_rested();
        assert!(pieces.next(2).is_some() && pieces.next(2).is_none());
        assert!(matches!(look(&mut pieces, 0..50), Stock::Missing(_)), "it could not be read");
        pieces.on_read(&second, None, 0);
    }

    /// The bytes of a file that has gone must not be taken for those of another that has its name.
    #[test]
    fn a_piece_that_was_forgotten_while_it_was_read_stays_forgotten() {
        let mut pieces = pieces();
        assert!(ask(&mut pieces, 0..100));
        let old = pieces.next(8).expect("queued");
        pieces.forget_segments(LOG, Some(SEGMENT));
        assert!(ask(&mut pieces, 0..100));
        let bytes = Chunk::sealed(AlignedBuf::zeroed(100)).slice(0..100);
        pieces.on_read(&old, bytes, 0);
        pieces.on_rested();
        assert!(matches!(look(&mut pieces, 0..100), Stock::Coming));
        read(&mut pieces, 100);
        assert!(matches!(look(&mut pieces, 0..100), Stock::Here(_)));
        assert_eq!((pieces.in_flight(), pieces.bytes()), (0, 100));
    }

    #[test]
    fn a_file_that_has_grown_is_read_again_and_one_that_is_too_short_gives_what_it_has() {
        let mut pieces = pieces();
        assert!(ask(&mut pieces, 400..450));
        read(&mut pieces, 100);
        assert_eq!(here(look(&mut pieces, 400..450)).len(), 50);
        assert!(matches!(pieces.look(LOG, SEGMENT, 400..450, 500, 0), Stock::Here(_)), "no more is wanted");
        assert!(matches!(pieces.look(LOG, SEGMENT, 400..460, 500, 0), Stock::Missing(_)));
        assert!(ask(&mut pieces, 0..200));
        for _ in 0..2 {
            read(&mut pieces, 30);
        }
        assert_eq!(here(look(&mut pieces, 20..200)), [0; 10], "what lies behind the hole is not joined to it");
    }

    #[test]
    fn what_nobody_asks_for_goes() {
        let mut pieces = pieces();
        assert!(pieces.reserve_ahead(key(0), 100, 0));
        assert_eq!(pieces.idle_due_ms(5), None);
        read(&mut pieces, 100);
        assert_eq!(pieces.idle_due_ms(5), Some(5));
        pieces.forget_idle(5, 4);
        assert_eq!(pieces.bytes(), 100);
        pieces.forget_idle(5, 5);
        assert_eq!((pieces.bytes(), pieces.idle_due_ms(5)), (0, None));
    }
}
