//! A start at which there are checkpoint files and none is sound: whether the journal alone makes up for them.
//!
//! It does while only one checkpoint was ever begun, because nothing of the journal becomes free before the second one. From then on a
//! chain that looks whole proves nothing: old files that were free may be all that is readable of it. Segment files do not make up for
//! checkpoints either: the last block of each log was in the checkpoint only, and nothing tells which logs lack it.

#![forbid(unsafe_code)]

use crate::ids::Generation;

/// Why the journal does not make up for the checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalFallsShort {
    #[error("its journal was begun when the number of shards changed, and has nothing from before")]
    BegunLater,
    #[error("the beginning of its journal was freed when checkpoint {0} was written")]
    Freed(u64),
    #[error("its journal is empty")]
    Empty,
}

/// Judges a journal of which `groups` were found to be its chain from the first group on. `newest_seq` is the highest sequence
/// that the name of a checkpoint bears, 0 where there is none.
///
/// # Errors
/// Says why records would be missing.
pub fn check_journal(generation: Generation, newest_seq: u64, groups: usize) -> Result<(), JournalFallsShort> {
    // The shards of a later generation begin with checkpoints, so there it is no comfort that there are none.
    match (generation, newest_seq) {
        (Generation::FIRST, 0) => Ok(()),
        (Generation::FIRST, 1) if groups == 0 => Err(JournalFallsShort::Empty),
        (Generation::FIRST, 1) => Ok(()),
        (Generation::FIRST, seq) => Err(JournalFallsShort::Freed(seq)),
        _ => Err(JournalFallsShort::BegunLater),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_never_had_a_checkpoint_needs_none() {
        assert_eq!(check_journal(Generation::FIRST, 0, 0), Ok(()));
        assert_eq!(check_journal(Generation::FIRST, 0, 9), Ok(()));
    }

    #[test]
    fn the_journal_makes_up_for_the_first_checkpoint_and_for_no_later_one() {
        assert_eq!(check_journal(Generation::FIRST, 1, 9), Ok(()));
        assert_eq!(check_journal(Generation::FIRST, 1, 0), Err(JournalFallsShort::Empty));
        assert_eq!(check_journal(Generation::FIRST, 2, 9), Err(JournalFallsShort::Freed(2)));
    }

    #[test]
    fn a_journal_begun_when_the_number_of_shards_changed_never_makes_up_for_checkpoints() {
        for (newest_seq, groups) in [(0, 0), (0, 9), (1, 9), (8, 9)] {
            assert_eq!(check_journal(Generation(1), newest_seq, groups), Err(JournalFallsShort::BegunLater));
        }
    }
}
