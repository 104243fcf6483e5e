//! The idempotent producers of all logs: their number is bounded, and they are forgotten when they have been silent for long.

#![forbid(unsafe_code)]

use batch::Checked;

use super::{AppendError, Appended, Store};
use crate::ids::LogId;
use crate::limits::PRODUCERS_EVICTED_SHARE;

/// How many producers there are, and what time it is for them.
#[derive(Debug)]
pub(super) struct KnownProducers {
    /// In all logs together.
    pub count: usize,
    /// The time of day when the clock of `now_ms` stood at 0, in milliseconds since the Unix epoch.
    unix_ms_at_zero: i64,
}

impl KnownProducers {
    pub fn new(count: usize) -> Self {
        Self { count, unix_ms_at_zero: 0 }
    }

    pub fn unix_ms(&self, now_ms: u64) -> i64 {
        self.unix_ms_at_zero.saturating_add_unsigned(now_ms)
    }
}

impl Store {
    /// It is `unix_ms` now by the clock of the day. To be called at the start and now and then, so that the two clocks agree.
    pub fn on_time_of_day(&mut self, now_ms: u64, unix_ms: i64) {
        self.producers.unix_ms_at_zero = unix_ms.saturating_sub_unsigned(now_ms);
    }

    /// Forgets the log's producers that have been silent for too long.
    pub fn expire_producers(&mut self, id: LogId, now_ms: u64) {
        self.draw(id);
        let Some(slot) = self.logs.get_mut(&id) else { return };
        let unix_ms = self.producers.unix_ms(now_ms);
        let producers = slot.log.producers_mut();
        let before = producers.len();
        producers.on_time(unix_ms, unix_ms.saturating_sub_unsigned(self.limits.producer_expiry_ms));
        self.producers.count -= before - producers.len();
    }

    /// Idempotent producers of all logs.
    pub fn producers(&self) -> usize {
        self.producers.count
    }

    /// Whether the log takes a client's batch by the sequence of its producer. `Some` when it has it already.
    pub(super) fn judge_sequence(&self, id: LogId, batch: &Checked<'_>) -> Result<Option<Appended>, AppendError> {
        if !batch.info.has_producer() {
            return Ok(None);
        }
        let log = &self.logs.get(&id).ok_or(AppendError::UnknownLog)?.log;
        let known = log.producers().judge(&batch.info)?;
        Ok(known.map(|known| Appended {
            base_offset: known.base_offset(),
            last_offset: known.last_offset,
            group: log.group_of(known.last_offset.next()),
            log_start: log.start_offset(),
            max_timestamp: known.max_timestamp,
            is_duplicate: true,
        }))
    }

    /// Makes room when there are too many: those that have been silent for longest go, in whatever log.
    pub(super) fn bound_producers(&mut self) {
        let (count, count_max) = (self.producers.count, self.limits.producers_max);
        if count <= count_max {
            return;
        }
        let mut uses: Vec<i64> = self.logs.values().flat_map(|slot| slot.log.producers().last_uses_ms()).collect();
        assert_eq!(uses.len(), count, "producers are counted right");
        let mut left = count - count_max + count_max / PRODUCERS_EVICTED_SHARE;
        let (_, silent_since_ms, _) = uses.select_nth_unstable(left.min(count) - 1);
        self.draw_all();
        for slot in self.logs.values_mut() {
            left -= slot.log.producers_mut().evict(*silent_since_ms, left);
        }
        self.producers.count = self.logs.values().map(|slot| slot.log.producers().len()).sum();
    }
}
