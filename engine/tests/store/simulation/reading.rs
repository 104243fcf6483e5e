//! Readers, each of which may take its next step long after the one before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use engine::limits::PIECES_IN_FLIGHT_MAX;
use engine::log::{ReadPlan, ReadRequest, SegmentWalk, SparseIndex};
use engine::memory::{AlignedBuf, Chunk, Joined, Span};
use engine::store::{ColdRead, IndexError, PieceRead, ReadError, Sought, Store, Wanted};
use engine::{LogId, LogView, Offset, SegmentName, segment_index};

use super::{STEPS_MAX, Simulation};
use crate::disk::Name;
use crate::model::{Fate, keyed};
use crate::shell::Planted;

/// Reads under way at once.
const READS_MAX: usize = 4;
/// Places from which somebody reads on, one answer after the other.
const CONSUMERS_MAX: usize = 3;

/// One read under way.
pub(super) struct Reading {
    read: ColdRead,
    request: ReadRequest,
    /// What of the segment it has looked at.
    looked_at: Option<Range<u64>>,
}

impl Reading {
    fn new(read: ColdRead, request: ReadRequest) -> Reading {
        Reading { read, request, looked_at: None }
    }

    fn looks_at(&mut self, range: &Range<u64>) {
        let before = self.looked_at.clone().unwrap_or(range.clone());
        self.looked_at = Some(before.start.min(range.start)..before.end.max(range.end));
    }

    /// Begins anew in another segment.
    fn replan(&mut self, store: &Store) -> Result<Option<Vec<Span>>, ReadError> {
        self.looked_at = None;
        self.read.replan(store)
    }
}

impl Simulation {
    pub(super) fn read(&mut self) {
        // Consumers come back for more, and some of them are at the same place.
        if !self.consumers.is_empty() && self.random.one_in(2) {
            let (id, from) = self.consumers[self.random.below(self.consumers.len())];
            let Some(view) = self.store.view(id).filter(|view| (view.start..=view.end).contains(&from)) else { return };
            let bytes_max = [500, 5000, 40_000][self.random.below(3)];
            let request = ReadRequest { from, until: view.committed_end, bytes_max, at_least_one: true };
            return self.plan_read(id, request);
        }
        let Some(id) = self.any_log() else { return };
        let view = self.store.view(id).expect("alive");
        let log = &self.model.logs[&id];
        let until = match self.random.below(4) {
            0 => view.end,
            1 => log.any_offset(&mut self.random),
            _ => view.committed_end,
        };
        let bytes_max = [0, 1, 60, 61, 500, 5000, 40_000, 1 << 20][self.random.below(8)];
        let request = ReadRequest {
            from: log.any_offset(&mut self.random),
            until,
            bytes_max,
            at_least_one: self.random.one_in(2),
        };
        self.plan_read(id, request);
    }

    fn plan_read(&mut self, id: LogId, request: ReadRequest) {
        match self.store.plan_read(id, request).expect("alive") {
            ReadPlan::OutOfRange => {
                let view = self.store.view(id).expect("alive");
                assert!(request.from < view.start, "log {id}: {request:?} is within {view:?}");
            }
            _ if request.from < self.store.view(id).expect("alive").start => {
                panic!("log {id}: {request:?} is too early")
            }
            ReadPlan::Empty => self.on_read(id, &request, &[]),
            ReadPlan::Memory(memory) => {
                let bytes: Vec<u8> = memory.spans.iter().flat_map(|span| span.to_vec()).collect();
                self.on_read(id, &request, &bytes);
                self.counts.reads_from_memory += 1;
            }
            ReadPlan::Disk(plan) if self.reading.len() < READS_MAX => {
                self.reading.push(Reading::new(ColdRead::new(id, plan), request));
            }
            ReadPlan::Index(read) if self.reading.len() < READS_MAX => {
                self.reading.push(Reading::new(ColdRead::indexed(id, read), request));
            }
            ReadPlan::Disk(_) | ReadPlan::Index(_) => {}
        }
    }

