//! The scrub as decisions: which stretch of which sealed segment is looked at next, when, and whether it is as it was written. Damage
//! that nobody reads is found before the last good copy of it is gone.
//!
//! ```text
//!   resting --first look--> walking: log by log, segment by segment --all seen--> resting
//!                             '-- waits while the shard has something else to do
//! ```
//! A pass starts anywhere: a process that never lives long enough for a whole one would else check the same files for ever.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use batch::{BatchInfo, Offset};

use super::Store;
use crate::ids::{LogId, SegmentName};
use crate::limits::{BATCH_BYTES_MAX, SCRUB_BUSY_MS, SCRUB_READ_BYTES, SCRUB_REST_MS};
use crate::log::{Log, Segment};

/// A stretch of a segment file to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub log: LogId,
    pub segment: SegmentName,
    /// A batch starts here.
    pub position: u64,
    pub end: u64,
}

/// What the shell is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Ask again after so long.
    Wait { ms: u64 },
    /// Read this, then `on_bytes` or `on_unreadable`.
    Read(Stretch),
}

/// A sealed segment that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub log: LogId,
    pub segment: SegmentName,
    /// Where in the file, in bytes.
    pub position: u64,
    pub what: String,
}

/// Where the walk is: everything before has been looked at in this pass.
#[derive(Debug, Clone, Copy)]
struct Place {
    log: LogId,
    segment: SegmentName,
    position: u64,
    expected: Offset,
    /// The next batch is at least so large.
    bytes_min: u64,
}

/// One shard's walk over its sealed segments.
#[derive(Debug)]
pub struct Scrub {
    bytes_per_s: u64,
    /// The pass begins, and ends, with the first log from here on.
    first: LogId,
    place: Option<Place>,
    /// The walk has come to the last log and goes on with the first.
    wrapped: bool,
    /// Neither a look nor a wait before this.
    due_ms: u64,
    told: BTreeSet<(LogId, SegmentName)>,
    bytes: u64,
    passes: u64,
}

impl Scrub {
    /// Looks at so many bytes a second. Topic ids are random, so a random number decides well where to begin.
    pub fn new(bytes_per_s: u64, random: u32) -> Self {
        assert!(bytes_per_s > 0);
        Self {
            bytes_per_s,
            first: LogId { topic: u128::from(random) << 96, partition: 0 },
            place: None,
            wrapped: false,
            due_ms: 0,
            told: BTreeSet::new(),
            bytes: 0,
            passes: 0,
        }
    }

    /// Bytes looked at, and passes over everything.
    pub fn counts(&self) -> (u64, u64) {
        (self.bytes, self.passes)
    }

    /// The shard has work, or had within the last moments: the scrub gives way.
    pub fn on_busy(&mut self, now_ms: u64) {
        self.due_ms = self.due_ms.max(now_ms + SCRUB_BUSY_MS);
    }

    /// What to do now.
    pub fn next(&mut self, store: &Store, now_ms: u64) -> Look {
        if now_ms < self.due_ms {
            return Look::Wait { ms: self.due_ms - now_ms };
        }
        match self.place.and_then(|place| self.rest_of(store, place)).or_else(|| self.next_segment(store)) {
            Some(stretch) => Look::Read(stretch),
            None => {
                self.place = None;
                self.wrapped = false;
                self.passes += 1;
                self.due_ms = now_ms + SCRUB_REST_MS;
                Look::Wait { ms: SCRUB_REST_MS }
            }
        }
    }

    /// What is left of the segment that the walk is in, if it is still there.
    fn rest_of(&self, store: &Store, place: Place) -> Option<Stretch> {
        let bytes = sealed(store.log(place.log)?).find(|segment| segment.name() == place.segment)?.bytes;
        let end = bytes.min(place.position + SCRUB_READ_BYTES.max(place.bytes_min));
        (place.position < bytes).then_some(Stretch {
            log: place.log,
            segment: place.segment,
            position: place.position,
            end,
        })
    }

    /// The first segment that comes after those that the walk has been through.
    fn next_segment(&mut self, store: &Store) -> Option<Stretch> {
        let (from, after) = match self.place {
            Some(place) => (place.log, Some(place.segment)),
            None => (self.first, None),
        };
        let follows =
            |log: LogId, segment: &Segment| log > from || after.is_none_or(|name| segment.base_offset > name.base);
        let found = store.sealed_from(from).find(|(log, segment)| follows(*log, segment));
        let begun_again = || store.sealed_from(LogId { topic: 0, partition: 0 }).next();
        let (log, segment) = match found {
            Some(found) => found,
            None if self.wrapped => return None,
            None => {
                self.wrapped = true;
                begun_again()?
            }
        };
        if self.wrapped && log >= self.first {
            return None;
        }
        let place = Place { log, segment: segment.name(), position: 0, expected: segment.base_offset, bytes_min: 0 };
        self.place = Some(place);
        self.rest_of(store, place)
    }

