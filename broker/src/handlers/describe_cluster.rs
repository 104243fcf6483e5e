//! DescribeCluster: this node, which is the cluster.

use std::rc::Rc;

use wire::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse, ENDPOINT_TYPE_BROKERS,
    ENDPOINT_TYPE_CONTROLLERS,
};
use wire::metadata::AUTHORIZED_OPERATIONS_UNKNOWN;
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeClusterRequest::decode(request.version(), &mut request.body)?;
    let response = match body.endpoint_type {
        ENDPOINT_TYPE_BROKERS => describe(ctx, body.include_cluster_authorized_operations),
        ENDPOINT_TYPE_CONTROLLERS => refuse(
            body.endpoint_type,
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
        ),
        other => refuse(other, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type"),
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

/// What anybody may do with the cluster, as bits of Kafka's `AclOperation`: without rules, all that there is for a cluster.
/// Create, alter, describe, cluster action, describe and alter configs, idempotent write.
pub(super) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

fn describe(ctx: &Context, with_operations: bool) -> DescribeClusterResponse<'_> {
    let node = &ctx.node;
    DescribeClusterResponse {
        cluster_id: node.cluster_id.as_str().into(),
        controller_id: node.node_id.0,
        brokers: vec![DescribeClusterBroker {
            broker_id: node.node_id.0,
            host: node.host.as_str().into(),
            port: i32::from(node.port),
            rack: None,
            is_fenced: false,
        }],
        cluster_authorized_operations: if with_operations { CLUSTER_OPERATIONS } else { AUTHORIZED_OPERATIONS_UNKNOWN },
        ..DescribeClusterResponse::default()
    }
}

fn refuse(endpoint_type: i8, error_code: ErrorCode, message: &str) -> DescribeClusterResponse<'_> {
    DescribeClusterResponse { error_code, error_message: Some(message.into()), endpoint_type, ..Default::default() }
}
