//! What a command found out, for people and for programs. Pure.

use serde::Serialize;

use super::client::AdminError;
use super::report_cluster::{ClusterReport, Directory};
use super::report_config::{Altered, ConfigsOf};
use super::report_group::{self, GroupChanged, GroupDescribed, GroupLine, GroupReset};
use super::report_quota::{self, QuotaLine};
use super::table::table;

/// The result of a command.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Report {
    Changed(Vec<Changed>),
    Listed(Vec<Listed>),
    Described(Vec<Described>),
    Altered(Vec<Altered>),
    Configs(Vec<ConfigsOf>),
    Cluster(ClusterReport),
    Directories(Vec<Directory>),
    Groups(Vec<GroupLine>),
    GroupsDescribed(Vec<GroupDescribed>),
    GroupsChanged(Vec<GroupChanged>),
    GroupReset(GroupReset),
    Quotas(Vec<QuotaLine>),
}

/// What became of one topic that was to change.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub(super) topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partitions: Option<u32>,
    pub(super) result: String,
    pub(super) failed: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) topic: String,
    pub(super) id: Option<String>,
    pub(super) partitions: usize,
    pub(super) replicas: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Described {
    pub(super) topic: String,
    pub(super) id: Option<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) partitions: Vec<PartitionLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PartitionLine {
    pub(super) partition: i32,
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) in_sync: Vec<i32>,
    pub(super) earliest_offset: Option<i64>,
    pub(super) latest_offset: Option<i64>,
    pub(super) bytes: Option<i64>,
}

impl Report {
    /// The text for standard output, ending with a line's end unless it is empty.
    pub(super) fn text(&self, json: bool) -> String {
        if json {
            let json = serde_json::to_string_pretty(self).expect("strings and numbers have a JSON form");
            return format!("{json}\n");
        }
        match self {
            Report::Changed(changes) => changes.iter().filter(|change| !change.failed).map(Changed::line).collect(),
            Report::Listed(topics) if topics.is_empty() => "no topics\n".to_owned(),
            Report::Listed(topics) => {
                let row = |topic: &Listed| {
                    let id = topic.id.clone().unwrap_or_else(|| "-".to_owned());
                    [topic.topic.clone(), topic.partitions.to_string(), topic.replicas.to_string(), id]
                };
                table(["TOPIC", "PARTITIONS", "REPLICAS", "ID"], &topics.iter().map(row).collect::<Vec<_>>())
            }
            Report::Described(topics) if topics.is_empty() => "no topics\n".to_owned(),
            Report::Described(topics) => topics.iter().map(Described::text).collect::<Vec<_>>().join("\n"),
            Report::Altered(altered) => altered.iter().filter(|one| !one.failed).map(Altered::line).collect(),
            Report::Configs(configs) => configs.iter().map(ConfigsOf::text).collect::<Vec<_>>().join("\n"),
            Report::Cluster(cluster) => cluster.text(),
            Report::Directories(directories) => directories.iter().map(Directory::text).collect::<Vec<_>>().join("\n"),
            Report::Groups(groups) => report_group::list_text(groups),
            Report::GroupsDescribed(groups) => {
                groups.iter().filter_map(GroupDescribed::text).collect::<Vec<_>>().join("\n")
            }
            Report::GroupsChanged(changes) => {
                changes.iter().filter(|change| !change.failed).map(GroupChanged::line).collect()
            }
            Report::GroupReset(reset) => reset.text(),
            Report::Quotas(quotas) => report_quota::text(quotas),
        }
    }

    /// The error of the command if something it was to do was not done.
    pub(super) fn failure(&self) -> Option<AdminError> {
        let failed: Vec<String> = match self {
            Report::Changed(changes) => {
                let failed = changes.iter().filter(|change| change.failed);
                failed.map(|change| format!("topic {}: {}", change.topic, change.result)).collect()
            }
            Report::Altered(altered) => {
                let failed = altered.iter().filter(|one| one.failed);
                failed.map(|one| format!("{}: {}", one.of, one.result)).collect()
            }
            Report::GroupsDescribed(groups) => groups.iter().filter_map(|group| group.error.clone()).collect(),
            Report::GroupsChanged(changes) => {
                let failed = changes.iter().filter(|change| change.failed);
                failed.map(|change| format!("group {}: {}", change.group, change.result)).collect()
            }
            Report::GroupReset(reset) => reset.failures(),
            _ => Vec::new(),
        };
        (!failed.is_empty()).then(|| AdminError::Usage(failed.join("\nringmain: ")))
    }
}

/// A number of bytes for people: three digits and a unit.
pub(super) fn bytes_text(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}

impl Changed {
    fn line(&self) -> String {
        let partitions = self.partitions.map(|count| format!(", {count} partitions")).unwrap_or_default();
        format!("topic {} {}{partitions}\n", self.topic, self.result)
    }
}

impl Described {
    fn text(&self) -> String {
        let id = self.id.as_deref().unwrap_or("-");
        let mut text = format!("topic {}  id {id}  partitions {}\n", self.topic, self.partitions.len());
        for Setting { key, value } in &self.settings {
            text.push_str(&format!("  {key} = {}\n", value.as_deref().unwrap_or("(secret)")));
        }
        let row = |line: &PartitionLine| {
            let number = |offset: Option<i64>| offset.map_or("-".to_owned(), |offset| offset.to_string());
            let nodes = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
            [
                line.partition.to_string(),
                line.leader.to_string(),
                nodes(&line.replicas),
                nodes(&line.in_sync),
                number(line.earliest_offset),
                number(line.latest_offset),
                line.bytes.map_or("-".to_owned(), bytes_text),
            ]
        };
        let rows: Vec<_> = self.partitions.iter().map(row).collect();
        text + &table(["PARTITION", "LEADER", "REPLICAS", "IN SYNC", "EARLIEST", "LATEST", "SIZE"], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_keeps_them_short() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (150_000, "146 KiB"), (1 << 40, "1.0 TiB")]
        {
            assert_eq!(bytes_text(bytes), text);
        }
    }

    #[test]
    fn what_failed_is_an_error_and_what_worked_is_printed() {
        let change = |topic: &str, failed: bool| Changed {
            topic: topic.to_owned(),
            id: None,
            partitions: Some(3),
            result: if failed { "INVALID_TOPIC_EXCEPTION" } else { "created" }.to_owned(),
            failed,
        };
        let report = Report::Changed(vec![change("good", false), change("b/d", true)]);
        assert_eq!(report.text(false), "topic good created, 3 partitions\n");
        assert_eq!(report.failure().expect("one failed").to_string(), "topic b/d: INVALID_TOPIC_EXCEPTION");
        assert!(report.text(true).contains("\"failed\": true"));
    }
}