    /// Takes the bytes of a stretch, as many as there are. Says what is wrong, once for each segment.
    pub fn on_bytes(&mut self, store: &Store, stretch: Stretch, bytes: &[u8], now_ms: u64) -> Option<Damage> {
        self.pay(stretch.end - stretch.position, now_ms);
        let place = self.place.filter(|place| place.segment == stretch.segment && place.log == stretch.log)?;
        // What went meanwhile, or was written anew by compaction, is passed over.
        let log = store.log(stretch.log)?;
        let segment = sealed(log).find(|segment| segment.name() == stretch.segment)?;
        match walk(log, segment, place, bytes, stretch.end) {
            Ok(place) => {
                self.place = Some(place);
                if place.position == segment.bytes {
                    self.told.remove(&(stretch.log, stretch.segment));
                }
                None
            }
            Err((position, what)) => self.damaged(segment.bytes, stretch, position, what),
        }
    }

    /// The stretch cannot be read at all.
    pub fn on_unreadable(&mut self, store: &Store, stretch: Stretch, error: String, now_ms: u64) -> Option<Damage> {
        self.pay(stretch.end - stretch.position, now_ms);
        // A file that is gone together with its segment is no damage.
        let segment = sealed(store.log(stretch.log)?).find(|segment| segment.name() == stretch.segment)?;
        self.damaged(segment.bytes, stretch, stretch.position, error)
    }

    fn pay(&mut self, bytes: u64, now_ms: u64) {
        self.bytes += bytes;
        self.due_ms = self.due_ms.max(now_ms + bytes * 1_000 / self.bytes_per_s);
    }

    /// The walk goes on behind the segment.
    fn damaged(&mut self, segment_bytes: u64, stretch: Stretch, position: u64, what: String) -> Option<Damage> {
        if let Some(place) = &mut self.place {
            place.position = segment_bytes;
        }
        let (log, segment) = (stretch.log, stretch.segment);
        self.told.insert((log, segment)).then_some(Damage { log, segment, position, what })
    }
}

/// The segments that do not change any more, without those before the log's start.
fn sealed(log: &Log) -> impl Iterator<Item = &Segment> {
    let start = log.start_offset();
    log.segments().iter().filter(move |segment| segment.is_closed() && segment.next_offset > start)
}

/// Looks at every batch that `bytes` hold whole. `end` is where they should end in the file.
fn walk(log: &Log, segment: &Segment, mut place: Place, bytes: &[u8], end: u64) -> Result<Place, (u64, String)> {
    let mut at = 0;
    if (bytes.len() as u64) < end - place.position {
        return Err((place.position + bytes.len() as u64, format!("the file ends here, not at {}", segment.bytes)));
    }
    place.bytes_min = 0;
    while let Some(info) = BatchInfo::peek(&bytes[at..]).map_err(|error| (place.position, error.to_string()))? {
        if info.length > BATCH_BYTES_MAX {
            return Err((place.position, format!("no batch has {} bytes", info.length)));
        }
        let Some(batch) = bytes[at..].get(..info.length) else {
            place.bytes_min = info.length as u64;
            break;
        };
        check_batch(log, segment, place.expected, &info, batch).map_err(|what| (place.position, what))?;
        at += info.length;
        place.position += info.length as u64;
        place.expected = Offset(info.base_offset.0 + i64::from(info.last_offset_delta) + 1);
    }
    let left = segment.bytes - place.position;
    if end == segment.bytes && left > 0 {
        return Err((place.position, format!("the last {left} bytes are no batch")));
    }
    if left == 0 && segment.revision == 0 && place.expected != segment.next_offset {
        return Err((end, format!("it ends at offset {}, not at {}", place.expected, segment.next_offset)));
    }
    Ok(place)
}

