//! AlterConfigs: all configs of topics and nodes at once. What is not named goes back to its default.

use std::rc::Rc;

use wire::DecodeError;
use wire::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::Request;
use super::answer::refuse_above_limit;
use super::config_change::{Asked, alter};
use crate::controller::alter_configs::Wish;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = AlterConfigsRequest::decode(request.version(), &mut request.body)?;
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
        let response = AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn asked(resource: &AlterConfigsResource<'_>) -> Asked {
    let configs = resource.configs.iter().map(|config| (config.name.to_owned(), config.value.map(str::to_owned)));
    Asked {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.to_owned(),
        wish: Wish::Replace(configs.collect()),
    }
}
