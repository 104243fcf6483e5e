//! The metadata of the node: topics, their configs, quotas, producer ids.
//!
//! ```text
//!   MetadataChange --decide--> records, Outcome          one shard, the controller's
//!                                 |  append, wait until durable
//!                                 v
//!                              Apply --replay--> Image    every shard
//!                                 '--then--> Outcome      to who asked
//! ```
//! Pure but [`run`]: a decision looks at the image and gives records; [`image::Image::replay`] alone changes an image.

pub mod alter_configs;
pub mod alter_quotas;
pub mod assignment;
pub mod config_keys;
pub mod configs;
pub mod create_partitions;
pub mod create_topics;
pub mod defaults;
pub mod delete_topics;
pub mod group_keys;
pub mod image;
pub mod intake;
pub mod limits;
pub mod names;
pub mod node_keys;
pub mod producer_ids;
pub mod records;
pub mod run;
mod topic_id;

use alter_configs::{AlterConfigs, AlterResults};
use alter_quotas::{AlterQuotas, QuotaResults};
use create_partitions::{CreatePartitions, GrowResults};
use create_topics::{CreateResults, CreateTopics};
use delete_topics::{DeleteResults, DeleteTopics};
use group_keys::GroupBounds;
use image::Image;
pub use image::Topic;
use producer_ids::{Exhausted, ProducerIds};
pub use records::MetadataRecord;
pub use topic_id::TopicId;

use crate::ids::NodeId;

/// A change that a client asks for.
#[derive(Debug)]
pub enum MetadataChange {
    CreateTopics(CreateTopics),
    CreatePartitions(CreatePartitions),
    DeleteTopics(DeleteTopics),
    AlterConfigs(AlterConfigs),
    AlterQuotas(AlterQuotas),
    /// One producer id that nobody has.
    AllocateProducerId,
}

/// What became of a change. When it says that something happened, the change is durable and every shard knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    CreateTopics(CreateResults),
    CreatePartitions(GrowResults),
    DeleteTopics(DeleteResults),
    AlterConfigs(AlterResults),
    AlterQuotas(QuotaResults),
    ProducerId(Result<i64, Exhausted>),
    /// Nothing was decided.
    Refused(Refusal),
}

/// Why the controller decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("too many changes of the metadata are waiting")]
    Busy,
    #[error("the storage of the metadata failed; it may or may not hold the change")]
    StorageFailed,
}

/// Decides on one change. The records have to be replayed into the image before the next decision.
fn decide(
    image: &Image,
    producer_ids: &mut ProducerIds,
    node: NodeId,
    groups: &GroupBounds,
    change: &MetadataChange,
) -> (Vec<MetadataRecord>, Outcome) {
    match change {
        MetadataChange::CreateTopics(request) => {
            let (records, results) = create_topics::create_topics(image, node, request);
            (records, Outcome::CreateTopics(results))
        }
        MetadataChange::CreatePartitions(request) => {
            let (records, results) = create_partitions::create_partitions(image, node, request);
            (records, Outcome::CreatePartitions(results))
        }
        MetadataChange::AlterConfigs(request) => {
            let (records, results) = alter_configs::alter_configs(image, node, groups, request);
            (records, Outcome::AlterConfigs(results))
        }
        MetadataChange::AlterQuotas(request) => {
            let (records, results) = alter_quotas::alter_quotas(image, request);
            (records, Outcome::AlterQuotas(results))
        }
        MetadataChange::DeleteTopics(request) => {
            let (records, results) = delete_topics::delete_topics(image, request);
            (records, Outcome::DeleteTopics(results))
        }
        MetadataChange::AllocateProducerId => match producer_ids.allocate(image) {
            Ok((record, id)) => (record.into_iter().collect(), Outcome::ProducerId(Ok(id))),
            Err(exhausted) => (Vec::new(), Outcome::ProducerId(Err(exhausted))),
        },
    }
}