/// Together with the CRC this leaves no byte out: base offset and leader epoch lie outside it, and are known to the log.
fn check_batch(log: &Log, segment: &Segment, expected: Offset, info: &BatchInfo, batch: &[u8]) -> Result<(), String> {
    let base = info.base_offset;
    batch::verify_crc(batch).map_err(|error| format!("the batch at offset {expected}: {error}"))?;
    // Compaction leaves gaps, and only it does.
    let follows = if segment.revision == 0 { base == expected } else { expected <= base && base < segment.next_offset };
    if !follows {
        return Err(format!("offset {base} stands where {expected} is next"));
    }
    let epochs = log.leader_epochs();
    match epochs.iter().rev().find(|(_, first)| *first <= base) {
        Some((epoch, _)) if *epoch != info.leader_epoch => {
            Err(format!("the batch at offset {base} has leader epoch {}, not {epoch}", info.leader_epoch))
        }
        _ => Ok(()),
    }
}

impl Store {
    /// The sealed segments of the logs from one on.
    fn sealed_from(&self, from: LogId) -> impl Iterator<Item = (LogId, &Segment)> {
        self.logs.range(from..).flat_map(|(id, slot)| sealed(&slot.log).map(|segment| (*id, segment)))
    }
}

#[cfg(test)]
mod tests {
    use batch::{BatchBuilder, Compression, LeaderEpoch};

    use super::*;
    use std::sync::Arc;

    use crate::checkpoint::{Checkpoint, LogCheckpoint, SegmentCheckpoint};
    use crate::ids::{GroupSeq, JournalFileId};
    use crate::journal::{ChainEnd, FilesConfig, JournalFiles};
    use crate::memory::BufPool;
    use crate::store::StoreLimits;

    /// Three batches, which is all of each segment.
    const BATCHES: i64 = 3;
    const MIB: u64 = 1 << 20;

    fn content(base: i64) -> Vec<u8> {
        let batches = (base..base + BATCHES).map(|offset| {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.append(offset, None, Some(&[7; 100]), &[]);
            let mut bytes = builder.build();
            batch::stamp(&mut bytes, Offset(offset), LeaderEpoch(2));
            bytes
        });
        batches.flatten().collect()
    }

    fn segment(base: i64, sealed: bool) -> SegmentCheckpoint {
        SegmentCheckpoint {
            base_offset: Offset(base),
            revision: 0,
            next_offset: Offset(if sealed { base + BATCHES } else { base }),
            bytes: if sealed { content(base).len() as u64 } else { 0 },
            max_timestamp: -1,
            max_timestamp_offset: Offset(base),
            sealed,
            first_timestamp: -1,
        }
    }

    /// Logs of two sealed segments and an active one.
    fn store(topics: &[u128]) -> Store {
        let logs = topics.iter().map(|topic| LogCheckpoint {
            log: LogId { topic: topic << 96, partition: 0 },
            log_start_offset: Offset(0),
            segments: vec![segment(0, true), segment(BATCHES, true), segment(2 * BATCHES, false)],
            next_offset: Offset(2 * BATCHES),
            flushed_position: 0,
            active_index: Vec::new(),
            tail_block: Vec::new(),
            leader_epochs: vec![(LeaderEpoch(2), Offset(0))],
            cleaned_until: Offset(0),
            producers: Vec::new(),
        });
        let saved = Checkpoint {
            shard: 0,
            seq: 1,
            replay_from: GroupSeq(1),
            last_group: GroupSeq::NONE,
            last_group_checksum: 0,
            durable_seq: GroupSeq(0),
            last_file: JournalFileId(0),
            logs: logs.map(Arc::new).collect(),
        };
        let config = FilesConfig { file_bytes: 1 << 20, bytes_max: 4 << 20, salt: 1 };
        let files = JournalFiles::new(config, &[], JournalFileId(0));
        Store::new(StoreLimits::new(1 << 20, 1 << 20), BufPool::new(0), 0, files, ChainEnd::EMPTY, Some(saved))
    }

    fn read(stretch: Stretch) -> Vec<u8> {
        content(stretch.segment.base.0)[stretch.position as usize..stretch.end as usize].to_vec()
    }

    /// A whole pass from `now_ms` on: what was looked at, what was damaged, and when it was over.
    fn pass(
        scrub: &mut Scrub,
        store: &Store,
        mut now_ms: u64,
        read: impl Fn(Stretch) -> Vec<u8>,
    ) -> (Vec<(u128, i64)>, Vec<Damage>, u64) {
        let (mut seen, mut damaged) = (Vec::new(), Vec::new());
        loop {
            match scrub.next(store, now_ms) {
                Look::Wait { ms } if ms == SCRUB_REST_MS => return (seen, damaged, now_ms),
                Look::Wait { ms } => now_ms += ms,
                Look::Read(stretch) => {
                    seen.push((stretch.log.topic >> 96, stretch.segment.base.0));
                    damaged.extend(scrub.on_bytes(store, stretch, &read(stretch), now_ms));
                }
            }
        }
    }

