//! What a log must say to an idempotent producer, by all that it holds.

use batch::{BatchBuilder, BatchInfo, Compression};
use engine::{Appended, LogId};

use super::{Batch, Model, ModelLog};
use crate::random::Random;

/// Batches of a producer that are known again.
const KNOWN: usize = 5;

/// Producers of a log.
const PRODUCERS: usize = 3;

/// Sequences there are before the first one comes again.
const SEQUENCES: i64 = 1 << 31;

/// Who made a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub producer_id: i64,
    pub epoch: i16,
    pub sequence: i32,
    pub records: i32,
}

impl Made {
    pub fn by(info: &BatchInfo) -> Option<Made> {
        let &BatchInfo { producer_id, producer_epoch: epoch, base_sequence: sequence, record_count: records, .. } =
            info;
        info.has_producer().then_some(Made { producer_id, epoch, sequence, records })
    }

    /// The batch as its producer sends it.
    pub fn info(&self) -> BatchInfo {
        let mut builder = BatchBuilder::new(Compression::None).producer(self.producer_id, self.epoch, self.sequence);
        (0..self.records).for_each(|_| builder.append(1, None, None, &[]));
        BatchInfo::peek(&builder.build()).expect("sound").expect("whole")
    }

    fn next_sequence(&self) -> i32 {
        ((i64::from(self.sequence) + i64::from(self.records)) % SEQUENCES) as i32
    }
}

/// What must become of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    Appended,
    /// The log has it at this offset.
    Known(i64),
    Refused,
}

impl ModelLog {
    /// What the producer's newest epoch has in the log, newest first.
    fn made_by(&self, producer_id: i64) -> impl Iterator<Item = (Made, &Batch)> {
        let made = move |batch| Some((Made::by(&info(batch)).filter(|made| made.producer_id == producer_id)?, batch));
        let mut all = self.batches.iter().rev().filter_map(made).peekable();
        let newest = all.peek().map(|(made, _)| made.epoch);
        all.take_while(move |(made, _)| Some(made.epoch) == newest)
    }

    /// Where the newest batch of a producer begins.
    pub fn newest_of(&self, producer_id: i64) -> Option<i64> {
        self.made_by(producer_id).next().map(|(_, batch)| batch.base)
    }

    /// Whether this very batch was appended there.
    pub fn is_made(&self, batch: &Made, base: i64) -> bool {
        self.made_by(batch.producer_id).any(|(made, known)| made == *batch && known.base == base)
    }

    pub fn expected(&self, batch: &Made) -> Expected {
        let Some((last, _)) = self.made_by(batch.producer_id).next() else { return Expected::Appended };
        if batch.epoch != last.epoch {
            let begins = batch.epoch > last.epoch && batch.sequence == 0;
            return if begins { Expected::Appended } else { Expected::Refused };
        }
        let known = self.made_by(batch.producer_id).take(KNOWN).find(|(made, _)| made == batch);
        if let Some((_, known)) = known {
            return Expected::Known(known.base);
        }
        if batch.sequence == last.next_sequence() { Expected::Appended } else { Expected::Refused }
    }

    /// Something that a producer may send: most often the next batch, or one of the last again, now and then what it must not.
    pub fn any_made(&self, random: &mut Random) -> Made {
        let (producer_id, records) = (random.below(PRODUCERS) as i64, 1 + random.below(3) as i32);
        let mut made = self.made_by(producer_id).map(|(made, _)| made).peekable();
        let Some(&last) = made.peek() else {
            let sequence = [0, i32::MAX - 5][random.below(2)];
            return Made { producer_id, epoch: 4, sequence, records };
        };
        let next = Made { sequence: last.next_sequence(), records, ..last };
        match random.below(16) {
            0..8 => next,
            8..13 => made.nth(random.below(KNOWN + 1)).unwrap_or(last),
            13 => Made { sequence: next.sequence / 2 + 7, ..next },
            14 => Made { epoch: last.epoch + 1, sequence: random.below(2) as i32, ..next },
            _ => Made { epoch: last.epoch - 1, ..next },
        }
    }

    /// No sequence is there twice, and none is left out.
    pub fn check_sequences(&self, id: LogId) {
        for producer_id in 0..PRODUCERS as i64 {
            let all = self.batches.iter().filter_map(|batch| Made::by(&info(batch)));
            let made: Vec<Made> = all.filter(|made| made.producer_id == producer_id).collect();
            for pair in made.windows(2) {
                let follows = pair[0].epoch == pair[1].epoch && pair[0].next_sequence() == pair[1].sequence;
                let begins = pair[0].epoch < pair[1].epoch && pair[1].sequence == 0;
                assert!(follows || begins, "log {id}: {:?} comes after {:?}", pair[1], pair[0]);
            }
        }
    }
}

impl Model {
    /// A batch was taken for one that is there already. `trusted` is a fault: it counts as acknowledged at once.
    pub fn on_known(&mut self, id: LogId, appended: &Appended, trusted: bool) {
        let durable_group = self.durable_group;
        let log = self.logs.get_mut(&id).expect("appends go to known logs");
        let known = log.batches.iter_mut().find(|batch| batch.base == appended.base_offset.0).expect("it is there");
        assert_eq!(known.last, appended.last_offset.0, "log {id}");
        let promised = if known.settled { appended.group <= durable_group } else { appended.group == known.group };
        assert!(promised, "log {id}: {appended:?} is promised with another group than its original");
        known.settled |= trusted;
    }
}

fn info(batch: &Batch) -> BatchInfo {
    BatchInfo::peek(&batch.bytes).expect("sound").expect("whole")
}
