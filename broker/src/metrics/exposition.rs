//! The figures of all shards as Prometheus reads them. `ringmain_` leads every name; units are base units and stand last.

use std::collections::BTreeMap;

use wire::ApiKey;

use super::latency::{ApiLatency, Distribution};
use super::limits::{GROUP_TOPICS_NAMED_MAX, OTHER};
use super::text_format::{Kind, Label, TextFormat};
use super::topics_named::TopicsNamed;
use super::{Figure, Snapshot, Traffic};

/// The whole text of one scrape. `shard_count` is how many should have told.
pub fn render(snapshots: &[impl AsRef<Snapshot>], shard_count: usize, named: &mut TopicsNamed) -> String {
    let mut snapshots: Vec<&Snapshot> = snapshots.iter().map(AsRef::as_ref).collect();
    snapshots.sort_by_key(|snapshot| snapshot.shard);
    let mut text = TextFormat::default();
    node(&mut text, snapshots.len(), shard_count);
    figures(&mut text, &snapshots, Kind::Counter, |snapshot| &snapshot.counters);
    figures(&mut text, &snapshots, Kind::Gauge, |snapshot| &snapshot.levels);
    latencies(&mut text, &snapshots);
    let topics = merge_topics(&snapshots);
    let ids: Vec<u128> = topics.keys().copied().collect();
    named.on_topics(&ids);
    traffic(&mut text, &topics, named);
    lags(&mut text, &snapshots, &topics);
    text.finish()
}

/// Kafka's name of an API; its number where there is none.
pub fn api_name(api_key: i16) -> String {
    ApiKey::from_i16(api_key).map_or_else(|| api_key.to_string(), |key| key.name().to_owned())
}

fn node(text: &mut TextFormat, reporting: usize, shard_count: usize) {
    text.family("ringmain_build_info", Kind::Gauge, "Which build this is");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("ringmain_shards", Kind::Gauge, "Shards of the node");
    text.sample(&[], shard_count);
    text.family("ringmain_shards_reporting", Kind::Gauge, "Shards that have told their figures in time");
    text.sample(&[], reporting);
}

/// All shards tell the same figures in the same order.
fn figures(text: &mut TextFormat, snapshots: &[&Snapshot], kind: Kind, of: impl Fn(&Snapshot) -> &Vec<Figure>) {
    let Some(first) = snapshots.first() else { return };
    for (place, Figure { name, meaning, .. }) in of(first).iter().enumerate() {
        text.family(&format!("ringmain_{name}"), kind, meaning);
        for snapshot in snapshots {
            text.sample(&[("shard", &snapshot.shard.to_string())], of(snapshot)[place].value);
        }
    }
}

fn latencies(text: &mut TextFormat, snapshots: &[&Snapshot]) {
    let meaning = "From the last byte of a request to the last of its answer, by API";
    text.family("ringmain_request_duration_seconds", Kind::Histogram, meaning);
    let mut merged: BTreeMap<i16, ApiLatency> = BTreeMap::new();
    for snapshot in snapshots {
        let shard = snapshot.shard.to_string();
        for (&api_key, latency) in &snapshot.latencies {
            let api = api_name(api_key);
            text.seconds(&[("api", &api), ("shard", &shard)], &latency.total);
            merged.entry(api_key).or_default().add(latency);
        }
    }
    let meaning = "Where requests spend their time; the sums of an API's stages are the sum of its requests";
    text.family("ringmain_request_stage_duration_seconds", Kind::Histogram, meaning);
    for (&api_key, latency) in &merged {
        let api = api_name(api_key);
        for (stage, distribution) in latency.stages() {
            text.seconds(&[("api", &api), ("stage", stage.name())], distribution);
        }
    }
    let mut journal = |name, meaning, of: fn(&Snapshot) -> &Distribution| {
        text.family(name, Kind::Histogram, meaning);
        for snapshot in snapshots {
            text.seconds(&[("shard", &snapshot.shard.to_string())], of(snapshot));
        }
    };
    let (write, sync) = ("ringmain_journal_write_duration_seconds", "ringmain_journal_sync_duration_seconds");
    journal(write, "The device's writes of write groups", |snapshot| &snapshot.journal.write);
    journal(sync, "The device's syncs after them", |snapshot| &snapshot.journal.sync);
}

/// A topic as all shards know it.
#[derive(Default)]
struct Topic<'a> {
    name: &'a str,
    traffic: Traffic,
    log_bytes: u64,
    /// The offset after the last committed record, by partition.
    ends: BTreeMap<u32, i64>,
}

fn merge_topics<'a>(snapshots: &[&'a Snapshot]) -> BTreeMap<u128, Topic<'a>> {
    let mut topics: BTreeMap<u128, Topic<'a>> = BTreeMap::new();
    for told in snapshots.iter().flat_map(|snapshot| &snapshot.topics) {
        let topic = topics.entry(told.id).or_default();
        topic.name = &told.name;
        topic.traffic.add(&told.traffic);
        topic.log_bytes += told.log_bytes;
        topic.ends.extend(told.ends.iter().copied());
    }
    topics
}

type TopicRow<'a> = (&'a str, Traffic, u64, usize);

