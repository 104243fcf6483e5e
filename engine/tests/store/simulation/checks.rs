//! What holds after every step, however slow, full or broken the disk is.

use engine::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, GROUPS_IN_FLIGHT_MAX, SEGMENT_WRITES_IN_FLIGHT_MAX};

use super::Simulation;

/// What a batch takes beside its first value.
const BATCH_EXTRA_BYTES: usize = 1000;

impl Simulation {
    pub(super) fn check_step(&mut self) {
        self.model.check_order(&self.store);
        let (groups, writes, checkpoints) = self.shell.under_way();
        assert!(groups <= GROUPS_IN_FLIGHT_MAX, "{groups} write groups under way");
        assert!(writes <= SEGMENT_WRITES_IN_FLIGHT_MAX, "{writes} segment writes under way");
        assert!(checkpoints <= 1, "{checkpoints} checkpoints under way");
        self.check_unflushed();
        self.check_pieces();
    }

    /// Appends are taken only while what waits for the files is below its bound. A replay and the end of other logs may leave more, which
    /// then only shrinks.
    fn check_unflushed(&mut self) {
        let unflushed = self.store.unflushed_bytes();
        let last_blocks = (self.store.log_ids().count() * BLOCK_BYTES) as u64;
        let batch = (self.world.value_bytes_max + BATCH_EXTRA_BYTES) as u64;
        let bound = self.world.limits.unflushed_bytes_max + last_blocks + batch;
        assert!(unflushed <= bound.max(self.unflushed_before), "{unflushed} bytes wait for their files, over {bound}");
        self.unflushed_before = unflushed;
    }

    /// After a poll memory beyond the budget is held only for what the files do not have: of each segment that is not whole in its file
    /// the bytes that are missing there, and one chunk that others share.
    pub(super) fn check_memory(&self) {
        let open = self
            .store
            .log_ids()
            .filter_map(|id| self.store.log(id))
            .flat_map(|log| log.segments().iter().filter(|segment| !segment.is_closed()));
        let needed: usize = open.map(|segment| CHUNK_BYTES_MAX + 2 * (segment.bytes - segment.flushed) as usize).sum();
        let (memory, bound) = (self.store.memory_bytes(), self.world.limits.memory_bytes_max + needed);
        assert!(memory <= bound, "{memory} bytes of memory, over {bound}");
    }
}
