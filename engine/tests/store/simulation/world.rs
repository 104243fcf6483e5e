//! The sizes of one seed's world, and how often things go wrong in it.

use engine::LogConfig;
use engine::compaction::CompactionConfig;
use engine::journal::FilesConfig;
use engine::store::StoreLimits;

use crate::model::TOMBSTONES_KEPT_MS;
use crate::random::Random;

pub const RESERVE_BYTES: u64 = 64 << 10;

/// Sizes of one seed's world.
pub struct World {
    pub limits: StoreLimits,
    pub journal_file_bytes: u64,
    pub journal_files_max: u64,
    pub value_bytes_max: usize,
    pub segment_bytes_max: usize,
    pub steps: usize,
    /// Of so many actions one lets the disk do a step more; below, the disk lags behind.
    pub disk_share: usize,
    pub fails: bool,
    /// Of so many actions one fills the disk or clears it.
    pub fill_share: usize,
    /// Of so many chances to delete a log one is taken.
    pub drop_share: usize,
    /// At each start so many copies of the disk are damaged and looked at.
    pub damages: usize,
    /// Of so many chances to move a log's start one is taken.
    pub cut_share: usize,
    /// Of so many actions one lets compaction do some steps more.
    pub compact_share: usize,
    /// Checkpoints and indexes rot between two lives.
    pub rots: bool,
    /// In each life the disk lies about so many writes.
    pub lies: usize,
}

impl World {
    pub fn random(random: &mut Random) -> World {
        let journal_files_max = 4 + random.below(4) as u64;
        let journal_file_bytes = [128u64, 256, 512][random.below(3)] << 10;
        let journal_bytes = journal_files_max * journal_file_bytes;
        let limits = StoreLimits {
            group_bytes: [16usize, 32, 64][random.below(3)] << 10,
            segment_write_bytes_min: [4u64, 16, 64][random.below(3)] << 10,
            pictures_at_once: [1, 2, 32][journal_file_bytes.ilog2() as usize % 3],
            unflushed_bytes_max: [128u64, 512, 4096][random.below(3)] << 10,
            rest_after_ms: [50, 400, 10_000][journal_files_max as usize % 3],
            disk_reserve_bytes: RESERVE_BYTES,
            disk_sharers: 1,
            read_memory_bytes_max: [20_000, 200_000, 1 << 20][journal_files_max as usize % 3],
            read_piece_bytes: [4096, 16_384, 65_536][journal_file_bytes.ilog2() as usize % 3],
            read_ahead_bytes_max: 200_000,
            next_file_bytes_min: if journal_files_max == 4 { u64::MAX } else { 0 },
            index_cache_bytes_max: [0usize, 1000, 1 << 20][random.below(3)],
            ..StoreLimits::new([0usize, 64, 512][random.below(3)] << 10, journal_bytes / 4)
        };
        World {
            limits,
            journal_file_bytes,
            journal_files_max,
            value_bytes_max: [50, 700, 9000, 60_000][random.below(4)],
            segment_bytes_max: [20_000, 90_000, 600_000][random.below(3)],
            steps: [60, 300, 900][random.below(3)],
            disk_share: [1, 3, 6][random.below(3)],
            fails: random.one_in(4),
            fill_share: [usize::MAX, 300, 60][random.below(3)],
            drop_share: [2, 10, 1000][random.below(3)],
            damages: [0, 1, 4][random.below(3)],
            cut_share: [1, 5, 1000][random.below(3)],
            compact_share: [1, 4, 30][random.below(3)],
            rots: true,
            lies: [0, 0, 1, 4][random.below(4)],
        }
    }

    pub fn files(&self, salt: u32) -> FilesConfig {
        FilesConfig {
            file_bytes: self.journal_file_bytes,
            bytes_max: self.journal_files_max * self.journal_file_bytes,
            salt,
        }
    }

    pub fn log_config(&self, random: &mut Random) -> LogConfig {
        LogConfig {
            segment_bytes: 4096 + random.below(self.segment_bytes_max) as u64,
            relaxed: random.one_in(4),
            // Timestamps are the numbers of the batches.
            segment_ms: random.one_in(4).then(|| random.below(200) as u64),
            retention_ms: random.one_in(4).then(|| random.below(400) as u64),
            retention_bytes: random.one_in(4).then(|| random.below(self.segment_bytes_max * 4) as u64),
            compaction: random.one_in(2).then(|| compaction(random)),
        }
    }
}

fn compaction(random: &mut Random) -> CompactionConfig {
    CompactionConfig {
        dirty_ratio_min_ppm: [0, 300_000][random.below(2)],
        delete_retention_ms: [0, 50, TOMBSTONES_KEPT_MS][random.below(3)],
        lag_ms_min: if random.one_in(4) { random.below(100) as u64 } else { 0 },
        lag_ms_max: random.one_in(4).then(|| random.below(200) as u64),
    }
}
