//! DescribeLogDirs: the data directory, how large each partition in it is, and how much room its file system has.

use std::rc::Rc;

use engine::disk::free_space;
use wire::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::answer::refuse_above_limit;
use super::routes::Routes;
use crate::controller::Topic;
use crate::controller::image::Image;
use crate::mesh::message;
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::partition::log_id;
use crate::shard::Context;

/// What is not known.
const UNKNOWN: i64 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeLogDirsRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    let asked = body.topics.iter().flatten().map(|topic| topic.partitions.len()).sum();
    if let Some(refused) = refuse_above_limit(asked) {
        return Ok(refused);
    }
    let wanted = wanted(&ctx.image.borrow(), &body);
    let mut routes = Routes::new();
    let mut sizes: Vec<Option<u64>> = Vec::new();
    for (topic, partitions) in &wanted {
        for &partition in partitions {
            let log = log_id(topic.id, partition);
            routes.add(ctx, log, sizes.len(), log);
            sizes.push(None);
        }
    }
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        places.push(route.places);
        calls.push(ctx.call(route.owner, message::Request::LogSizes(route.items)));
    }
    let ctx = Rc::clone(ctx);
    Ok(Answer::Later(Box::pin(async move {
        let mut has_failed = ctx.engine.failed();
        for (places, reply) in places.into_iter().zip(join_all(calls).await) {
            let answered = reply.into_log_sizes();
            has_failed |= answered.has_failed;
            for (place, bytes) in places.into_iter().zip(answered.bytes) {
                sizes[place] = bytes;
            }
        }
        let error_code = if has_failed { ErrorCode::KAFKA_STORAGE_ERROR } else { ErrorCode::NONE };
        let directory = directory(&ctx, error_code, topics(&wanted, &sizes));
        let response = DescribeLogDirsResponse { results: vec![directory], ..DescribeLogDirsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

type Wanted = Vec<(Rc<Topic>, Vec<u32>)>;

/// What is asked for and exists; of the rest Kafka says nothing either.
fn wanted(image: &Image, body: &DescribeLogDirsRequest<'_>) -> Wanted {
    let Some(asked) = &body.topics else {
        return image.topics().map(|topic| (Rc::clone(topic), (0..topic.partitions).collect())).collect();
    };
    let known = asked.iter().filter_map(|asked| {
        let topic = image.topic(asked.topic)?;
        let partitions = asked.partitions.iter().filter_map(|&index| topic.partition(index)).collect();
        Some((Rc::clone(topic), partitions))
    });
    known.collect()
}

/// A partition that was deleted meanwhile is left out.
fn topics<'a>(wanted: &'a Wanted, sizes: &[Option<u64>]) -> Vec<DescribeLogDirsTopic<'a>> {
    let mut sizes = sizes.iter();
    let described = wanted.iter().map(|(topic, partitions)| {
        let sized = partitions.iter().zip(sizes.by_ref()).filter_map(|(&partition, bytes)| {
            Some(DescribeLogDirsPartition {
                partition_index: i32::try_from(partition).expect("bounded by PARTITIONS_PER_TOPIC_MAX"),
                partition_size: i64::try_from((*bytes)?).unwrap_or(i64::MAX),
                ..DescribeLogDirsPartition::default()
            })
        });
        DescribeLogDirsTopic { name: topic.name.as_str().into(), partitions: sized.collect() }
    });
    described.collect()
}

fn directory<'a>(
    ctx: &Context,
    error_code: ErrorCode,
    topics: Vec<DescribeLogDirsTopic<'a>>,
) -> DescribeLogDirsResult<'a> {
    let path = std::path::absolute(&ctx.config.data_dir).unwrap_or_else(|_| ctx.config.data_dir.clone());
    let space = free_space::look(&path).ok();
    let bytes = |bytes: Option<u64>| bytes.map_or(UNKNOWN, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    DescribeLogDirsResult {
        error_code,
        log_dir: path.display().to_string().into(),
        topics,
        total_bytes: bytes(space.map(|space| space.total_bytes)),
        usable_bytes: bytes(space.map(|space| space.free_bytes)),
    }
}
