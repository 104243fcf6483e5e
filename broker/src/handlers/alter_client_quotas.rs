//! AlterClientQuotas (KIP-546): the controller decides, and the answer comes when every shard follows the new quotas.

use std::rc::Rc;

use wire::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterEntryData, AlterEntryResponse, AlteredEntityData,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::answer::refuse_above_limit;
use super::error_codes;
use crate::controller::alter_quotas::{AlterQuotas, QuotaAlteration};
use crate::controller::{MetadataChange, Outcome};
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = AlterClientQuotasRequest::decode(request.version(), &mut request.body)?;
    if let Some(refused) = refuse_above_limit(body.entries.len()) {
        return Ok(refused);
    }
    let entries: Vec<QuotaAlteration> = body.entries.iter().map(asked).collect();
    let entities: Vec<_> = entries.iter().map(|entry| entry.parts.clone()).collect();
    let change = MetadataChange::AlterQuotas(AlterQuotas { entries, validate_only: body.validate_only });
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(change));
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let outcome = call.await.into_outcome();
        let entries = entities.iter().enumerate().map(|(place, parts)| {
            let (error_code, error_message) = judged(&outcome, place);
            let entity = parts.iter().map(|(kind, name)| AlteredEntityData {
                entity_type: kind.as_str().into(),
                entity_name: name.as_deref().map(Into::into),
            });
            AlterEntryResponse { error_code, error_message: error_message.map(Into::into), entity: entity.collect() }
        });
        let response = AlterClientQuotasResponse { entries: entries.collect(), ..Default::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn asked(entry: &AlterEntryData<'_>) -> QuotaAlteration {
    let parts = entry.entity.iter().map(|part| (part.entity_type.to_owned(), part.entity_name.map(str::to_owned)));
    let changes = entry.ops.iter().map(|op| (op.key.to_owned(), (!op.remove).then(|| op.value.get())));
    QuotaAlteration { parts: parts.collect(), changes: changes.collect() }
}

/// What became of the entity at this place.
fn judged(outcome: &Outcome, place: usize) -> (ErrorCode, Option<String>) {
    match outcome {
        Outcome::AlterQuotas(results) => match &results[place] {
            Ok(()) => (ErrorCode::NONE, None),
            // As in Kafka, the request is to blame for each of them.
            Err(fault) => (ErrorCode::INVALID_REQUEST, Some(fault.to_string())),
        },
        Outcome::Refused(refusal) => (error_codes::of_refusal(*refusal), Some(refusal.to_string())),
        other => unreachable!("quotas were to be changed, not {other:?}"),
    }
}
