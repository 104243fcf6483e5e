//! Frames that the journal held, on their way back into the logs.

#![forbid(unsafe_code)]

use super::{LogConfig, Slot, Store};
use crate::frame::{FrameFields, FrameKind};
use crate::ids::{GroupSeq, LogId};
use crate::log::Log;

impl Store {
    /// Takes a frame back that the journal held; batches of logs that were deleted later are left out by the caller, since
    /// the checkpoint may have forgotten the log already. Errors name what does not fit together.
    pub fn replay(&mut self, fields: &FrameFields, payload: &[u8]) -> Result<(), String> {
        if fields.kind == FrameKind::DropLog {
            self.forget(fields.log, GroupSeq::NONE);
            // Whoever replays removes the files before anything else is done.
            self.removals.on_removed(fields.log);
            return Ok(());
        }
        if fields.kind == FrameKind::LogStart {
            return self.replay_start(fields.log, fields.base_offset);
        }
        let batch = batch::check(payload)
            .map_err(|error| format!("log {}: offset {}: {error}", fields.log, fields.base_offset))?;
        self.create_log_for_replay(fields.log);
        let chunk_bytes_max = self.chunk_bytes_max();
        let slot = self.logs.get_mut(&fields.log).expect("created above");
        if fields.base_offset != slot.log.end_offset() {
            return Err(format!(
                "log {}: the journal goes on at offset {} where {} is next",
                fields.log,
                fields.base_offset,
                slot.log.end_offset()
            ));
        }
        let (memory_before, producers_before) = (slot.log.memory_bytes(), slot.log.producers().len());
        slot.log.limit_chunks(chunk_bytes_max);
        self.resting.on_append(fields.log, &mut slot.idleness, 0);
        slot.log.replay(&self.pool, &batch, fields.base_offset, fields.leader_epoch);
        let memory_added = slot.log.memory_bytes() - memory_before;
        if memory_added > 0 {
            self.eviction.on_chance(fields.log, &mut slot.may_evict);
        }
        self.memory_bytes += memory_added;
        self.producers.count += slot.log.producers().len() - producers_before;
        self.unflushed_bytes += payload.len() as u64;
        self.journalled_bytes += payload.len() as u64;
        self.queue_if_ready(fields.log);
        self.bound_producers();
        Ok(())
    }

    pub(super) fn create_log_for_replay(&mut self, id: LogId) {
        self.logs.entry(id).or_insert_with(|| Slot::new(Log::new(id, LogConfig::default())));
    }
}
