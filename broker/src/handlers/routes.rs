//! Sorting the partitions of a request by the shard that owns them.

use engine::LogId;

use crate::ids::ShardId;
use crate::mesh::placement;
use crate::shard::Context;

/// What one shard is asked, in the order of the request.
pub(super) struct Route<T> {
    pub(super) owner: ShardId,
    /// Where each item stands in the request, by which its answer is put in place.
    pub(super) places: Vec<usize>,
    pub(super) items: Vec<T>,
}

/// What each shard is asked.
pub(super) struct Routes<T>(Vec<Route<T>>);

impl<T> Routes<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an item for the owner of `log`.
    pub(super) fn add(&mut self, ctx: &Context, log: LogId, place: usize, item: T) {
        let owner = placement::owner(log.topic, log.partition, ctx.shard_count);
        // A node has few shards, and a request for few partitions fewer.
        let route = match self.0.iter_mut().position(|route| route.owner == owner) {
            Some(known) => &mut self.0[known],
            None => {
                self.0.push(Route { owner, places: Vec::new(), items: Vec::new() });
                self.0.last_mut().expect("it was just added")
            }
        };
        route.places.push(place);
        route.items.push(item);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> IntoIterator for Routes<T> {
    type Item = Route<T>;
    type IntoIter = std::vec::IntoIter<Route<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
