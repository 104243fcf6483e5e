//! From a Fetch request to the partitions it means, with or without a session.

use std::rc::Rc;
use std::time::Instant;

use wire::fetch::{FetchPartition, FetchRequest};
use wire::{ErrorCode, Uuid};

use crate::ids::ShardId;
use crate::partition::fetch_sessions::{
    FetchSessions, PartitionKey, Resumed, SessionFault, SessionId, Told, TopicKey, Wanted,
};

/// From this version on topics are named by their ids.
const TOPIC_IDS_SINCE_VERSION: i16 = 13;
/// A full request that wants a session.
const INITIAL_EPOCH: i32 = 0;
/// A full request that wants none.
const FINAL_EPOCH: i32 = -1;

/// How a request relates to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Sessionless,
    /// The answer may begin a session.
    Opening {
        uses_ids: bool,
    },
    /// The answer tells only what is new.
    Incremental {
        session: (SessionId, i32),
    },
}

/// What the answer to a request says about its session.
pub(super) struct Concluded {
    pub(super) session_id: i32,
    /// Which partitions are told; all, if none.
    pub(super) is_told: Option<Vec<bool>>,
}

/// Finds the partitions a request means. Changes its session, if it has one.
pub(super) fn begin(
    sessions: &mut FetchSessions,
    now: Instant,
    version: i16,
    body: &FetchRequest<'_>,
) -> Result<(Mode, Vec<(PartitionKey, Wanted)>), ErrorCode> {
    let uses_ids = version >= TOPIC_IDS_SINCE_VERSION;
    let mut wanted = Vec::new();
    for topic in &body.topics {
        let key = topic_key(uses_ids, topic.topic, topic.topic_id);
        wanted.extend(
            topic.partitions.iter().map(|partition| {
                (PartitionKey { topic: key.clone(), index: partition.partition }, wanted_of(partition))
            }),
        );
    }
    let id = SessionId(body.session_id);
    if matches!(body.session_epoch, INITIAL_EPOCH | FINAL_EPOCH) {
        // A session that a full request names is not needed any more.
        sessions.close(id);
        let is_opening = body.session_epoch == INITIAL_EPOCH;
        return Ok((if is_opening { Mode::Opening { uses_ids } } else { Mode::Sessionless }, wanted));
    }
    let forgotten: Vec<PartitionKey> = body
        .forgotten_topics_data
        .iter()
        .flat_map(|topic| {
            let key = topic_key(uses_ids, topic.topic, topic.topic_id);
            topic.partitions.iter().map(move |&index| PartitionKey { topic: key.clone(), index })
        })
        .collect();
    let session = (id, body.session_epoch);
    match sessions.resume(now, session, uses_ids, wanted, &forgotten) {
        Ok(Resumed::Incremental(wanted)) => Ok((Mode::Incremental { session }, wanted)),
        Ok(Resumed::Emptied) => Ok((Mode::Sessionless, Vec::new())),
        Err(fault) => Err(code_of(fault)),
    }
}

/// Notes what is answered. `random` names the session if one begins.
pub(super) fn conclude(
    sessions: &mut FetchSessions,
    mode: Mode,
    now: Instant,
    (shard, shard_count): (ShardId, u16),
    random: impl FnOnce() -> u32,
    partitions: &[(PartitionKey, Wanted, Told)],
) -> Result<Concluded, ErrorCode> {
    match mode {
        Mode::Sessionless => Ok(Concluded { session_id: SessionId::NONE.0, is_told: None }),
        Mode::Opening { uses_ids } => {
            let id = session_id(random(), shard, shard_count);
            let opened = sessions.open(now, id, uses_ids, partitions.iter().cloned());
            Ok(Concluded { session_id: opened.unwrap_or(SessionId::NONE).0, is_told: None })
        }
        Mode::Incremental { session } => {
            let told = partitions.iter().map(|(key, _, told)| (key, *told));
            let is_told = sessions.answer(session, told).map_err(code_of)?;
            Ok(Concluded { session_id: session.0.0, is_told: Some(is_told) })
        }
    }
}

/// A positive id that no other shard gives: a client that connects anew may come to another shard with its old session,
/// and must not find somebody else's there.
fn session_id(random: u32, shard: ShardId, shard_count: u16) -> SessionId {
    let shards = i32::from(shard_count);
    let rows = i32::MAX / shards - 1;
    let row = 1 + i32::try_from(random >> 1).expect("31 bits") % rows;
    SessionId(row * shards + i32::from(shard.0))
}

fn topic_key(uses_ids: bool, name: &str, id: Uuid) -> TopicKey {
    if uses_ids { TopicKey::Id(id) } else { TopicKey::Name(Rc::from(name)) }
}

fn wanted_of(partition: &FetchPartition) -> Wanted {
    Wanted {
        fetch_offset: partition.fetch_offset,
        bytes_max: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
    }
}

fn code_of(fault: SessionFault) -> ErrorCode {
    match fault {
        SessionFault::Unknown => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        SessionFault::WrongEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        SessionFault::OtherKeys => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_positive_and_tell_the_shards_apart() {
        for shard_count in [1u16, 2, 7, 256] {
            for shard in ShardId::all(shard_count) {
                for random in [0, 1, 12_345, u32::MAX / 2, u32::MAX] {
                    let SessionId(id) = session_id(random, shard, shard_count);
                    assert!(id > 0);
                    assert_eq!(id % i32::from(shard_count), i32::from(shard.0));
                }
            }
        }
    }
}
