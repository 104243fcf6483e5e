//! Topic names for the ids that the storage knows, read from the metadata log as it lies there.

use std::collections::BTreeMap;
use std::path::Path;

use batch::DecompressLimit;
use engine::inspect::ShardPicture;
use engine::{Generation, LogId};
use wire::Uuid;

use super::LogError;
use crate::controller::limits::METADATA_READ_BYTES;
use crate::controller::run::METADATA_LOG;
use crate::controller::{MetadataRecord, TopicId};

/// The controller's shard, which holds the metadata log.
const CONTROLLER_SHARD: u16 = 0;

/// Names of topics, deleted ones included, as far as the metadata log can be read.
pub(super) struct Names {
    by_id: BTreeMap<u128, String>,
}

impl Names {
    /// Reads what there is. Without a readable metadata log ids have to do; that is told and harms nothing.
    pub(super) fn read(data: &Path, generation: Generation) -> Names {
        let mut by_id = BTreeMap::from([(METADATA_LOG.topic, "(metadata)".to_owned())]);
        let done = ShardPicture::read(data, generation, CONTROLLER_SHARD).and_then(|picture| {
            picture.each_batch(METADATA_LOG, &mut |batch| {
                let records = batch.records(DecompressLimit(METADATA_READ_BYTES)).map_err(|error| error.to_string())?;
                for record in &records {
                    let value = record.map_err(|error| error.to_string())?.value.unwrap_or_default();
                    if let Ok(MetadataRecord::Topic { name, id, .. }) = MetadataRecord::decode(value) {
                        by_id.insert(id.0, name);
                    }
                }
                Ok(())
            })
        });
        if let Err(error) = done {
            eprintln!("ringmain: warning: some topics have no name here: {error}");
        }
        Names { by_id }
    }

    /// The topic's name, or its id as Kafka prints it.
    pub(super) fn topic(&self, id: u128) -> String {
        self.by_id.get(&id).cloned().unwrap_or_else(|| TopicId(id).to_string())
    }

    /// The log as people call it.
    pub(super) fn log(&self, log: LogId) -> String {
        format!("{}/{}", self.topic(log.topic), log.partition)
    }
}

/// The logs that the command line asks for.
pub(super) struct Selection {
    /// All topics that ever had the name, or the one with the id.
    topics: Option<Vec<u128>>,
    partition: Option<u32>,
}

impl Selection {
    pub(super) fn new(topic: Option<&str>, partition: Option<u32>, names: &Names) -> Result<Selection, LogError> {
        let topics = topic.map(|text| {
            let named: Vec<u128> = names.by_id.iter().filter(|(_, name)| *name == text).map(|(id, _)| *id).collect();
            match named.is_empty() {
                true => parse_id(text).map(|id| vec![id]).ok_or_else(|| LogError::UnknownTopic(text.to_owned())),
                false => Ok(named),
            }
        });
        Ok(Selection { topics: topics.transpose()?, partition })
    }

    pub(super) fn has(&self, log: LogId) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(&log.topic))
            && self.partition.is_none_or(|partition| partition == log.partition)
    }
}

/// 22 characters of Kafka's base64, or 32 hex digits with or without dashes.
fn parse_id(text: &str) -> Option<u128> {
    if let Ok(id) = text.parse::<Uuid>() {
        return Some(TopicId::from_wire(id).0);
    }
    let hex = text.replace('-', "");
    (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_asked_for_by_name_or_by_any_spelling_of_its_id() {
        let id = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128;
        let names = Names { by_id: BTreeMap::from([(id, "orders".to_owned()), (5, "other".to_owned())]) };
        let kafka = TopicId(id).to_string();
        for text in ["orders", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef", &kafka] {
            let selection = Selection::new(Some(text), Some(3), &names).expect("it is known");
            assert!(selection.has(LogId { topic: id, partition: 3 }), "{text}");
            assert!(
                !selection.has(LogId { topic: id, partition: 2 }) && !selection.has(LogId { topic: 5, partition: 3 })
            );
        }
        assert!(matches!(Selection::new(Some("unheard"), None, &names), Err(LogError::UnknownTopic(_))));
        assert_eq!(names.log(LogId { topic: id, partition: 3 }), "orders/3");
    }
}
