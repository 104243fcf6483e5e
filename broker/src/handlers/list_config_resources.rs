//! ListConfigResources: what has settings, or may have them (`KafkaApis.handleListConfigResources`).

use std::rc::Rc;

use wire::describe_configs::{RESOURCE_TYPE_BROKER, RESOURCE_TYPE_GROUP, RESOURCE_TYPE_TOPIC};
use wire::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse, RESOURCE_TYPE_BROKER_LOGGER,
    RESOURCE_TYPE_CLIENT_METRICS,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::controller::image::Image;
use crate::net::Answer;
use crate::shard::Context;

/// All types, in the order of their numbers.
const TYPES: [i8; 5] = [
    RESOURCE_TYPE_TOPIC,
    RESOURCE_TYPE_BROKER,
    RESOURCE_TYPE_BROKER_LOGGER,
    RESOURCE_TYPE_CLIENT_METRICS,
    RESOURCE_TYPE_GROUP,
];
/// From this version on clients may ask about more than subscriptions to metrics.
const TYPES_SINCE: i16 = 1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = ListConfigResourcesRequest::decode(request.version(), &mut request.body)?;
    let is_new = request.version() >= TYPES_SINCE;
    let is_wanted = |kind: i8| is_new && (body.resource_types.is_empty() || body.resource_types.contains(&kind));
    let image = ctx.image.borrow();
    let node = ctx.node.node_id.to_string();
    let response = if body.resource_types.iter().all(|kind| TYPES.contains(kind)) {
        let wanted = TYPES.into_iter().filter(|&kind| is_wanted(kind));
        let resources = wanted.flat_map(|kind| {
            let names = names(&image, &node, kind).into_iter();
            names.map(move |name| ConfigResource { resource_name: name.into(), resource_type: kind })
        });
        ListConfigResourcesResponse { config_resources: resources.collect(), ..Default::default() }
    } else {
        ListConfigResourcesResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

/// There are no subscriptions to metrics.
fn names<'a>(image: &'a Image, node: &'a str, kind: i8) -> Vec<&'a str> {
    match kind {
        RESOURCE_TYPE_TOPIC => image.topics().map(|topic| topic.name.as_str()).collect(),
        RESOURCE_TYPE_BROKER | RESOURCE_TYPE_BROKER_LOGGER => vec![node],
        RESOURCE_TYPE_GROUP => image.group_configs().keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}
