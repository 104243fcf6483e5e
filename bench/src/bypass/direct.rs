//! Batches straight to their segments, and a record of them to the journal; acknowledged when both are durable.

use std::collections::VecDeque;
use std::io;

use super::files::{Files, JOURNAL_BYTES};
use super::queue::Queue;
use super::{Batch, Tally};

const BLOCK: u64 = 4096;
/// What waits for a partition goes in one write, up to this.
const WRITE_BYTES_MAX: u64 = 1 << 20;
/// First and last block of a run of batches, which a torn write would take from acknowledged ones.
const RECORD_BYTES: u64 = 2 * BLOCK;
const RECORDS_IN_FLIGHT_MAX: usize = 2;
const ZERO_BYTES: u64 = 1 << 20;
const ZEROS_IN_FLIGHT_MAX: usize = 2;
/// Zeros for segments to come may be so far behind.
const ZEROS_LACKING_MAX: u64 = 64 << 20;

// Tags: partitions count from 0; the others are marked.
const RECORD: u64 = 1 << 30;
const ZEROS: u64 = 1 << 31;

#[derive(Default)]
struct Segment {
    position: u64,
    waiting: VecDeque<Batch>,
    /// The run that is being written.
    run: Vec<Batch>,
    is_durable: bool,
    is_recorded: bool,
}

struct Direct<'a> {
    files: &'a Files,
    queue: Queue,
    batch_bytes: u64,
    segments: Vec<Segment>,
    /// Partitions whose runs have no record under way yet.
    unrecorded: Vec<usize>,
    records: Vec<(u64, Vec<usize>)>,
    next_record: u64,
    journal_position: u64,
    zeros_lacking: u64,
    zeros_position: u64,
    zeros_in_flight: usize,
}

pub fn run(files: &Files, tally: &mut Tally) -> io::Result<()> {
    let mut segments: Vec<Segment> = (0..tally.load.partitions).map(|_| Segment::default()).collect();
    for batch in Tally::first_batches(tally.load) {
        segments[batch.partition].waiting.push_back(batch);
    }
    let mut direct = Direct {
        files,
        queue: Queue::new()?,
        batch_bytes: tally.load.batch_bytes,
        segments,
        unrecorded: Vec::new(),
        records: Vec::new(),
        next_record: 0,
        journal_position: 0,
        zeros_lacking: 0,
        zeros_position: 0,
        zeros_in_flight: 0,
    };
    loop {
        direct.start_runs();
        direct.start_record();
        direct.start_zeros();
        if direct.queue.is_idle() {
            return Ok(());
        }
        for tag in direct.queue.done()? {
            match tag {
                ZEROS => direct.zeros_in_flight -= 1,
                tag if tag & RECORD != 0 => direct.on_record_durable(tag & !RECORD, tally),
                index => {
                    direct.segments[index as usize].is_durable = true;
                    direct.acknowledge(index as usize, tally);
                }
            }
        }
    }
}

impl Direct<'_> {
    fn start_runs(&mut self) {
        if self.zeros_lacking > ZEROS_LACKING_MAX {
            return;
        }
        for (index, segment) in self.segments.iter_mut().enumerate() {
            if !segment.run.is_empty() || segment.waiting.is_empty() {
                continue;
            }
            let count = (WRITE_BYTES_MAX / self.batch_bytes).clamp(1, segment.waiting.len() as u64) as usize;
            segment.run = segment.waiting.drain(..count).collect();
            // Real batches end anywhere: the first block is written again, the last one is padded.
            let bytes = count as u64 * self.batch_bytes + BLOCK;
            if segment.position + bytes > self.files.segment_bytes {
                segment.position = 0;
            }
            self.queue.write_durably(&self.files.segments[index].file, segment.position, bytes, index as u64);
            segment.position += bytes - BLOCK;
            if self.files.next_segments.is_some() {
                self.zeros_lacking += bytes - BLOCK;
            }
            self.unrecorded.push(index);
        }
    }

    /// One record for all runs that were started since the last.
    fn start_record(&mut self) {
        if self.unrecorded.is_empty() || self.records.len() == RECORDS_IN_FLIGHT_MAX {
            return;
        }
        let runs = std::mem::take(&mut self.unrecorded);
        let bytes = BLOCK + runs.len() as u64 * RECORD_BYTES;
        if self.journal_position + bytes > JOURNAL_BYTES {
            self.journal_position = 0;
        }
        let tag = RECORD | (self.next_record % RECORD);
        self.queue.write_durably(&self.files.journal.file, self.journal_position, bytes, tag);
        self.journal_position += bytes;
        self.records.push((self.next_record % RECORD, runs));
        self.next_record += 1;
    }

    fn on_record_durable(&mut self, record: u64, tally: &mut Tally) {
        let at = self.records.iter().position(|(number, _)| *number == record).expect("it was started");
        for index in self.records.swap_remove(at).1 {
            self.segments[index].is_recorded = true;
            self.acknowledge(index, tally);
        }
    }

    fn acknowledge(&mut self, index: usize, tally: &mut Tally) {
        let segment = &mut self.segments[index];
        if segment.is_durable && segment.is_recorded {
            (segment.is_durable, segment.is_recorded) = (false, false);
            for batch in std::mem::take(&mut segment.run) {
                segment.waiting.extend(tally.acknowledge(batch));
            }
        }
    }

    fn start_zeros(&mut self) {
        let Some(next) = &self.files.next_segments else { return };
        while self.zeros_in_flight < ZEROS_IN_FLIGHT_MAX && self.zeros_lacking >= ZERO_BYTES {
            self.queue.write(&next.file, self.zeros_position, ZERO_BYTES, ZEROS);
            self.zeros_position += ZERO_BYTES;
            self.zeros_lacking -= ZERO_BYTES;
            self.zeros_in_flight += 1;
        }
    }
}
