//! What a log may have lost to compaction, and what it must still say: the last value of every key.

use std::collections::BTreeMap;

use batch::{BatchView, DecompressLimit};
use engine::LogId;
use engine::log::ReadRequest;

use super::{Batch, Model, ModelLog};

/// One record as far as compaction is concerned: its value by its checksum, `None` for a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<u32>,
}

/// The records of a batch.
pub fn keyed(view: &BatchView<'_>) -> Vec<Keyed> {
    let records = view.records(DecompressLimit(1 << 20)).expect("sound");
    let keyed = records.iter().map(|record| {
        let record = record.expect("sound");
        let key = record.key.expect("every record has a key").to_vec();
        Keyed { offset: record.offset.0, key, value: record.value.map(batch::crc32c) }
    });
    keyed.collect()
}

impl ModelLog {
    /// A later record with its key is settled, or it is a tombstone and those may expire.
    fn may_go(&self, record: &Keyed) -> bool {
        let expires = self.tombstones_expire && record.value.is_none();
        let later = self.batches.iter().rev().take_while(|batch| batch.last > record.offset);
        let mut later = later.filter(|batch| batch.settled).flat_map(|batch| &batch.records);
        expires || later.any(|other| other.offset > record.offset && other.key == record.key)
    }

    fn assert_may_be_gone(&self, id: LogId, batch: &Batch) {
        assert!(batch.base < self.compacted_until, "log {id}: {} was never compacted, and is gone", batch.base);
        let lost = batch.records.iter().find(|record| !self.may_go(record));
        assert!(lost.is_none(), "log {id}: {lost:?} is gone");
    }

    /// What was read is the batch, or what compaction may have left of it.
    fn assert_is_left_of(&self, id: LogId, batch: &Batch, view: &BatchView<'_>) {
        if view.bytes == batch.bytes {
            return;
        }
        let (info, whole) = (view.info, BatchView::first(&batch.bytes).expect("sound").expect("whole").0.info);
        assert!(batch.base < self.compacted_until, "log {id}: wrong bytes at offset {}", batch.base);
        assert_eq!(
            (info.last_offset(), info.leader_epoch, info.producer_id, info.base_sequence),
            (whole.last_offset(), whole.leader_epoch, whole.producer_id, whole.base_sequence)
        );
        let left = keyed(view);
        assert_eq!(left.len() as i32, info.record_count);
        for record in &left {
            assert!(batch.records.contains(record), "log {id}: {record:?} was never appended");
        }
        let lost = batch.records.iter().find(|record| !left.contains(record) && !self.may_go(record));
        assert!(lost.is_none(), "log {id}: {lost:?} is gone");
    }

    /// The last value of every key from where the log starts on.
    pub fn check_state(&self, id: LogId, seen: &BTreeMap<i64, Keyed>) {
        let fold = |records: &mut dyn Iterator<Item = &Keyed>| {
            let live = records.filter(|record| record.offset >= self.start);
            let last: BTreeMap<Vec<u8>, Keyed> = live.map(|record| (record.key.clone(), record.clone())).collect();
            last.into_values().filter(|record| record.value.is_some()).collect::<Vec<_>>()
        };
        let expected = fold(&mut self.batches.iter().flat_map(|batch| &batch.records));
        assert_eq!(fold(&mut seen.values()), expected, "log {id}: the last values of its keys");
    }
}

impl Model {
    /// Compaction has put new segments into a log: records before `until` may be gone.
    pub fn on_compacted(&mut self, id: LogId, until: i64) {
        let log = self.logs.get_mut(&id).expect("known logs are compacted");
        log.compacted_until = log.compacted_until.max(until);
    }

    /// As `check_read`, of a log from which records may be missing.
    pub(super) fn check_compacted_read(&self, id: LogId, request: &ReadRequest, got: &[u8]) {
        let log = &self.logs[&id];
        let mut left = &log.batches[log.batches.partition_point(|batch| batch.last < request.from.0)..];
        let mut rest = got;
        let mut taken = 0;
        while let Some((view, behind)) = BatchView::first(rest).expect("batches and nothing else") {
            batch::verify_crc(view.bytes).expect("its checksum is right");
            let base = view.info.base_offset.0;
            let at = left.iter().position(|batch| batch.base == base);
            let at = at.unwrap_or_else(|| panic!("log {id}: {request:?}: nothing was appended at {base}"));
            left[..at].iter().for_each(|batch| log.assert_may_be_gone(id, batch));
            log.assert_is_left_of(id, &left[at], &view);
            assert!(left[at].last < request.until.0, "log {id}: {request:?}: more than may be read");
            (left, rest) = (&left[at + 1..], behind);
            taken += 1;
        }
        assert!(rest.is_empty(), "log {id}: {request:?}: {} bytes behind the end", rest.len());
        let alone = taken == 1 && request.at_least_one;
        assert!(got.len() <= request.bytes_max || alone, "log {id}: {request:?}: {} bytes", got.len());
        if taken == 0 && request.at_least_one {
            let wanted = left.iter().take_while(|batch| batch.last < request.until.0);
            wanted.for_each(|batch| log.assert_may_be_gone(id, batch));
        }
    }
}