fn traffic(text: &mut TextFormat, topics: &BTreeMap<u128, Topic<'_>>, named: &TopicsNamed) {
    let mut rows: Vec<TopicRow<'_>> = Vec::new();
    let (mut other, mut others) = ((OTHER, Traffic::default(), 0, 0), 0);
    for (&id, topic) in topics {
        if named.is_named(id) {
            rows.push((topic.name, topic.traffic, topic.log_bytes, topic.ends.len()));
        } else {
            others += 1;
            other.1.add(&topic.traffic);
            other.2 += topic.log_bytes;
            other.3 += topic.ends.len();
        }
    }
    rows.sort_by_key(|row| row.0);
    if others > 0 {
        rows.push(other);
    }
    let mut family = |name, kind, meaning, of: fn(&TopicRow<'_>) -> u64| {
        text.family(name, kind, meaning);
        for row in &rows {
            text.sample(&[("topic", row.0)], of(row));
        }
    };
    let counter = Kind::Counter;
    family("ringmain_topic_produced_bytes", counter, "Bytes of batches appended", |row| row.1.produced_bytes);
    family("ringmain_topic_produced_records", counter, "Records appended", |row| row.1.produced_records);
    family("ringmain_topic_produced_batches", counter, "Batches appended", |row| row.1.produced_batches);
    family("ringmain_topic_consumed_bytes", counter, "Bytes of batches sent to consumers", |row| row.1.consumed_bytes);
    family("ringmain_topic_log_bytes", Kind::Gauge, "Bytes that are kept", |row| row.2);
    family("ringmain_topic_partitions", Kind::Gauge, "Partitions", |row| row.3 as u64);
    text.family("ringmain_topics", Kind::Gauge, "Topics of the node, those without a row of their own among them");
    text.sample(&[], topics.len());
}

/// How far groups are behind, summed over the partitions of a topic in which they have committed.
fn lags(text: &mut TextFormat, snapshots: &[&Snapshot], topics: &BTreeMap<u128, Topic<'_>>) {
    let by_name: BTreeMap<&str, &Topic<'_>> = topics.values().map(|topic| (topic.name, topic)).collect();
    let mut rows: Vec<(&str, &str, i64)> = Vec::new();
    for told in snapshots.iter().flat_map(|snapshot| &snapshot.groups) {
        let Some(topic) = by_name.get(told.topic.as_str()) else { continue };
        let behind = told.offsets.iter().filter_map(|(partition, offset)| {
            let end = topic.ends.get(&u32::try_from(*partition).ok()?)?;
            Some((end - offset).max(0))
        });
        rows.push((&told.group, &told.topic, behind.sum()));
    }
    rows.sort_unstable();
    let further = rows.split_off(rows.len().min(GROUP_TOPICS_NAMED_MAX));
    if !further.is_empty() {
        rows.push((OTHER, OTHER, further.iter().map(|row| row.2).sum()));
    }
    let meaning =
        "Records between what a group has committed and the end of what may be read, over a topic's partitions";
    text.family("ringmain_group_lag_records", Kind::Gauge, meaning);
    for (group, topic, lag) in rows {
        let labels: [Label<'_>; 2] = [("group", group), ("topic", topic)];
        text.sample(&labels, lag);
    }
}

impl Traffic {
    fn add(&mut self, other: &Traffic) {
        self.produced_bytes += other.produced_bytes;
        self.produced_records += other.produced_records;
        self.produced_batches += other.produced_batches;
        self.consumed_bytes += other.consumed_bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::ShardId;
    use crate::metrics::{GroupOffsets, JournalLatency, TopicFigures};

    fn snapshot(shard: u16, topics: Vec<TopicFigures>, groups: Vec<GroupOffsets>) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            shard: ShardId(shard),
            counters: vec![Figure { name: "requests", meaning: "Requests", value: 10 + u64::from(shard) }],
            levels: vec![Figure { name: "logs", meaning: "Logs", value: 1 }],
            latencies: BTreeMap::new(),
            journal: JournalLatency::default(),
            topics,
            groups,
        })
    }

    fn topic(id: u128, produced_bytes: u64, ends: &[(u32, i64)]) -> TopicFigures {
        let traffic = Traffic { produced_bytes, ..Traffic::default() };
        TopicFigures { id, name: format!("t{id}"), traffic, log_bytes: 5, ends: ends.to_vec() }
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }

    #[test]
    fn what_shards_know_of_a_topic_and_of_a_group_is_put_together() {
        let group =
            GroupOffsets { group: "g".to_owned(), topic: "t1".to_owned(), offsets: vec![(0, 90), (1, 7), (2, 99)] };
        let snapshots = [
            snapshot(1, vec![topic(1, 300, &[(1, 50)]), topic(2, 1, &[])], vec![group]),
            snapshot(0, vec![topic(1, 200, &[(0, 100)])], Vec::new()),
        ];
        let text = render(&snapshots, 2, &mut TopicsNamed::new(9));
        has(&text, "ringmain_requests_total{shard=\"0\"} 10");
        has(&text, "ringmain_requests_total{shard=\"1\"} 11");
        has(&text, "ringmain_topic_produced_bytes_total{topic=\"t1\"} 500");
        has(&text, "ringmain_topic_log_bytes{topic=\"t1\"} 10");
        // 10 behind in partition 0, 43 in 1, and of 2 nobody knows the end.
        has(&text, "ringmain_group_lag_records{group=\"g\",topic=\"t1\"} 53");
        has(&text, "ringmain_shards_reporting 2");
    }

    #[test]
    fn topics_beyond_the_limit_share_a_row() {
        let topics = vec![topic(1, 1, &[]), topic(2, 20, &[]), topic(3, 300, &[])];
        let text = render(&[snapshot(0, topics, Vec::new())], 1, &mut TopicsNamed::new(1));
        has(&text, "ringmain_topic_produced_bytes_total{topic=\"t1\"} 1");
        has(&text, "ringmain_topic_produced_bytes_total{topic=\"(other)\"} 320");
        has(&text, "ringmain_topics 3");
        assert!(!text.contains("topic=\"t2\""), "{text}");
    }
}