    /// One step of some read that is under way, or of a piece.
    pub(super) fn read_on(&mut self) {
        if self.pieces_resting > 0 && (self.pieces.is_empty() || self.random.one_in(2)) {
            self.pieces_resting -= 1;
            self.store.on_piece_rested();
            return self.poll();
        }
        if !self.pieces.is_empty() && (self.reading.is_empty() || self.random.one_in(2)) {
            return self.read_piece();
        }
        let index = self.random.below(self.reading.len());
        let mut reading = self.reading.swap_remove(index);
        let id = reading.read.log();
        self.counts.reads_replanned += u64::from(reading.read.is_replaced(&self.store));
        let alive = self.model.logs[&id].fate == Fate::Alive;
        let wanted = match reading.read.wanted() {
            Wanted::Bytes(range) => range,
            Wanted::Index => {
                let done = self.read_index(&mut reading);
                return self.on_answer(reading, done);
            }
        };
        reading.looks_at(&wanted);
        match self.store.seek(&mut reading.read, self.now_ms) {
            Sought::Here(bytes) => {
                self.counts.reads_from_pieces += 1;
                let done = self.on_bytes(&mut reading, &bytes);
                return self.on_answer(reading, done);
            }
            Sought::Coming => {
                self.reading.push(reading);
                return self.poll();
            }
            Sought::Alone => {}
        }
        let file = self.shell.disk.read(Name::Segment(id, reading.read.segment()));
        let bytes = file.and_then(|file| file.get(wanted.start as usize..file.len().min(wanted.end as usize)));
        if self.world.fails && alive && self.random.one_in(30) {
            // The device gives nothing back: that reader is told, nothing else happens, and it may ask again.
            self.counts.reads_failed += 1;
            return self.plan_read(id, reading.request);
        }
        let Some(bytes) = bytes else {
            if reading.read.is_replaced(&self.store) && alive {
                let answer = reading.replan(&self.store);
                return self.on_answer(reading, answer);
            }
            let error = reading.read.check(&self.store);
            assert!(!alive || error == Err(ReadError::OutOfRange), "log {id}: its file does not reach to {wanted:?}");
            return;
        };
        let bytes = Joined::from(span(bytes));
        let done = self.on_bytes(&mut reading, &bytes);
        self.counts.reads_from_both += u64::from(matches!(&done, Ok(Some(spans)) if spans.len() > 1));
        self.on_answer(reading, done);
    }

    fn on_bytes(&self, reading: &mut Reading, bytes: &Joined) -> Result<Option<Vec<Span>>, ReadError> {
        let segment = reading.read.segment();
        let answer = reading.read.on_bytes(&self.store, bytes);
        if reading.read.segment() != segment {
            reading.looked_at = None;
        }
        match self.shell.planted {
            Planted::ServeLies if matches!(answer, Err(ReadError::Corrupt)) => Ok(bytes.slice(0..bytes.len())),
            Planted::RefuseEveryRead if !self.shell.disk.told.is_empty() => Err(ReadError::Corrupt),
            _ => answer,
        }
    }

    /// Some piece has been read, or could not be.
    fn read_piece(&mut self) {
        let piece = self.pieces.swap_remove(self.random.below(self.pieces.len()));
        let mixed_up = self.pieces.first().filter(|_| self.shell.planted == Planted::MixUpPieces);
        let bytes =
            if self.world.fails && self.random.one_in(10) { None } else { self.bytes_of(mixed_up.unwrap_or(&piece)) };
        let bytes_max = (piece.end - piece.key.position) as usize;
        let bytes = bytes.map(|bytes| span(&bytes[..bytes.len().min(bytes_max)]));
        *if bytes.is_some() { &mut self.counts.pieces_read } else { &mut self.counts.pieces_failed } += 1;
        let rest_us = self.store.on_piece_read(&piece, bytes, 100, self.now_ms);
        self.pieces_resting += usize::from(rest_us > 0);
        if rest_us == 0 {
            self.store.on_piece_rested();
        }
        self.poll();
    }

    /// What the file has of a piece. It may have gone.
    fn bytes_of(&self, piece: &PieceRead) -> Option<&[u8]> {
        let file = self.shell.disk.read(Name::Segment(piece.key.log, piece.key.segment))?;
        Some(file.get(piece.key.position as usize..file.len().min(piece.end as usize)).unwrap_or_default())
    }

