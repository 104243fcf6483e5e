//! DescribeClientQuotas (KIP-546): every shard knows the quotas, so this one answers.

use std::collections::BTreeSet;
use std::rc::Rc;

use wire::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData, MATCH_DEFAULT,
    MATCH_EXACT, MATCH_SPECIFIED, ValueData,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::net::Answer;
use crate::quota::{Entity, EntityKind, Filter, Match};
use crate::shard::Context;

type Refusal = (ErrorCode, String);

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeClientQuotasRequest::decode(request.version(), &mut request.body)?;
    let image = ctx.image.borrow();
    let response = match filter(&body) {
        Ok(filter) => {
            let through = image.quotas().iter().filter(|(entity, _)| filter.lets_through(entity));
            let entries = through.map(|(entity, quotas)| EntryData {
                entity: parts(entity),
                values: quotas
                    .iter()
                    .map(|(key, &rate)| ValueData { key: key.name().into(), value: rate.into() })
                    .collect(),
            });
            DescribeClientQuotasResponse { entries: Some(entries.collect()), ..Default::default() }
        }
        Err((error_code, message)) => DescribeClientQuotasResponse {
            error_code,
            error_message: Some(message.into()),
            entries: None,
            ..Default::default()
        },
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn parts(entity: &Entity) -> Vec<EntityData<'_>> {
    let part = |(kind, name): (EntityKind, Option<&'_ str>)| EntityData {
        entity_type: kind.name().into(),
        entity_name: name.map(|name| name.to_owned().into()),
    };
    entity.parts().map(part).collect()
}

/// Kafka's rules (`ClientQuotasImage.describe`).
fn filter(body: &DescribeClientQuotasRequest<'_>) -> Result<Filter, Refusal> {
    let mut kinds = BTreeSet::new();
    let parts = body.components.iter().map(|component| {
        let (kind, wanted) = read(component)?;
        if !kinds.insert(kind) {
            let message = format!("Entity type {} cannot appear more than once in the filter.", kind.name());
            return Err((ErrorCode::INVALID_REQUEST, message));
        }
        Ok((kind, wanted))
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    if kinds.contains(&EntityKind::Ip) && kinds.len() > 1 {
        let message = "Invalid entity filter component combination: ip stands alone.".to_owned();
        return Err((ErrorCode::INVALID_REQUEST, message));
    }
    Ok(Filter { parts, is_strict: body.strict })
}

fn read(component: &ComponentData<'_>) -> Result<(EntityKind, Match), Refusal> {
    let invalid = |message: String| Err((ErrorCode::INVALID_REQUEST, message));
    let unsupported = |message: String| (ErrorCode::UNSUPPORTED_VERSION, message);
    if component.entity_type.is_empty() {
        return invalid("Invalid empty entity type.".to_owned());
    }
    let kind = EntityKind::named(component.entity_type);
    let kind = kind.ok_or_else(|| unsupported(format!("Unsupported entity type {}.", component.entity_type)))?;
    let wanted = match (component.match_type, component._match) {
        (MATCH_EXACT, Some(name)) => Match::Exactly(Some(name.to_owned())),
        (MATCH_EXACT, None) => return invalid("An exact match needs a name, and there is none.".to_owned()),
        (MATCH_DEFAULT, None) => Match::Exactly(None),
        (MATCH_SPECIFIED, None) => Match::Any,
        (MATCH_DEFAULT | MATCH_SPECIFIED, Some(name)) => {
            return invalid(format!("Only an exact match has a name, and this one has {name}."));
        }
        (other, _) => return Err(unsupported(format!("Unknown match type {other}"))),
    };
    Ok((kind, wanted))
}
