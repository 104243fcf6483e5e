//! Every byte through the journal: groups of what has gathered, durable one after the other, and the segments later.

use std::collections::VecDeque;
use std::io;

use super::files::{Files, JOURNAL_BYTES};
use super::queue::Queue;
use super::{Batch, Tally};

// As in the engine (`limits.rs` there).
const GROUP_BYTES: u64 = 1 << 20;
const GROUPS_IN_FLIGHT_MAX: usize = 2;
const GROUP_OVERLAP_BYTES_MIN: u64 = 128 << 10;
const SEGMENT_WRITE_BYTES_MIN: u64 = 256 << 10;
const SEGMENT_WRITE_BYTES_MAX: u64 = 1 << 20;
const SEGMENT_WRITES_IN_FLIGHT_MAX: usize = 2;
const UNWRITTEN_BYTES_MAX: u64 = 256 << 20;
/// A checkpoint, which syncs the segments, is taken after so many bytes.
const CHECKPOINT_BYTES: u64 = 128 << 20;
/// A group's own header and its padding.
const GROUP_HEADER_BYTES: u64 = 4096;

// Tags: groups count from 0; the others are marked.
const SEGMENT: u64 = 1 << 30;
const SYNC: u64 = 1 << 31;

struct Segment {
    position: u64,
    unwritten_bytes: u64,
    under_way_bytes: u64,
    is_dirty: bool,
}

struct Journal<'a> {
    files: &'a Files,
    queue: Queue,
    waiting: VecDeque<Batch>,
    batch_bytes: u64,
    position: u64,
    /// In the order in which they were started; acknowledged in the same order.
    groups: VecDeque<(u64, Vec<Batch>, bool)>,
    next_group: u64,
    segments: Vec<Segment>,
    segment_writes: usize,
    unwritten_bytes: u64,
    since_checkpoint_bytes: u64,
    /// Segments that the checkpoint under way has still to sync, one after the other.
    to_sync: Vec<usize>,
}

pub fn run(files: &Files, tally: &mut Tally) -> io::Result<()> {
    let segment = |_| Segment { position: 0, unwritten_bytes: 0, under_way_bytes: 0, is_dirty: false };
    let mut journal = Journal {
        files,
        queue: Queue::new()?,
        waiting: Tally::first_batches(tally.load).collect(),
        batch_bytes: tally.load.batch_bytes,
        position: 0,
        groups: VecDeque::new(),
        next_group: 0,
        segments: (0..tally.load.partitions).map(segment).collect(),
        segment_writes: 0,
        unwritten_bytes: 0,
        since_checkpoint_bytes: 0,
        to_sync: Vec::new(),
    };
    loop {
        journal.start_groups();
        journal.start_segment_writes();
        if journal.queue.is_idle() {
            return Ok(());
        }
        for tag in journal.queue.done()? {
            match tag {
                tag if tag & SYNC != 0 => journal.sync_next(),
                tag if tag & SEGMENT != 0 => journal.on_segment_written((tag & !SEGMENT) as usize),
                group => journal.on_group_durable(group, tally),
            }
        }
    }
}

impl Journal<'_> {
    fn start_groups(&mut self) {
        while self.groups.len() < GROUPS_IN_FLIGHT_MAX && self.unwritten_bytes < UNWRITTEN_BYTES_MAX {
            let waiting_bytes = self.waiting.len() as u64 * self.batch_bytes;
            if waiting_bytes == 0 || (!self.groups.is_empty() && waiting_bytes < GROUP_OVERLAP_BYTES_MIN) {
                return;
            }
            let count = (GROUP_BYTES / self.batch_bytes).clamp(1, self.waiting.len() as u64) as usize;
            let batches: Vec<Batch> = self.waiting.drain(..count).collect();
            let bytes = (count as u64 * self.batch_bytes).next_multiple_of(4096) + GROUP_HEADER_BYTES;
            if self.position + bytes > JOURNAL_BYTES {
                self.position = 0;
            }
            self.queue.write_durably(&self.files.journal.file, self.position, bytes, self.next_group);
            self.position += bytes;
            self.groups.push_back((self.next_group, batches, false));
            self.next_group += 1;
        }
    }

    fn on_group_durable(&mut self, group: u64, tally: &mut Tally) {
        let found = self.groups.iter_mut().find(|(number, ..)| *number == group).expect("it was started");
        found.2 = true;
        while let Some((_, batches, _)) = self.groups.pop_front_if(|(.., is_durable)| *is_durable) {
            for batch in batches {
                self.segments[batch.partition].unwritten_bytes += self.batch_bytes;
                self.unwritten_bytes += self.batch_bytes;
                self.since_checkpoint_bytes += self.batch_bytes;
                self.waiting.extend(tally.acknowledge(batch));
            }
        }
    }

    fn start_segment_writes(&mut self) {
        for (index, segment) in self.segments.iter_mut().enumerate() {
            let ready = segment.unwritten_bytes;
            if self.segment_writes == SEGMENT_WRITES_IN_FLIGHT_MAX {
                return;
            }
            if segment.under_way_bytes > 0 || ready < SEGMENT_WRITE_BYTES_MIN {
                continue;
            }
            let bytes = ready.min(SEGMENT_WRITE_BYTES_MAX);
            if segment.position + bytes > self.files.segment_bytes {
                segment.position = 0;
            }
            self.queue.write(&self.files.segments[index].file, segment.position, bytes, SEGMENT | index as u64);
            segment.position += bytes;
            segment.under_way_bytes = bytes;
            self.segment_writes += 1;
        }
    }

    fn on_segment_written(&mut self, index: usize) {
        let segment = &mut self.segments[index];
        let bytes = std::mem::take(&mut segment.under_way_bytes);
        segment.unwritten_bytes -= bytes;
        segment.is_dirty = true;
        self.unwritten_bytes -= bytes;
        self.segment_writes -= 1;
        if self.since_checkpoint_bytes >= CHECKPOINT_BYTES && self.to_sync.is_empty() {
            self.since_checkpoint_bytes = 0;
            let dirty = self.segments.iter_mut().enumerate();
            self.to_sync =
                dirty.filter_map(|(index, segment)| std::mem::take(&mut segment.is_dirty).then_some(index)).collect();
            self.sync_next();
        }
    }

    fn sync_next(&mut self) {
        if let Some(index) = self.to_sync.pop() {
            self.queue.sync(&self.files.segments[index].file, SYNC);
        }
    }
}
