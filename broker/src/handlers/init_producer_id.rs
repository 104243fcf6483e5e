//! InitProducerId: an id for an idempotent producer. As in Kafka, one without a transactional id gets a new id with epoch 0
//! each time, also when it names the id it has.

use std::rc::Rc;

use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes};
use crate::controller::{MetadataChange, Outcome, Refusal};
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

/// "None", for ids and for epochs.
const NONE: i64 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = InitProducerIdRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    if let Some(error_code) = refusal(&body) {
        let response = refused(error_code);
        return Ok(reply_to.ready(|version, out| response.encode(version, out)));
    }
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(MetadataChange::AllocateProducerId));
    Ok(Answer::Later(Box::pin(async move {
        let response = match call.await.into_outcome() {
            Outcome::ProducerId(Ok(producer_id)) => InitProducerIdResponse { producer_id, ..Default::default() },
            Outcome::ProducerId(Err(_exhausted)) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
            // What a producer takes as a reason to try again.
            Outcome::Refused(Refusal::Busy) => refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Outcome::Refused(refusal) => refused(error_codes::of_refusal(refusal)),
            other => unreachable!("an id was asked for, not {other:?}"),
        };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn refusal(body: &InitProducerIdRequest<'_>) -> Option<ErrorCode> {
    match body.transactional_id {
        Some("") => return Some(ErrorCode::INVALID_REQUEST),
        // There are no transactions yet. Clients take this code as final and say so at once, with the transactional id in
        // their message; COORDINATOR_NOT_AVAILABLE and its like they would try again until they time out.
        Some(_) => return Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        None => {}
    }
    let has_id = body.producer_id != NONE;
    let has_epoch = i64::from(body.producer_epoch) != NONE;
    (has_id != has_epoch).then_some(ErrorCode::INVALID_REQUEST)
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code, producer_id: NONE, producer_epoch: NONE as i16, ..Default::default() }
}
