//! What the metrics are told of groups.

use super::hosted::{Hosted, Phase};
use crate::group::Coordinator;
use crate::metrics::GroupOffsets;
use crate::shard::Context;

/// The groups of one shard in two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub groups: usize,
    /// Memory that they and their offsets take, roughly.
    pub bytes: usize,
}

pub fn figures(ctx: &Context) -> Figures {
    let groups = ctx.groups.borrow();
    let coordinators = groups.hosted.values().filter_map(coordinator);
    coordinators.fold(Figures::default(), |sum, coordinator| Figures {
        groups: sum.groups + coordinator.len(),
        bytes: sum.bytes + coordinator.bytes(),
    })
}

/// The partitions of the offsets topic that this shard has.
pub fn hosted_partitions(ctx: &Context) -> Vec<u32> {
    ctx.groups.borrow().hosted.keys().copied().collect()
}

/// What the groups of one of them have committed, at most so many offsets.
pub fn committed(ctx: &Context, partition: u32, offsets_max: usize) -> Vec<GroupOffsets> {
    let groups = ctx.groups.borrow();
    let Some(coordinator) = groups.hosted.get(&partition).and_then(coordinator) else { return Vec::new() };
    let mut rows: Vec<GroupOffsets> = Vec::new();
    for (group, topic, partition, offset) in coordinator.committed().take(offsets_max) {
        match rows.last_mut().filter(|row| row.group == group && row.topic == topic) {
            Some(row) => row.offsets.push((partition, offset)),
            None => rows.push(GroupOffsets {
                group: group.to_owned(),
                topic: topic.to_owned(),
                offsets: vec![(partition, offset)],
            }),
        }
    }
    rows
}

fn coordinator(hosted: &Hosted) -> Option<&Coordinator> {
    match &hosted.phase {
        Phase::Ready(coordinator) => Some(coordinator),
        Phase::New | Phase::Loading | Phase::Failed => None,
    }
}
