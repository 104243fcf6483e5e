//! One file per Kafka API: a wire request becomes calls to owners and the controller, their replies a wire response.
//!
//! Handlers hold no state, and only they choose Kafka's error codes. What the order of a connection's requests decides
//! (the calls to owners) happens before [`handle`] returns; what it returns only waits.

mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod answer;
mod api_versions;
mod config_change;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_group_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod elect_leaders;
mod error_codes;
mod fetch;
mod fetch_answer;
mod fetch_session;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod mutations;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod produce_intake;
mod routes;
mod sync_group;
mod topic_named;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use wire::{ApiKey, DecodeError, Reader, RequestHeader, supports};

use self::answer::ReplyTo;
use crate::metrics::Timeline;
use crate::net::{Answer, Budget, RequestFrame};
use crate::quota::run::Tariff;
use crate::shard::Context;

/// A request whose header has been read.
struct Request<'a> {
    /// The whole frame without its length; what is decoded borrows from it.
    frame: &'a Bytes,
    /// Stands at the body.
    body: Reader<'a>,
    reply_to: ReplyTo,
    /// The name that the client gives itself; empty if none.
    client_id: &'a str,
    peer: SocketAddr,
    received: Instant,
    /// Its way up to the handler.
    timeline: Timeline,
    /// See [`RequestFrame::turn`].
    turn: &'a Rc<Budget>,
    /// See [`RequestFrame::tariff`].
    tariff: Option<&'a Tariff>,
}

impl Request<'_> {
    fn version(&self) -> i16 {
        self.reply_to.version
    }
}

/// Starts a request. The connection is closed, as Kafka does it, when the request is not one that this broker speaks:
/// without knowing the version nothing can be answered that the client would understand.
pub fn handle(ctx: &Rc<Context>, frame: RequestFrame) -> Answer {
    let mut reader = Reader::new(&frame.bytes);
    let header = match RequestHeader::decode(&mut reader) {
        Ok(header) => header,
        Err(error) => return malformed("header", error),
    };
    let Some(key) = ApiKey::from_i16(header.api_key) else {
        return Answer::Close(format!("API key {} is not supported", header.api_key));
    };
    let version = header.api_version;
    let reply_to = ReplyTo { key, version, correlation_id: header.correlation_id };
    if !supports(key, version) {
        // The one request a client sends without knowing the versions, so it is told them (KIP-511).
        return match key {
            ApiKey::ApiVersions => api_versions::refuse(reply_to),
            _ => Answer::Close(format!("{} version {version} is not supported", key.name())),
        };
    }
    let request = Request {
        frame: &frame.bytes,
        body: reader,
        reply_to,
        client_id: header.client_id.unwrap_or_default(),
        peer: frame.peer,
        received: frame.received,
        timeline: frame.timeline,
        turn: &frame.turn,
        tariff: frame.tariff.as_deref(),
    };
    dispatch(ctx, request).unwrap_or_else(|error| malformed(key.name(), error))
}

fn dispatch(ctx: &Rc<Context>, request: Request<'_>) -> Result<Answer, DecodeError> {
    match request.reply_to.key {
        ApiKey::Produce => produce::handle(ctx, request),
        ApiKey::Fetch => fetch::handle(ctx, request),
        ApiKey::ListOffsets => list_offsets::handle(ctx, request),
        ApiKey::Metadata => metadata::handle(ctx, request),
        ApiKey::OffsetCommit => offset_commit::handle(ctx, request),
        ApiKey::OffsetFetch => offset_fetch::handle(ctx, request),
        ApiKey::FindCoordinator => find_coordinator::handle(ctx, request),
        ApiKey::JoinGroup => join_group::handle(ctx, request),
        ApiKey::Heartbeat => heartbeat::handle(ctx, request),
        ApiKey::LeaveGroup => leave_group::handle(ctx, request),
        ApiKey::SyncGroup => sync_group::handle(ctx, request),
        ApiKey::DescribeGroups => describe_groups::handle(ctx, request),
        ApiKey::ListGroups => list_groups::handle(ctx, request),
        ApiKey::ApiVersions => api_versions::handle(request),
        ApiKey::CreateTopics => create_topics::handle(ctx, request),
        ApiKey::DeleteTopics => delete_topics::handle(ctx, request),
        ApiKey::DeleteRecords => delete_records::handle(ctx, request),
        ApiKey::InitProducerId => init_producer_id::handle(ctx, request),
        ApiKey::OffsetForLeaderEpoch => offset_for_leader_epoch::handle(ctx, request),
        ApiKey::DescribeAcls => describe_acls::handle(request),
        ApiKey::CreateAcls => create_acls::handle(request),
        ApiKey::DeleteAcls => delete_acls::handle(request),
        ApiKey::DescribeConfigs => describe_configs::handle(ctx, request),
        ApiKey::DeleteGroups => delete_groups::handle(ctx, request),
        ApiKey::OffsetDelete => offset_delete::handle(ctx, request),
        ApiKey::DescribeProducers => describe_producers::handle(ctx, request),
        ApiKey::AlterConfigs => alter_configs::handle(ctx, request),
        ApiKey::DescribeLogDirs => describe_log_dirs::handle(ctx, request),
        ApiKey::CreatePartitions => create_partitions::handle(ctx, request),
        ApiKey::ElectLeaders => elect_leaders::handle(ctx, request),
        ApiKey::IncrementalAlterConfigs => incremental_alter_configs::handle(ctx, request),
        ApiKey::AlterPartitionReassignments => alter_partition_reassignments::handle(ctx, request),
        ApiKey::ListPartitionReassignments => list_partition_reassignments::handle(request),
        ApiKey::DescribeClientQuotas => describe_client_quotas::handle(ctx, request),
        ApiKey::AlterClientQuotas => alter_client_quotas::handle(ctx, request),
        ApiKey::DescribeCluster => describe_cluster::handle(ctx, request),
        ApiKey::ConsumerGroupHeartbeat => consumer_group_heartbeat::handle(ctx, request),
        ApiKey::ConsumerGroupDescribe => consumer_group_describe::handle(ctx, request),
        ApiKey::ListConfigResources => list_config_resources::handle(ctx, request),
        ApiKey::DescribeTopicPartitions => describe_topic_partitions::handle(ctx, request),
    }
}

fn malformed(what: &str, error: DecodeError) -> Answer {
    Answer::Close(format!("{what} is malformed: {error}"))
}
