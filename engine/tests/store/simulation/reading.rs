//! Readers, each of which may take its next step long after the one before.

use std::collections::BTreeMap;

use engine::log::{ReadPlan, ReadRequest};
use engine::memory::{AlignedBuf, Chunk, Span};
use engine::store::{ColdRead, ReadError};
use engine::{LogId, LogView, Offset};

use super::{STEPS_MAX, Simulation};
use crate::disk::Name;
use crate::model::{Fate, keyed};

/// Reads under way at once.
const READS_MAX: usize = 4;

/// One read under way.
pub(super) struct Reading {
    read: ColdRead,
    request: ReadRequest,
}

impl Simulation {
    pub(super) fn read(&mut self) {
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
                self.reading.push(Reading { read: ColdRead::new(id, plan), request });
            }
            ReadPlan::Disk(_) => {}
        }
    }

    /// One step of some read that is under way.
    pub(super) fn read_on(&mut self) {
        let index = self.random.below(self.reading.len());
        let mut reading = self.reading.swap_remove(index);
        let id = reading.read.log();
        self.counts.reads_replanned += u64::from(reading.read.is_replaced(&self.store));
        let wanted = reading.read.wanted();
        let file = self.shell.disk.read(Name::Segment(id, reading.read.segment()));
        let bytes = file.and_then(|file| file.get(wanted.start as usize..file.len().min(wanted.end as usize)));
        let alive = self.model.logs[&id].fate == Fate::Alive;
        let Some(bytes) = bytes else {
            if reading.read.is_replaced(&self.store) && alive {
                let answer = reading.read.replan(&self.store);
                return self.on_answer(reading, answer);
            }
            let error = reading.read.check(&self.store);
            assert!(!alive || error == Err(ReadError::OutOfRange), "log {id}: its file does not reach to {wanted:?}");
            return;
        };
        let mut buf = AlignedBuf::zeroed(bytes.len());
        buf.copy_from_slice(bytes);
        let span = Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it");
        let answer = reading.read.on_bytes(&self.store, &span);
        self.on_answer(reading, answer);
    }

    fn on_answer(&mut self, reading: Reading, answer: Result<Option<Vec<Span>>, ReadError>) {
        let id = reading.read.log();
        let alive = self.model.logs[&id].fate == Fate::Alive;
        match answer {
            Ok(None) => self.reading.push(reading),
            Ok(Some(spans)) => {
                let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
                self.on_read(id, &reading.request, &bytes);
                self.counts.reads_from_files += 1;
                self.counts.reads_from_both += u64::from(spans.len() > 1);
            }
            Err(ReadError::OutOfRange) => {
                let start = self.store.view(id).expect("alive").start;
                assert!(reading.request.from < start, "log {id}: {:?} is not before {start}", reading.request);
                self.counts.reads_cut_off += 1;
            }
            Err(error) => assert!(!alive && error == ReadError::UnknownLog, "log {id}: {:?}: {error}", reading.request),
        }
    }

    fn on_read(&mut self, id: LogId, request: &ReadRequest, bytes: &[u8]) {
        self.model.check_read(id, request, bytes);
        if let Some(seen) = &mut self.seen {
            let views = batch::Batches::new(bytes).map(|view| view.expect("checked"));
            seen.extend(views.flat_map(|view| keyed(&view)).map(|record| (record.offset, record)));
        }
    }

    pub(super) fn read_everything(&mut self) {
        while !self.reading.is_empty() {
            self.read_on();
        }
        for id in self.model.alive() {
            let LogView { start, end, .. } = self.store.view(id).expect("alive");
            let mut steps = 0;
            self.seen = Some(BTreeMap::new());
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
            self.model.logs[&id].check_state(id, &seen);
        }
    }
}
