//! The idempotent producers of a log by what its segment files have of them, each file on its own and then all in order. The
//! journal's batches come on top when it is replayed.

use std::collections::{BTreeMap, BTreeSet};

use batch::BatchInfo;

use crate::checkpoint::ProducerCheckpoint;
use crate::limits::{PRODUCER_BATCHES_MAX, PRODUCERS_MAX};
use crate::log::producers::Producers;

/// A file may have so many producers before those whose batches are oldest are forgotten.
const FOUND_MAX: usize = 2 * PRODUCERS_MAX;

/// The producers of one file.
#[derive(Debug, Clone, Default)]
pub struct FoundProducers {
    known: Vec<ProducerCheckpoint>,
    /// Those that a control batch was seen of: no transaction reaches from before the file into it.
    ended: BTreeSet<i64>,
}

/// The batches of one file, as they come by.
#[derive(Debug, Default)]
pub(super) struct ProducerScan {
    producers: Producers,
    ended: BTreeSet<i64>,
}

impl ProducerScan {
    pub(super) fn on_batch(&mut self, info: &BatchInfo) {
        self.producers.on_batch(info, info.base_offset, None);
        if info.has_producer() && info.is_control() {
            self.ended.insert(info.producer_id);
        }
        if self.producers.len() > FOUND_MAX {
            self.producers.keep_newest(PRODUCERS_MAX);
            let known: BTreeSet<i64> = self.producers.iter().map(|(id, _)| id).collect();
            self.ended.retain(|id| known.contains(id));
        }
    }

    pub(super) fn end(self) -> FoundProducers {
        FoundProducers { known: self.producers.to_checkpoint(), ended: self.ended }
    }
}

/// What a log knows of its producers when it is these files.
pub(super) fn join<'a>(files: impl Iterator<Item = &'a FoundProducers>) -> Vec<ProducerCheckpoint> {
    let mut joined: BTreeMap<i64, ProducerCheckpoint> = BTreeMap::new();
    for file in files {
        for later in &file.known {
            match joined.get_mut(&later.producer_id) {
                Some(known) => go_on(known, later, file.ended.contains(&later.producer_id)),
                None => _ = joined.insert(later.producer_id, later.clone()),
            }
        }
    }
    let joined: Vec<ProducerCheckpoint> = joined.into_values().collect();
    let mut producers = Producers::restore(&joined);
    // A shard remembers no more in all its logs together.
    if producers.keep_newest(PRODUCERS_MAX) == 0 { joined } else { producers.to_checkpoint() }
}

fn go_on(known: &mut ProducerCheckpoint, later: &ProducerCheckpoint, has_ended: bool) {
    if known.epoch != later.epoch {
        known.batches.clear();
    }
    known.epoch = later.epoch;
    known.batches.extend_from_slice(&later.batches);
    known.batches.drain(..known.batches.len().saturating_sub(PRODUCER_BATCHES_MAX));
    if has_ended || known.transaction_start.is_none() {
        known.transaction_start = later.transaction_start;
    }
}
