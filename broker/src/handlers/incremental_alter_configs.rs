//! IncrementalAlterConfigs: single configs of topics and nodes.

use std::rc::Rc;

use wire::DecodeError;
use wire::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, OPERATION_APPEND, OPERATION_DELETE, OPERATION_SET, OPERATION_SUBTRACT,
};

use super::Request;
use super::answer::refuse_above_limit;
use super::config_change::{Asked, alter};
use crate::controller::alter_configs::{KeyChange, Operation, Wish};
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = IncrementalAlterConfigsRequest::decode(request.version(), &mut request.body)?;
    if let Some(refused) = refuse_above_limit(body.resources.len()) {
        return Ok(refused);
    }
    let altered = alter(ctx, body.resources.iter().map(asked).collect(), body.validate_only);
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let altered = altered.await;
        let responses = altered.iter().map(|altered| AlterConfigsResourceResponse {
            error_code: altered.error_code,
            error_message: altered.message.as_deref().map(Into::into),
            resource_type: altered.resource_type,
            resource_name: altered.resource_name.as_str().into(),
        });
        let response = IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn asked(resource: &AlterConfigsResource<'_>) -> Asked {
    Asked {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.to_owned(),
        wish: Wish::Change(resource.configs.iter().map(key_change).collect()),
    }
}

fn key_change(config: &AlterableConfig<'_>) -> KeyChange {
    let operation = match config.config_operation {
        OPERATION_SET => Operation::Set,
        OPERATION_DELETE => Operation::Delete,
        OPERATION_APPEND => Operation::Append,
        OPERATION_SUBTRACT => Operation::Subtract,
        other => Operation::Unknown(other),
    };
    KeyChange { name: config.name.to_owned(), operation, value: config.value.map(str::to_owned) }
}