    /// The index of a sealed segment, from its file: a checkpoint that names the segment has waited for it.
    fn read_index(&mut self, reading: &mut Reading) -> Result<Option<Vec<Span>>, ReadError> {
        let (id, segment) = (reading.read.log(), reading.read.segment());
        let mut bytes = self.shell.disk.read(Name::Index(id, segment)).unwrap_or_default().to_vec();
        if self.shell.planted == Planted::TrustIndexChecksums && bytes.len() > 4 {
            let crc = batch::crc32c(&bytes[4..]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
        }
        match self.store.on_index_read(id, segment, &bytes) {
            Ok(index) => {
                self.counts.indexes_read += 1;
                reading.read.on_index(&self.store, &index)
            }
            Err(IndexError::Gone(_)) if reading.read.is_replaced(&self.store) => {
                reading.read.check(&self.store)?;
                reading.replan(&self.store)
            }
            Err(IndexError::Gone(error)) => Err(error),
            Err(IndexError::Damaged(error)) => {
                let name = Name::Index(id, segment);
                let is_rotten = self.rotten.remove(&name) || !self.shell.disk.damaged(name).is_empty();
                assert!(is_rotten, "log {id}: the index of {segment}: {error}");
                let index = self.rebuild_index(id, segment);
                reading.read.on_index(&self.store, &index)
            }
        }
    }

    /// Walks the segment in pieces of any size, and writes its index anew.
    fn rebuild_index(&mut self, id: LogId, segment: SegmentName) -> Rc<SparseIndex> {
        let file = self.shell.disk.read(Name::Segment(id, segment)).expect("its checkpoint names it");
        let mut walk = SegmentWalk::new(segment);
        let piece = 1 + self.random.below(20_000);
        let fault = file.chunks(piece).find_map(|piece| walk.on_bytes(piece).err());
        let (index, rebuilt) = self.store.on_walked(id, segment, &mut walk, fault);
        let name = Name::Index(id, segment);
        let rebuilt = match rebuilt {
            Ok(rebuilt) => rebuilt,
            Err(error) => {
                assert!(self.is_hit(id, segment, &(0..u64::MAX)), "log {id}: {segment}: {error}");
                self.on_damaged(id, segment);
                self.rotten.insert(name);
                return index;
            }
        };
        let bytes = segment_index::encode(&rebuilt);
        self.shell.disk.create(name);
        self.shell.disk.write(name, 0, &bytes);
        self.shell.disk.sync(name);
        self.shell.disk.sync_dir(name.dir());
        self.counts.indexes_rebuilt += 1;
        index
    }

    fn on_answer(&mut self, reading: Reading, answer: Result<Option<Vec<Span>>, ReadError>) {
        let id = reading.read.log();
        let alive = self.model.logs[&id].fate == Fate::Alive;
        match answer {
            Ok(None) => self.reading.push(reading),
            Ok(Some(spans)) => {
                let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
                let (segment, from) = (reading.read.segment(), reading.request.from);
                let passes =
                    self.is_taken_in(id, segment, &bytes) || (bytes.is_empty() && self.is_held_up(id, segment, from));
                if !passes {
                    self.on_read(id, &reading.request, &bytes);
                }
                self.counts.reads_from_files += 1;
                self.store.on_answered(&reading.read);
            }
            Err(ReadError::OutOfRange) => {
                let start = self.store.view(id).expect("alive").start;
                assert!(reading.request.from < start, "log {id}: {:?} is not before {start}", reading.request);
                self.counts.reads_cut_off += 1;
            }
            Err(ReadError::Corrupt) => {
                let (segment, looked_at) = (reading.read.segment(), reading.looked_at.unwrap_or_default());
                assert!(
                    self.is_hit(id, segment, &looked_at),
                    "log {id}: {:?}: {segment} was not hit at {looked_at:?}",
                    reading.request
                );
                self.on_damaged(id, segment);
                self.was_refused = true;
                self.counts.lies_told += 1;
            }
            Err(error) => assert!(!alive && error == ReadError::UnknownLog, "log {id}: {:?}: {error}", reading.request),
        }
    }

    fn on_read(&mut self, id: LogId, request: &ReadRequest, bytes: &[u8]) {
        self.model.check_read(id, request, bytes);
        if let Some(last) = batch::Batches::new(bytes).last() {
            let consumer = (id, last.expect("checked").info.next_offset());
            self.consumers.insert(0, consumer);
            self.consumers.truncate(CONSUMERS_MAX);
        }
        if let Some(seen) = &mut self.seen {
            let views = batch::Batches::new(bytes).map(|view| view.expect("checked"));
            seen.extend(views.flat_map(|view| keyed(&view)).map(|record| (record.offset, record)));
        }
    }

    /// Of the memory and of the reads for pieces no more is taken than is allowed.
    pub(super) fn check_pieces(&self) {
        let (bytes, in_flight) = self.store.pieces();
        assert!(bytes <= self.world.limits.read_memory_bytes_max, "{bytes} bytes of pieces");
        assert!(in_flight <= PIECES_IN_FLIGHT_MAX, "{in_flight} pieces under way");
        assert_eq!(in_flight, self.pieces.len() + self.pieces_resting, "pieces under way");
    }

    pub(super) fn read_everything(&mut self) {
        while !self.reading.is_empty() {
            self.read_on();
        }
        for id in self.model.alive() {
            let LogView { start, end, .. } = self.store.view(id).expect("alive");
            let mut steps = 0;
            self.seen = Some(BTreeMap::new());
            self.was_refused = false;
            for from in start.0.saturating_sub(1).max(0)..end.0 {
                let bytes_max = if self.random.one_in(2) { 1 } else { 100_000 };
                self.plan_read(id, ReadRequest { from: Offset(from), until: end, bytes_max, at_least_one: true });
                while !self.reading.is_empty() {
                    self.read_on();
                    steps += 1;
                    assert!(steps < STEPS_MAX, "log {id}: a read at {from} does not end");
                }
            }
            let seen = self.seen.take().expect("collected above");
            if !std::mem::take(&mut self.was_refused) && !self.taken_in.contains(&id) {
                self.model.logs[&id].check_state(id, &seen);
            }
        }
    }
}

fn span(bytes: &[u8]) -> Span {
    let mut buf = AlignedBuf::zeroed(bytes.len());
    buf.copy_from_slice(bytes);
    Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it")
}
