//! Deleting topics: the decision.

use std::collections::BTreeSet;

use super::image::Image;
use super::records::MetadataRecord;
use super::topic_id::TopicId;

/// The topics to delete. Names have become ids before: between a name and its deletion another topic may get the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTopics {
    pub ids: Vec<TopicId>,
}

/// Why a topic is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeleteFault {
    #[error("This server does not host this topic ID.")]
    Unknown,
}

/// The answer for each id, in the order of the request.
pub type DeleteResults = Vec<Result<(), DeleteFault>>;

/// Decides on each topic of a request by itself.
pub fn delete_topics(image: &Image, request: &DeleteTopics) -> (Vec<MetadataRecord>, DeleteResults) {
    let mut deleted = BTreeSet::new();
    let results = request
        .ids
        .iter()
        .map(|&id| match image.topic_by_id(id) {
            Some(_) if deleted.insert(id) => Ok(()),
            _ => Err(DeleteFault::Unknown),
        })
        .collect();
    (deleted.into_iter().map(|id| MetadataRecord::TopicDeleted { id }).collect(), results)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_topic_is_deleted_once_and_an_unknown_id_is_said_to_be_unknown() {
        let mut image = Image::default();
        let id = TopicId(9);
        image.replay(&MetadataRecord::Topic { name: "a".into(), id, partitions: 1, configs: BTreeMap::new() });
        let (records, results) = delete_topics(&image, &DeleteTopics { ids: vec![id, TopicId(8), id] });
        assert_eq!(records, [MetadataRecord::TopicDeleted { id }]);
        assert_eq!(results, [Ok(()), Err(DeleteFault::Unknown), Err(DeleteFault::Unknown)]);
    }
}
