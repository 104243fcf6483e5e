//! Producer ids: each is given once in the life of a node.
//!
//! A record of the metadata log reserves a block. Ids are given from memory out of a block whose record is durable;
//! after a restart the next block follows the reserved one, so what was left of it is never given.

use std::ops::Range;

use super::image::Image;
use super::limits::PRODUCER_ID_BLOCK;
use super::records::MetadataRecord;

/// The ids that may be given without a record.
///
/// Invariant: every id in `reserved` lies below the image's `next_producer_id`.
#[derive(Debug, Default)]
pub struct ProducerIds {
    reserved: Range<i64>,
}

/// The ids ran out: 2^63 producers were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("every producer id has been given")]
pub struct Exhausted;

impl ProducerIds {
    /// Gives one id. The record, if there is one, has to be durable before the id leaves the node.
    pub fn allocate(&mut self, image: &Image) -> Result<(Option<MetadataRecord>, i64), Exhausted> {
        if let Some(id) = self.reserved.next() {
            return Ok((None, id));
        }
        let start = image.next_producer_id();
        let next = start.checked_add(PRODUCER_ID_BLOCK).ok_or(Exhausted)?;
        self.reserved = start + 1..next;
        Ok((Some(MetadataRecord::ProducerIds { next }), start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_twice_whenever_the_node_restarts() {
        let mut image = Image::default();
        let mut given = Vec::new();
        for ids_before_restart in [1, 999, 1, 1000, 1001, 2500, 3] {
            // A restart forgets the block and keeps the image.
            let mut ids = ProducerIds::default();
            for _ in 0..ids_before_restart {
                let (record, id) = ids.allocate(&image).unwrap();
                if let Some(record) = record {
                    image.replay(&record);
                }
                assert!(id < image.next_producer_id(), "id {id} lies above what is reserved");
                given.push(id);
            }
        }
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(given[0], 0);
    }

    #[test]
    fn the_end_of_the_ids_is_an_error_and_not_a_repetition() {
        let mut image = Image::default();
        image.replay(&MetadataRecord::ProducerIds { next: i64::MAX });
        assert_eq!(ProducerIds::default().allocate(&image), Err(Exhausted));
    }
}
