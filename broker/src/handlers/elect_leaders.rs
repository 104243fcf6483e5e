//! ElectLeaders: the one replica of a partition leads it already, whichever kind of election is asked for.

use std::rc::Rc;

use wire::elect_leaders::{
    ELECTION_PREFERRED, ELECTION_UNCLEAN, ElectLeadersRequest, ElectLeadersResponse, PartitionResult,
    ReplicaElectionResult, TopicPartitions,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::answer::refuse_above_limit;
use crate::controller::Topic;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = ElectLeadersRequest::decode(request.version(), &mut request.body)?;
    let asked = body.topic_partitions.iter().flatten().map(|topic| topic.partitions.len()).sum();
    if let Some(refused) = refuse_above_limit(asked) {
        return Ok(refused);
    }
    let mut response = ElectLeadersResponse::default();
    let image = ctx.image.borrow();
    match (&body.topic_partitions, body.election_type) {
        (Some(topics), ELECTION_PREFERRED | ELECTION_UNCLEAN) => {
            let results = topics.iter().map(|topic| results_of(topic, image.topic(topic.topic).map(Rc::as_ref)));
            response.replica_election_results = results.collect();
        }
        // Who asks for all partitions is told of those that needed an election: none did.
        (None, ELECTION_PREFERRED | ELECTION_UNCLEAN) => {}
        _ => response.error_code = ErrorCode::INVALID_REQUEST,
    }
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn results_of<'a>(asked: &TopicPartitions<'a>, known: Option<&Topic>) -> ReplicaElectionResult<'a> {
    let result = |&index: &i32| {
        let (error_code, message) = match known {
            None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such topic as {}", asked.topic)),
            Some(topic) if topic.partition(index).is_none() => {
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("No such partition as {}-{index}", asked.topic))
            }
            Some(_) => (ErrorCode::ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.".to_owned()),
        };
        PartitionResult { partition_id: index, error_code, error_message: Some(message.into()) }
    };
    ReplicaElectionResult { topic: asked.topic.into(), partition_result: asked.partitions.iter().map(result).collect() }
}