    #[test]
    fn a_pass_begins_anywhere_and_sees_every_sealed_segment_once() {
        let store = store(&[1, 5, 9]);
        for random in [0, 1, 4, 5, 6, 9, 10, u32::MAX] {
            let mut scrub = Scrub::new(MIB, random);
            let (mut seen, damaged, now_ms) = pass(&mut scrub, &store, 0, read);
            let first = [1, 5, 9].into_iter().find(|topic| *topic >= u128::from(random)).unwrap_or(1);
            assert_eq!(seen[0], (first, 0));
            seen.sort_unstable();
            assert_eq!(seen, [(1, 0), (1, 3), (5, 0), (5, 3), (9, 0), (9, 3)]);
            assert_eq!((damaged, scrub.counts().1), (Vec::new(), 1));
            assert_eq!(scrub.next(&store, now_ms + 1), Look::Wait { ms: SCRUB_REST_MS - 1 });
            assert_eq!(pass(&mut scrub, &store, now_ms + SCRUB_REST_MS, read).0.len(), 6, "and all over again");
        }
    }

    #[test]
    fn it_is_as_fast_as_it_may_and_gives_way() {
        let store = store(&[1, 5]);
        let all = 4 * content(0).len() as u64;
        let mut scrub = Scrub::new(100, 0);
        let (_, _, took_ms) = pass(&mut scrub, &store, 0, read);
        assert!((all * 10 - 40..=all * 10).contains(&took_ms), "{all} bytes at 100 bytes/s took {took_ms} ms");
        assert_eq!(scrub.counts().0, all);

        let mut scrub = Scrub::new(MIB, 0);
        assert!(matches!(scrub.next(&store, 7), Look::Read(_)));
        scrub.on_busy(10);
        assert_eq!(scrub.next(&store, 11), Look::Wait { ms: SCRUB_BUSY_MS - 1 });
        assert!(matches!(scrub.next(&store, 10 + SCRUB_BUSY_MS), Look::Read(_)));
    }

    #[test]
    fn every_flipped_bit_is_told_once_and_the_walk_goes_on() {
        let store = store(&[1, 5]);
        let bytes = content(3).len();
        for bit in (0..bytes * 8).step_by(7) {
            let mut scrub = Scrub::new(MIB, 0);
            let damage = |stretch: Stretch| {
                let mut bytes = read(stretch);
                if stretch.log.topic >> 96 == 1 && stretch.segment.base == Offset(3) {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                bytes
            };
            let (seen, damaged, now_ms) = pass(&mut scrub, &store, 0, damage);
            assert_eq!(seen.len(), 4);
            assert_eq!(damaged.len(), 1, "bit {bit}: {damaged:?}");
            let batch_bytes = bytes / BATCHES as usize;
            let hit = (bit / 8 / batch_bytes * batch_bytes) as u64;
            assert_eq!((damaged[0].segment.base, damaged[0].position), (Offset(3), hit), "bit {bit}");
            assert_eq!(pass(&mut scrub, &store, now_ms + SCRUB_REST_MS, damage).1, [], "told already");
            assert_eq!(pass(&mut scrub, &store, now_ms + 3 * SCRUB_REST_MS, read).1, [], "repaired");
            assert_eq!(pass(&mut scrub, &store, now_ms + 5 * SCRUB_REST_MS, damage).1.len(), 1, "damaged again");
        }
    }

    #[test]
    fn a_file_that_is_too_short_or_cannot_be_read_is_damaged_unless_its_log_is_gone() {
        let store = store(&[1]);
        let mut scrub = Scrub::new(MIB, 0);
        let (_, damaged, _) = pass(&mut scrub, &store, 0, |stretch| read(stretch)[..200].to_vec());
        assert_eq!(damaged.iter().map(|damage| damage.position).collect::<Vec<_>>(), [200, 200]);
        let mut scrub = Scrub::new(MIB, 0);
        let Look::Read(stretch) = scrub.next(&store, 0) else { panic!("there is something to read") };
        assert!(scrub.on_unreadable(&store, stretch, "no such file".to_owned(), 0).is_some());
        let gone = self::store(&[2]);
        assert_eq!(scrub.on_unreadable(&gone, stretch, "no such file".to_owned(), 0), None);
        assert_eq!(scrub.on_bytes(&gone, stretch, &[], 0), None);
    }
}
