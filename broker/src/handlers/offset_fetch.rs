//! OffsetFetch: how far groups have come. What is answered is on stable storage.
//!
//! There are no transactions, so every offset is stable, and `require_stable` asks for nothing more.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use wire::{DecodeError, ErrorCode, Uuid};

use super::topic_named::TopicNamed;
use super::{Request, error_codes, groups};
use crate::controller::image::Image;
use crate::group::api::{FetchOffsets, FetchedOffsets, GroupAnswer, GroupReply, GroupRequest};
use crate::group::offsets::Committed;
use crate::net::Answer;
use crate::shard::Context;

/// "Nothing was committed", which is no error.
const NO_OFFSET: i64 = -1;
/// "Unknown", for epochs of leaders and members.
const NO_EPOCH: i32 = -1;
/// From this version on a request asks about several groups.
const GROUPS_SINCE: i16 = 8;
/// From this version on what goes wrong with all of it has a code of its own.
const ERROR_CODE_SINCE: i16 = 2;
/// From this version on topics are told by their ids.
const TOPIC_IDS_SINCE: i16 = 10;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = OffsetFetchRequest::decode(version, &mut request.body)?;
    if version < GROUPS_SINCE {
        let wanted = body.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.name.to_owned(), topic.partition_indexes)).collect::<Vec<_>>()
        });
        let fetch =
            FetchOffsets { group: body.group_id.to_owned(), member: None, epoch: NO_EPOCH, wanted: wanted.clone() };
        return Ok(groups::answer(ctx, request.reply_to, GroupRequest::Fetch(fetch), move |reply, version, out| {
            respond_to_one(reply, wanted, version, out);
        }));
    }
    let (asked, requests): (Vec<Asked>, Vec<GroupRequest>) = {
        let image = ctx.image.borrow();
        body.groups.into_iter().map(|group| Asked::new(&image, version >= TOPIC_IDS_SINCE, group)).unzip()
    };
    let replies = groups::ask_all(ctx, requests);
    let reply_to = request.reply_to;
    let ctx = Rc::clone(ctx);
    Ok(Answer::Later(Box::pin(async move {
        let results: Vec<_> = replies.await.into_iter().map(to_offsets).collect();
        let image = ctx.image.borrow();
        let groups = asked.iter().zip(&results).map(|(asked, result)| asked.to_wire(&image, result));
        let response = OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// What was asked about one group, as far as the answer repeats it.
struct Asked {
    group: String,
    /// Where topics are told by their ids: the ids of those that were asked for, by their names.
    ids: Option<BTreeMap<String, Uuid>>,
    /// The topics that were asked for and are not known.
    unknown: Vec<(Uuid, Vec<i32>)>,
}

impl Asked {
    fn new(image: &Image, has_ids: bool, group: OffsetFetchRequestGroup<'_>) -> (Self, GroupRequest) {
        let mut asked =
            Self { group: group.group_id.to_owned(), ids: has_ids.then(BTreeMap::new), unknown: Vec::new() };
        let wanted = group.topics.map(|topics| {
            let mut wanted = Vec::with_capacity(topics.len());
            for topic in topics {
                match &mut asked.ids {
                    // A group may have offsets of a topic that is gone, and its name is enough to tell them.
                    None => wanted.push((topic.name.to_owned(), topic.partition_indexes)),
                    Some(ids) => match TopicNamed::Id(topic.topic_id).find(image) {
                        Ok(known) => {
                            ids.insert(known.name.clone(), topic.topic_id);
                            wanted.push((known.name.clone(), topic.partition_indexes));
                        }
                        Err(_) => asked.unknown.push((topic.topic_id, topic.partition_indexes)),
                    },
                }
            }
            wanted
        });
        let request = GroupRequest::Fetch(FetchOffsets {
            group: asked.group.clone(),
            member: group.member_id.map(str::to_owned),
            epoch: group.member_epoch,
            wanted,
        });
        (asked, request)
    }

    fn to_wire<'a>(
        &'a self,
        image: &Image,
        result: &'a Result<FetchedOffsets, ErrorCode>,
    ) -> OffsetFetchResponseGroup<'a> {
        let mut topics = Vec::new();
        for (name, partitions) in result.iter().flatten() {
            // A topic without an id cannot be told; as in Kafka it is left out.
            let Some(topic_id) = self.id(image, name) else { continue };
            let partitions = partitions.iter().map(|(index, found)| partition_of_group(*index, found, ErrorCode::NONE));
            topics.push(OffsetFetchResponseTopics {
                name: name.as_str().into(),
                topic_id,
                partitions: partitions.collect(),
            });
        }
        if result.is_ok() {
            topics.extend(self.unknown.iter().map(|(topic_id, partitions)| {
                OffsetFetchResponseTopics {
                    topic_id: *topic_id,
                    partitions: partitions
                        .iter()
                        .map(|index| partition_of_group(*index, &None, ErrorCode::UNKNOWN_TOPIC_ID))
                        .collect(),
                    ..OffsetFetchResponseTopics::default()
                }
            }));
        }
        OffsetFetchResponseGroup {
            group_id: self.group.as_str().into(),
            topics,
            error_code: result.as_ref().err().copied().unwrap_or(ErrorCode::NONE),
        }
    }

    fn id(&self, image: &Image, name: &str) -> Option<Uuid> {
        let Some(ids) = &self.ids else { return Some(Uuid::default()) };
        ids.get(name).copied().or_else(|| image.topic(name).map(|topic| topic.id.to_wire()))
    }
}

fn to_offsets(reply: GroupReply) -> Result<FetchedOffsets, ErrorCode> {
    match reply {
        Ok(GroupAnswer::Fetched(offsets)) => Ok(offsets),
        Ok(other) => unreachable!("offsets were asked for, not {other:?}"),
        Err(fault) => Err(error_codes::of_group(&fault)),
    }
}

fn respond_to_one(reply: GroupReply, wanted: Option<Vec<(String, Vec<i32>)>>, version: i16, out: &mut Vec<u8>) {
    let (offsets, error_code) = match to_offsets(reply) {
        Ok(offsets) => (offsets, ErrorCode::NONE),
        // The oldest clients read a code at each partition only.
        Err(error_code) if version < ERROR_CODE_SINCE => {
            let nothing = |partitions: Vec<i32>| partitions.into_iter().map(|index| (index, None)).collect();
            let wanted = wanted.into_iter().flatten();
            (wanted.map(|(topic, partitions)| (topic, nothing(partitions))).collect(), error_code)
        }
        Err(error_code) => (Vec::new(), error_code),
    };
    let partition_code = if version < ERROR_CODE_SINCE { error_code } else { ErrorCode::NONE };
    let topics = offsets.iter().map(|(name, partitions)| OffsetFetchResponseTopic {
        name: name.as_str().into(),
        partitions: partitions.iter().map(|(index, found)| partition_to_wire(*index, found, partition_code)).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code, ..OffsetFetchResponse::default() }.encode(version, out);
}

fn partition_to_wire(
    partition_index: i32,
    found: &Option<Committed>,
    error_code: ErrorCode,
) -> OffsetFetchResponsePartition<'_> {
    let found = found.as_ref();
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: found.map_or(NO_OFFSET, |committed| committed.offset),
        committed_leader_epoch: found.map_or(NO_EPOCH, |committed| committed.leader_epoch),
        metadata: Some(found.map_or("", |committed| &committed.metadata).into()),
        error_code,
    }
}

fn partition_of_group(
    index: i32,
    found: &Option<Committed>,
    error_code: ErrorCode,
) -> OffsetFetchResponsePartitions<'_> {
    let one = partition_to_wire(index, found, error_code);
    OffsetFetchResponsePartitions {
        partition_index: one.partition_index,
        committed_offset: one.committed_offset,
        committed_leader_epoch: one.committed_leader_epoch,
        metadata: one.metadata,
        error_code: one.error_code,
    }
}
