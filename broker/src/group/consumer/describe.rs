//! Telling about a group.

use super::target::elect;
use super::topics::Subscriptions;
use super::{Assignment, Consumer};
use crate::controller::image::Image;
use crate::group::api::{DescribedConsumer, DescribedConsumerMember, NamedAssignment};
use crate::group::config::GroupConfig;

impl Consumer {
    pub(in crate::group) fn describe(&self, config: &GroupConfig, topics: &Image) -> DescribedConsumer {
        let members = self.members.iter().map(|(id, member)| DescribedConsumerMember {
            id: id.clone(),
            epoch: member.holding.epoch,
            profile: member.profile.clone(),
            assigned: named(&member.holding.assigned, topics),
            target: named(self.target_of(id), topics),
        });
        DescribedConsumer {
            state: self.phase().name(),
            epoch: self.epoch.epoch,
            target_epoch: self.target_epoch,
            assignor: elect(config.assignors, &Subscriptions::of(self)).name(),
            members: members.collect(),
        }
    }
}

/// Topics that are gone have no name any more, and are left out.
fn named(assignment: &Assignment, topics: &Image) -> NamedAssignment {
    let known = assignment.topics().filter_map(|(id, partitions)| Some((topics.topic_by_id(id)?, partitions)));
    known.map(|(topic, partitions)| (topic.id, topic.name.clone(), partitions.iter().copied().collect())).collect()
}
