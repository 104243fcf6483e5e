//! How many files the shards may keep open.

use crate::limits::{OPEN_SEGMENTS_MAX, OPEN_SEGMENTS_MIN, OPEN_SEGMENTS_SHARE};

/// Files that the process may have open when it may not be told.
const OPEN_FILES_FALLBACK: u64 = 1024;

/// Lets the process have as many files open as it may, and says how many segment files each shard may keep open. The rest is for
/// connections and for what is opened in passing.
pub fn segments_of_a_shard(shard_count: u16) -> usize {
    let open_files_max = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(OPEN_FILES_FALLBACK);
    let share = open_files_max / OPEN_SEGMENTS_SHARE / u64::from(shard_count.max(1));
    (share as usize).clamp(OPEN_SEGMENTS_MIN, OPEN_SEGMENTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_shards_get_fewer_files_each_and_none_gets_none() {
        let files = [1, 2, 16, u16::MAX].map(segments_of_a_shard);
        assert!(files.is_sorted_by(|more, less| more >= less));
        assert!(files.iter().all(|files| (OPEN_SEGMENTS_MIN..=OPEN_SEGMENTS_MAX).contains(files)));
    }
}
