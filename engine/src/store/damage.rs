//! Damage is told once for each segment: whoever reads a damaged range gets the error each time, and a reader that tries again and
//! again does not fill the trace.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use crate::ids::{LogId, SegmentName};
use crate::limits::DAMAGED_SEGMENTS_MAX;

/// The damaged segments that one shard has told of since it was opened.
#[derive(Debug, Default)]
pub struct ToldDamage {
    told: BTreeSet<(LogId, SegmentName)>,
}

impl ToldDamage {
    /// Whether damage to this segment is news. Beyond [`DAMAGED_SEGMENTS_MAX`] all is forgotten, and told once more.
    pub fn is_news(&mut self, log: LogId, segment: SegmentName) -> bool {
        if self.told.len() >= DAMAGED_SEGMENTS_MAX && !self.told.contains(&(log, segment)) {
            self.told.clear();
        }
        self.told.insert((log, segment))
    }
}

#[cfg(test)]
mod tests {
    use batch::Offset;

    use super::*;

    #[test]
    fn damage_is_news_once_for_each_segment_and_the_memory_of_it_is_bounded() {
        let mut told = ToldDamage::default();
        let log = LogId { topic: 1, partition: 0 };
        let name = |base: usize| SegmentName::appended(Offset(base as i64));
        for base in 0..DAMAGED_SEGMENTS_MAX {
            assert!(told.is_news(log, name(base)));
            assert!(!told.is_news(log, name(base)));
        }
        assert!(told.is_news(LogId { topic: 1, partition: 1 }, name(0)));
        assert_eq!(told.told.len(), 1);
    }
}
