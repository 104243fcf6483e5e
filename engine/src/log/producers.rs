//! The idempotent producers of one log: what each has appended last, so that a batch that is sent again is recognized and one that
//! is missing is noticed (KIP-98; Kafka's `ProducerAppendInfo` and `ProducerStateEntry`).
//!
//! ```text
//!   known batches of a producer      the next one must be
//!   [40..44] [45..45] [46..59]       60..      appended
//!                                    45..45    a known one again: it lies where it lies, nothing is appended
//!                                    61..      a gap: refused
//! ```
//! A higher epoch begins at sequence 0 and fences the lower ones. Of a producer that the log does not know any sequence is taken: what
//! was known may have been forgotten, since state expires and is bounded in number.
//!
//! The state says what the log holds, durable or not, so whoever is told of a duplicate waits as long as for the original.
//!
//! Invariants: a producer's batches follow one another in sequence and in offset; there is at least one, unless only a
//! control batch was seen.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use batch::{BatchInfo, Offset};

use crate::checkpoint::{ProducerBatchCheckpoint, ProducerCheckpoint};
use crate::limits::PRODUCER_BATCHES_MAX;

/// A use at a time that is yet to be told. It is older than nothing; see [`Producers::on_time`].
const JUST_NOW: i64 = i64::MAX;

/// A batch that a producer has appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerBatch {
    pub last_sequence: i32,
    pub last_offset: Offset,
    /// Offset and sequence of the last record, counted from the first one.
    pub last_delta: i32,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
}

/// What is known of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
    /// Milliseconds since the Unix epoch, by the clock of this node.
    last_used_ms: i64,
    /// Oldest first, in the first `len` places.
    batches: [ProducerBatch; PRODUCER_BATCHES_MAX],
    len: u8,
}

/// Why a batch does not fit in with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    #[error("producer {producer_id} sends sequence {found} where {expected} is next")]
    OutOfOrder { producer_id: i64, found: i32, expected: i32 },
    #[error("producer {producer_id} begins epoch {epoch} at sequence {found} and not at 0")]
    EpochBegun { producer_id: i64, epoch: i16, found: i32 },
    #[error("producer {producer_id} has epoch {epoch}, and epoch {newest} was seen")]
    OldEpoch { producer_id: i64, epoch: i16, newest: i16 },
}

/// All producers of a log. It takes no memory while there are none, and about 200 bytes for each.
#[derive(Debug, Default)]
pub struct Producers {
    by_id: BTreeMap<i64, Box<Producer>>,
}

impl Producers {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Every producer with its id, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, &**producer))
    }

    /// Whether a client's batch may be appended. `Some` is the batch that is known already, which is not appended again.
    ///
    /// # Errors
    /// The batch must not be appended.
    pub fn judge(&self, info: &BatchInfo) -> Result<Option<ProducerBatch>, SequenceError> {
        let Some(producer) = self.by_id.get(&info.producer_id) else { return Ok(None) };
        producer.judge(info)
    }

    /// A batch was appended at `base_offset`, now or before a restart: nothing is judged.
    pub fn on_batch(&mut self, info: &BatchInfo, base_offset: Offset, now_ms: Option<i64>) {
        if !info.has_producer() {
            return;
        }
        let producer =
            self.by_id.entry(info.producer_id).or_insert_with(|| Box::new(Producer::new(info.producer_epoch)));
        producer.on_batch(info, base_offset);
        producer.last_used_ms = now_ms.unwrap_or(JUST_NOW);
    }

    /// It is `now_ms`. Who was silent since `silent_since_ms` is forgotten, unless a transaction is open; a use in the future, by a
    /// clock that was set back or not known, is one of now.
    pub fn on_time(&mut self, now_ms: i64, silent_since_ms: i64) {
        self.by_id.retain(|_, producer| {
            producer.last_used_ms = producer.last_used_ms.min(now_ms);
            producer.last_used_ms > silent_since_ms || producer.transaction_start.is_some()
        });
    }

    /// When each producer was heard of last, in milliseconds since the Unix epoch.
    pub fn last_uses_ms(&self) -> impl Iterator<Item = i64> {
        self.by_id.values().map(|producer| producer.last_used_ms)
    }

    /// Forgets up to `count_max` producers that were not heard of since `silent_since_ms`. Returns how many.
    pub fn evict(&mut self, silent_since_ms: i64, count_max: usize) -> usize {
        let is_old =
            |producer: &Producer| producer.last_used_ms <= silent_since_ms && producer.transaction_start.is_none();
        let old = self.by_id.iter().filter(|(_, producer)| is_old(producer)).map(|(id, _)| *id);
        let old: Vec<i64> = old.take(count_max).collect();
        old.iter().for_each(|id| _ = self.by_id.remove(id));
        old.len()
    }

    /// Forgets all but the `count` that have the newest batches. Returns how many are forgotten.
    pub fn keep_newest(&mut self, count: usize) -> usize {
        let forgotten = self.len().saturating_sub(count);
        if forgotten > 0 {
            let newest = |producer: &Producer| producer.batches().last().map(|batch| batch.last_offset);
            let mut all: Vec<(Option<Offset>, i64)> = self.iter().map(|(id, known)| (newest(known), id)).collect();
            all.select_nth_unstable(forgotten - 1);
            all[..forgotten].iter().for_each(|(_, id)| _ = self.by_id.remove(id));
        }
        forgotten
    }

    /// The first offset of all open transactions.
    pub fn first_open_transaction(&self) -> Option<Offset> {
        self.by_id.values().filter_map(|producer| producer.transaction_start).min()
    }

    pub fn to_checkpoint(&self) -> Vec<ProducerCheckpoint> {
        self.iter().map(|(id, producer)| producer.to_checkpoint(id)).collect()
    }

    pub fn restore(saved: &[ProducerCheckpoint]) -> Self {
        let producers = saved.iter().map(|saved| (saved.producer_id, Box::new(Producer::restore(saved))));
        Self { by_id: producers.collect() }
    }
}

