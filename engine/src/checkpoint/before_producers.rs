//! Version 2 of the checkpoint, from before there were producers in it. It is read as if the logs had none: a producer that was at work
//! is taken at its next sequence, and only what it sends again of what was stored before is not recognized.

#![forbid(unsafe_code)]

use std::sync::Arc;

use batch::{LeaderEpoch, Offset};
use rkyv::with::Map;
use rkyv::{Archive, Deserialize, Serialize};

use super::{
    Checkpoint, EpochStart, GroupSeqBytes, IndexEntry, JournalFileIdBytes, LogCheckpoint, LogIdBytes, OffsetBytes,
    SegmentCheckpoint,
};
use crate::ids::{GroupSeq, JournalFileId, LogId};

/// The version that these structures are.
pub(super) const VERSION: u16 = 2;

#[derive(Archive, Serialize, Deserialize)]
pub(super) struct EarlierCheckpoint {
    shard: u32,
    seq: u64,
    #[rkyv(with = GroupSeqBytes)]
    replay_from: GroupSeq,
    #[rkyv(with = GroupSeqBytes)]
    last_group: GroupSeq,
    last_group_checksum: u32,
    #[rkyv(with = GroupSeqBytes)]
    durable_seq: GroupSeq,
    #[rkyv(with = JournalFileIdBytes)]
    last_file: JournalFileId,
    logs: Vec<EarlierLog>,
}

#[derive(Archive, Serialize, Deserialize)]
struct EarlierLog {
    #[rkyv(with = LogIdBytes)]
    log: LogId,
    #[rkyv(with = OffsetBytes)]
    log_start_offset: Offset,
    segments: Vec<SegmentCheckpoint>,
    #[rkyv(with = OffsetBytes)]
    next_offset: Offset,
    flushed_position: u64,
    tail_block: Vec<u8>,
    active_index: Vec<IndexEntry>,
    #[rkyv(with = Map<EpochStart>)]
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    #[rkyv(with = OffsetBytes)]
    cleaned_until: Offset,
}

impl From<EarlierCheckpoint> for Checkpoint {
    fn from(earlier: EarlierCheckpoint) -> Checkpoint {
        Checkpoint {
            shard: earlier.shard,
            seq: earlier.seq,
            replay_from: earlier.replay_from,
            last_group: earlier.last_group,
            last_group_checksum: earlier.last_group_checksum,
            durable_seq: earlier.durable_seq,
            last_file: earlier.last_file,
            logs: earlier.logs.into_iter().map(LogCheckpoint::from).map(Arc::new).collect(),
        }
    }
}

impl From<EarlierLog> for LogCheckpoint {
    fn from(earlier: EarlierLog) -> LogCheckpoint {
        LogCheckpoint {
            log: earlier.log,
            log_start_offset: earlier.log_start_offset,
            segments: earlier.segments,
            next_offset: earlier.next_offset,
            flushed_position: earlier.flushed_position,
            tail_block: earlier.tail_block,
            active_index: earlier.active_index,
            leader_epochs: earlier.leader_epochs,
            cleaned_until: earlier.cleaned_until,
            producers: Vec::new(),
        }
    }
}
