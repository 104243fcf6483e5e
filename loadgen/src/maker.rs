//! P: where a producer's batches come from: from templates, or record by record.

use crate::composer::{Composer, Order};
use crate::load::Sent;
use crate::payload::{Stamp, Template};

/// See the top of the file.
#[derive(Clone, Debug)]
pub(crate) enum Maker {
    Templates {
        /// One for each partition with keys; otherwise one for each batch of a request.
        templates: Vec<Template>,
        by_partition: bool,
        /// Bytes of a record's key and value.
        payload_bytes: u64,
    },
    Composer {
        composer: Box<Composer>,
        /// The batches of the request that is being made.
        made: Vec<Vec<u8>>,
    },
}

impl Maker {
    /// How many records fill a batch of a partition that is the `place`-th of its request.
    pub(crate) fn batch_records(&self, partition: usize, place: usize) -> u64 {
        match self {
            Maker::Templates { templates, .. } => templates[self.template(partition, place)].records_max(),
            Maker::Composer { composer, .. } => composer.batch_records(),
        }
    }

    /// How many of the records from `first` on go into one batch, `most` at most.
    pub(crate) fn fitting(&self, partition: usize, first: u64, most: u64) -> u64 {
        match self {
            Maker::Templates { .. } => most,
            Maker::Composer { composer, .. } => composer.fitting(partition, first, most),
        }
    }

    /// Makes the batch of a draft and notes its size. `order` says what it holds besides the draft, `stamp` what its
    /// records carry.
    pub(crate) fn make(&mut self, draft: &mut Sent, place: usize, order: Order, stamp: impl Fn(u64) -> Option<Stamp>) {
        match self {
            Maker::Templates { payload_bytes, .. } => {
                draft.payload_bytes = draft.records * *payload_bytes;
                let template = self.template(draft.partition, place);
                let Maker::Templates { templates, .. } = self else { unreachable!("it was a moment ago") };
                for index in 0..draft.records {
                    let Some(stamp) = stamp(index) else { break };
                    templates[template].stamp(index as usize, &stamp);
                }
                let batch = templates[template].cut(draft.records, order.timestamp_ms, order.sequence);
                draft.batch_bytes = batch.len() as u64;
            }
            Maker::Composer { composer, made } => {
                let (batch, payload_bytes) = composer.compose(&order, stamp);
                (draft.batch_bytes, draft.payload_bytes) = (batch.len() as u64, payload_bytes);
                made.truncate(place);
                made.push(batch);
            }
        }
    }

    /// The batch that [`Maker::make`] has made of a draft.
    pub(crate) fn batch(&self, draft: &Sent, place: usize) -> &[u8] {
        match self {
            Maker::Templates { templates, .. } => {
                templates[self.template(draft.partition, place)].cut_again(draft.records)
            }
            Maker::Composer { made, .. } => &made[place],
        }
    }

    fn template(&self, partition: usize, place: usize) -> usize {
        match self {
            Maker::Templates { by_partition: true, .. } => partition,
            _ => place,
        }
    }
}
