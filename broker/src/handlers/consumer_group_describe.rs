//! ConsumerGroupDescribe.

use std::rc::Rc;

use wire::consumer_group_describe::{
    Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member, TopicPartitions,
};
use wire::describe_groups::AUTHORIZED_OPERATIONS_UNKNOWN;
use wire::{DecodeError, ErrorCode};

use super::describe_groups::GROUP_OPERATIONS;
use super::{Request, error_codes, groups};
use crate::group::api::{
    DescribedConsumer, DescribedConsumerMember, GroupAnswer, GroupFault, GroupReply, GroupRequest, NamedAssignment,
};
use crate::net::Answer;
use crate::shard::Context;

/// What Kafka calls a member by its protocol (KIP-1099).
const CLASSIC_MEMBER: i8 = 0;
const CONSUMER_MEMBER: i8 = 1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = ConsumerGroupDescribeRequest::decode(request.version(), &mut request.body)?;
    let names: Vec<String> = body.group_ids.iter().map(|&name| name.to_owned()).collect();
    let operations = if body.include_authorized_operations { GROUP_OPERATIONS } else { AUTHORIZED_OPERATIONS_UNKNOWN };
    let requests = names.iter().map(|group| GroupRequest::DescribeConsumer { group: group.clone() });
    let replies = groups::ask_all(ctx, requests.collect());
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let described: Vec<_> = replies.await.into_iter().map(described).collect();
        let groups = names.iter().zip(&described).map(|(name, described)| to_wire(name, described, operations));
        let response =
            ConsumerGroupDescribeResponse { groups: groups.collect(), ..ConsumerGroupDescribeResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn described(reply: GroupReply) -> Result<Box<DescribedConsumer>, GroupFault> {
    match reply {
        Ok(GroupAnswer::DescribedConsumer(described)) => Ok(described),
        Ok(other) => unreachable!("a group was to be described, not {other:?}"),
        Err(fault) => Err(fault),
    }
}

fn to_wire<'a>(
    name: &'a str,
    described: &'a Result<Box<DescribedConsumer>, GroupFault>,
    authorized_operations: i32,
) -> DescribedGroup<'a> {
    let described = match described {
        Ok(described) => described,
        Err(fault) => {
            let error_message = match fault {
                GroupFault::OtherProtocol => format!("Group {name} is not a consumer group."),
                GroupFault::NotFound => format!("Group {name} not found."),
                other => other.to_string(),
            };
            return DescribedGroup {
                error_code: error_codes::of_group(fault),
                error_message: Some(error_message.into()),
                group_id: name.into(),
                ..DescribedGroup::default()
            };
        }
    };
    DescribedGroup {
        error_code: ErrorCode::NONE,
        group_id: name.into(),
        group_state: described.state.into(),
        group_epoch: described.epoch,
        assignment_epoch: described.target_epoch,
        assignor_name: described.assignor.into(),
        members: described.members.iter().map(member).collect(),
        authorized_operations,
        ..DescribedGroup::default()
    }
}

fn member(member: &DescribedConsumerMember) -> Member<'_> {
    let profile = &member.profile;
    Member {
        member_id: member.id.as_str().into(),
        instance_id: profile.instance.as_deref().map(Into::into),
        rack_id: profile.rack.as_deref().map(Into::into),
        member_epoch: member.epoch,
        client_id: profile.client_id.as_str().into(),
        client_host: profile.client_host.as_str().into(),
        subscribed_topic_names: profile.topics.iter().map(|name| name.as_str().into()).collect(),
        subscribed_topic_regex: profile.pattern.as_deref().map(Into::into),
        assignment: assignment(&member.assigned),
        target_assignment: assignment(&member.target),
        member_type: if profile.classic.is_some() { CLASSIC_MEMBER } else { CONSUMER_MEMBER },
    }
}

fn assignment(named: &NamedAssignment) -> Assignment<'_> {
    let topics = named.iter().map(|(id, name, partitions)| TopicPartitions {
        topic_id: id.to_wire(),
        topic_name: name.as_str().into(),
        partitions: partitions.clone(),
    });
    Assignment { topic_partitions: topics.collect() }
}