impl Producer {
    fn new(epoch: i16) -> Self {
        let none = ProducerBatch { last_sequence: 0, last_offset: Offset(0), last_delta: 0, max_timestamp: -1 };
        let batches = [none; PRODUCER_BATCHES_MAX];
        Self { epoch, transaction_start: None, last_used_ms: JUST_NOW, batches, len: 0 }
    }

    /// The batches that are known of its epoch, oldest first.
    pub fn batches(&self) -> &[ProducerBatch] {
        &self.batches[..usize::from(self.len)]
    }

    fn judge(&self, info: &BatchInfo) -> Result<Option<ProducerBatch>, SequenceError> {
        let (producer_id, epoch, found) = (info.producer_id, info.producer_epoch, info.base_sequence);
        if epoch < self.epoch {
            return Err(SequenceError::OldEpoch { producer_id, epoch, newest: self.epoch });
        }
        if epoch > self.epoch {
            let begins = found == 0;
            return if begins { Ok(None) } else { Err(SequenceError::EpochBegun { producer_id, epoch, found }) };
        }
        let last_sequence = sequence_after(found, info.last_offset_delta);
        let same = |known: &&ProducerBatch| known.first_sequence() == found && known.last_sequence == last_sequence;
        if let Some(known) = self.batches().iter().find(same) {
            return Ok(Some(*known));
        }
        let expected = self.batches().last().map_or(0, |last| sequence_after(last.last_sequence, 1));
        if found == expected { Ok(None) } else { Err(SequenceError::OutOfOrder { producer_id, found, expected }) }
    }

    fn on_batch(&mut self, info: &BatchInfo, base_offset: Offset) {
        if self.epoch != info.producer_epoch {
            (self.epoch, self.len) = (info.producer_epoch, 0);
        }
        if info.is_control() {
            self.transaction_start = None;
            return;
        }
        if info.is_transactional() {
            self.transaction_start.get_or_insert(base_offset);
        }
        // What a coordinator writes for a transaction has no sequence.
        if info.base_sequence >= 0 {
            self.push(ProducerBatch {
                last_sequence: sequence_after(info.base_sequence, info.last_offset_delta),
                last_offset: Offset(base_offset.0 + i64::from(info.last_offset_delta)),
                last_delta: info.last_offset_delta,
                max_timestamp: info.max_timestamp,
            });
        }
    }

    fn push(&mut self, batch: ProducerBatch) {
        if self.batches().len() == PRODUCER_BATCHES_MAX {
            self.batches.rotate_left(1);
            self.len -= 1;
        }
        self.batches[usize::from(self.len)] = batch;
        self.len += 1;
    }

    fn to_checkpoint(&self, producer_id: i64) -> ProducerCheckpoint {
        let batches = self.batches().iter().map(|batch| ProducerBatchCheckpoint {
            last_sequence: batch.last_sequence,
            last_delta: batch.last_delta,
            last_offset: batch.last_offset,
            max_timestamp: batch.max_timestamp,
        });
        ProducerCheckpoint {
            producer_id,
            epoch: self.epoch,
            transaction_start: self.transaction_start.map(|start| start.0),
            last_used_ms: self.last_used_ms,
            batches: batches.collect(),
        }
    }

    fn restore(saved: &ProducerCheckpoint) -> Self {
        let mut producer = Self::new(saved.epoch);
        producer.transaction_start = saved.transaction_start.map(Offset);
        producer.last_used_ms = saved.last_used_ms;
        for batch in &saved.batches {
            producer.push(ProducerBatch {
                last_sequence: batch.last_sequence,
                last_offset: batch.last_offset,
                last_delta: batch.last_delta,
                max_timestamp: batch.max_timestamp,
            });
        }
        producer
    }
}

impl ProducerBatch {
    pub fn base_offset(&self) -> Offset {
        Offset(self.last_offset.0 - i64::from(self.last_delta))
    }

    pub fn first_sequence(&self) -> i32 {
        self.last_sequence.wrapping_sub(self.last_delta) & i32::MAX
    }
}

/// The sequence `count` further on. Behind the last one comes 0 again.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    sequence.wrapping_add(count) & i32::MAX
}

#[cfg(test)]
#[path = "producers_tests.rs"]
mod tests;
