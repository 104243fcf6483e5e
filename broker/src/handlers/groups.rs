//! What the handlers of groups share: from a group's name to the shard that coordinates it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use engine::LogId;

use super::answer::ReplyTo;
use super::routes::Routes;
use crate::controller::create_topics::NewTopic;
use crate::controller::{config_keys, names};
use crate::group::api::{GroupFault, GroupReply, GroupRequest};
use crate::group::{OFFSETS_TOPIC, partition_of};
use crate::mesh::message::{self, GroupCall};
use crate::mesh::{Call, placement};
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::partition::log_id;
use crate::shard::Context;

/// Asks the coordinator of one group, and answers with what `encode` makes of its reply.
pub(super) fn answer(
    ctx: &Rc<Context>,
    reply_to: ReplyTo,
    request: GroupRequest,
    encode: impl FnOnce(GroupReply, i16, &mut Vec<u8>) + 'static,
) -> Answer {
    let asking = ask(ctx, request);
    Answer::Later(Box::pin(async move {
        let reply = asking.await;
        reply_to.whole(|version, out| encode(reply, version, out))
    }))
}

/// Asks the coordinator of one group. The question is on its way when this returns.
pub(super) fn ask(ctx: &Rc<Context>, request: GroupRequest) -> Asking {
    let Some(log) = locate(ctx, request.group()) else { return Asking(Err(GroupFault::NotCoordinator)) };
    let owner = placement::owner(log.topic, log.partition, ctx.shard_count);
    let call = GroupCall { partition: log.partition, request };
    Asking(Ok(ctx.call(owner, message::Request::Group(vec![call]))))
}

/// Asks about several groups; the replies are in the order of the requests.
pub(super) fn ask_all(ctx: &Rc<Context>, requests: Vec<GroupRequest>) -> impl Future<Output = Vec<GroupReply>> + use<> {
    let mut replies: Vec<GroupReply> = vec![Err(GroupFault::NotCoordinator); requests.len()];
    let mut routes = Routes::new();
    for (place, request) in requests.into_iter().enumerate() {
        if let Some(log) = locate(ctx, request.group()) {
            routes.add(ctx, log, place, GroupCall { partition: log.partition, request });
        }
    }
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        places.push(route.places);
        calls.push(ctx.call(route.owner, message::Request::Group(route.items)));
    }
    async move {
        for (places, reply) in places.into_iter().zip(join_all(calls).await) {
            for (place, reply) in places.into_iter().zip(reply.into_groups()) {
                replies[place] = reply;
            }
        }
        replies
    }
}

/// The offsets topic as it is created when it is needed first.
pub(super) fn offsets_topic(ctx: &Context) -> NewTopic {
    let config = &ctx.config.groups;
    let configs = [
        (config_keys::CLEANUP_POLICY, config_keys::COMPACT.to_owned()),
        (config_keys::SEGMENT_BYTES, config.offsets_segment_bytes.to_string()),
        ("compression.type", "producer".to_owned()),
        // A commit is answered when it is on stable storage, whatever other topics do.
        (config_keys::DURABILITY, config_keys::DURABLE.to_owned()),
    ];
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: i32::try_from(config.offsets_partitions).expect("bounded by PARTITIONS_PER_TOPIC_MAX"),
        replication_factor: -1,
        assignments: Vec::new(),
        configs: configs.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect(),
        id: super::create_topics::new_topic_id(),
    }
}

/// Whether clients may only read a topic.
pub(super) fn is_read_only(topic: &str) -> bool {
    names::is_internal(topic)
}

/// The partition that a group belongs to; none as long as there is no offsets topic.
fn locate(ctx: &Context, group: &str) -> Option<LogId> {
    let image = ctx.image.borrow();
    let topic = image.topic(OFFSETS_TOPIC)?;
    Some(log_id(topic.id, partition_of(group, topic.partitions)))
}

/// A reply that is waited for.
pub(super) struct Asking(Result<Call, GroupFault>);

impl Future for Asking {
    type Output = GroupReply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<GroupReply> {
        match &mut self.0 {
            Err(fault) => Poll::Ready(Err(fault.clone())),
            Ok(call) => Pin::new(call).poll(cx).map(|reply| reply.into_groups().pop().expect("one call, one reply")),
        }
    }
}
