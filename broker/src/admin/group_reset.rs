//! `ringmain group reset`: moves what a group has committed, while nobody is in it.

use std::collections::{BTreeMap, BTreeSet};

use wire::list_offsets::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP};
use wire::metadata::MetadataResponse;
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use wire::{ApiKey, ErrorCode};

use super::client::{AdminError, check};
use super::group::{Groups, explain};
use super::group_describe::{DEAD, members};
use super::partition_offsets::{Offsets, offsets};
use super::report::Report;
use super::report_group::{GroupReset, Moved};
use super::reset_target::{Place, Target, parse_topic};
use super::topic::name_of;

/// Commits of nobody in particular, which coordinators take while a group is empty.
const NO_GENERATION: i32 = -1;
const EMPTY: &str = "Empty";

/// Arguments of `reset`.
pub(super) struct Reset {
    pub(super) group: String,
    /// Each with partitions or without; none means all that the group committed.
    pub(super) topics: Vec<String>,
    /// The words after `--to`.
    pub(super) to: Vec<String>,
    pub(super) dry_run: bool,
}

pub(super) fn reset(bootstrap: &str, order: &Reset) -> Result<Report, AdminError> {
    let target = Target::parse(&order.to)?;
    let chosen = order.topics.iter().map(|text| parse_topic(text)).collect::<Result<Vec<_>, _>>()?;
    let mut groups = Groups::connect(bootstrap)?;
    refuse_unless_empty(&mut groups, &order.group)?;
    let committed = groups.committed(&order.group)?;
    let mut moves = plan(&mut groups, &order.group, target, &chosen, &committed)?;
    if !order.dry_run {
        commit(&mut groups, &order.group, &mut moves)?;
    }
    Ok(Report::GroupReset(GroupReset { group: order.group.clone(), dry_run: order.dry_run, partitions: moves }))
}

/// The commits of a consumer that runs would undo the reset.
fn refuse_unless_empty(groups: &mut Groups, group: &str) -> Result<(), AdminError> {
    let described = members(groups, group)?;
    if described.members.is_empty() && [EMPTY, DEAD].contains(&described.state.as_str()) {
        return Ok(());
    }
    Err(AdminError::Usage(format!(
        "group {group} is in use ({}); stop its consumers first, or they go on where they are \
         (`ringmain group describe {group}` shows them)",
        described.state,
    )))
}

/// Where each partition goes.
fn plan(
    groups: &mut Groups,
    group: &str,
    target: Target,
    chosen: &[(String, Option<Vec<i32>>)],
    committed: &Offsets,
) -> Result<Vec<Moved>, AdminError> {
    let topics: BTreeSet<&String> = match chosen.is_empty() {
        true => committed.keys().map(|(topic, _)| topic).collect(),
        false => chosen.iter().map(|(topic, _)| topic).collect(),
    };
    if topics.is_empty() {
        return Err(AdminError::Usage(format!(
            "group {group} has committed nothing; `ringmain group list` shows the groups, --topic names what is to be set"
        )));
    }
    let topics: Vec<String> = topics.into_iter().cloned().collect();
    let metadata = groups.cluster.metadata(Some(&topics))?;
    let answer = metadata.read(MetadataResponse::decode)?;
    for topic in &answer.topics {
        let hint = "`ringmain topic list` shows the topics, --topic chooses some";
        check(topic.error_code, &format!("topic {}", name_of(topic)), Some(hint))?;
    }
    let places = places(&answer, chosen, committed)?;
    let mut ask = |timestamp| offsets(&mut groups.cluster, &metadata, &answer, timestamp);
    let (earliest, latest) = (ask(EARLIEST_TIMESTAMP)?, ask(LATEST_TIMESTAMP)?);
    let dated = if let Target::Datetime(ms) = target { ask(ms)? } else { Offsets::new() };
    let mut moves = Vec::new();
    for key in places {
        let (topic, partition) = (&key.0, key.1);
        let answered = earliest.get(&key).zip(latest.get(&key));
        // Where a leader does not know the time, silence is not to be taken for "no record is as late".
        let answered = answered.filter(|_| !matches!(target, Target::Datetime(_)) || dated.contains_key(&key));
        let (&earliest, &end) = answered.ok_or_else(|| {
            AdminError::Usage(format!(
                "{topic} partition {partition} has no leader that answers; nothing was changed, try again when the cluster has settled"
            ))
        })?;
        let committed = committed.get(&key).copied();
        let at_time = dated.get(&key).copied().filter(|offset| *offset >= 0);
        let (to, note) = target.within(Place { earliest, end, committed, at_time }).ok_or_else(|| {
            AdminError::Usage(format!(
                "nothing is committed for {topic} partition {partition} to shift from; nothing was changed, \
                 --to earliest, latest, offset or datetime sets it"
            ))
        })?;
        moves.push(Moved { topic: topic.clone(), partition, from: committed, to, note, error: None });
    }
    Ok(moves)
}

/// The partitions that are meant: those listed, all of a topic, or of all topics what was committed.
fn places(
    answer: &MetadataResponse<'_>,
    chosen: &[(String, Option<Vec<i32>>)],
    committed: &Offsets,
) -> Result<BTreeSet<(String, i32)>, AdminError> {
    if chosen.is_empty() {
        return Ok(committed.keys().cloned().collect());
    }
    let mut places = BTreeSet::new();
    for (topic, listed) in chosen {
        let found = answer.topics.iter().filter(|one| name_of(one) == topic).flat_map(|one| &one.partitions);
        let there: BTreeSet<i32> = found.map(|partition| partition.partition_index).collect();
        let listed = listed.clone().unwrap_or_else(|| there.iter().copied().collect());
        if let Some(missing) = listed.iter().find(|index| !there.contains(index)) {
            return Err(AdminError::Usage(format!(
                "topic {topic} has no partition {missing}; `ringmain topic describe {topic}` shows them"
            )));
        }
        places.extend(listed.into_iter().map(|index| (topic.clone(), index)));
    }
    Ok(places)
}

/// Commits the moves, and notes at each whether it was refused.
fn commit(groups: &mut Groups, group: &str, moves: &mut [Moved]) -> Result<(), AdminError> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
    for line in moves.iter() {
        topics.entry(&line.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: line.partition,
            committed_offset: line.to,
            committed_metadata: Some(""),
            ..Default::default()
        });
    }
    let request = OffsetCommitRequest {
        group_id: group,
        generation_id_or_member_epoch: NO_GENERATION,
        topics: topics
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic { name, partitions, ..Default::default() })
            .collect(),
        ..Default::default()
    };
    let (_, node) = groups.coordinator(group)?;
    let body = node.call(ApiKey::OffsetCommit, |version, out| request.encode(version, out))?;
    let mut codes = BTreeMap::new();
    for topic in body.read(OffsetCommitResponse::decode)?.topics {
        let partitions = topic.partitions.iter();
        codes.extend(partitions.map(|one| ((topic.name.to_string(), one.partition_index), one.error_code)));
    }
    for line in moves {
        // What the answer leaves out was not promised.
        let code = codes.get(&(line.topic.clone(), line.partition)).copied().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
        line.error = code.is_error().then(|| explain(code, group));
    }
    Ok(())
}
