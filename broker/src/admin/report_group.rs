//! Consumer groups as a command shows them. Pure.

use serde::Serialize;

use super::table::table;

/// A group as a list has it.
#[derive(Debug, Serialize)]
pub(super) struct GroupLine {
    pub(super) group: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) state: Option<String>,
    pub(super) protocol_type: Option<String>,
}

/// A group with its members and how far it has come.
#[derive(Debug, Default, Serialize)]
pub(super) struct GroupDescribed {
    pub(super) group: String,
    pub(super) state: String,
    pub(super) protocol_type: Option<String>,
    /// How partitions are assigned.
    pub(super) assignor: Option<String>,
    /// Node that coordinates it.
    pub(super) coordinator: i32,
    pub(super) members: Vec<MemberLine>,
    pub(super) partitions: Vec<GroupOffset>,
    /// What else is to be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Why there is nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct MemberLine {
    pub(super) member: String,
    pub(super) instance: Option<String>,
    pub(super) client: String,
    pub(super) host: String,
    pub(super) assigned: Vec<Assigned>,
}

/// Partitions of one topic that a member was given.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Assigned {
    pub(super) topic: String,
    pub(super) partitions: Vec<i32>,
}

/// How far a group has come in one partition.
#[derive(Debug, Serialize)]
pub(super) struct GroupOffset {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) committed: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) lag: Option<i64>,
    /// Id of the member that has it.
    pub(super) owner: Option<String>,
}

/// What became of a group that was to change.
#[derive(Debug, Serialize)]
pub(super) struct GroupChanged {
    pub(super) group: String,
    pub(super) result: String,
    pub(super) failed: bool,
}

/// How the offsets of a group were moved.
#[derive(Debug, Serialize)]
pub(super) struct GroupReset {
    pub(super) group: String,
    pub(super) dry_run: bool,
    pub(super) partitions: Vec<Moved>,
}

#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// What was committed before.
    pub(super) from: Option<i64>,
    pub(super) to: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Why it was not moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// The groups that there are, for people.
pub(super) fn list_text(groups: &[GroupLine]) -> String {
    if groups.is_empty() {
        return "no groups\n".to_owned();
    }
    let row = |line: &GroupLine| [line.group.clone(), word(&line.kind), word(&line.state), word(&line.protocol_type)];
    table(["GROUP", "TYPE", "STATE", "PROTOCOL"], &groups.iter().map(row).collect::<Vec<_>>())
}

impl GroupDescribed {
    /// Nothing for a group that there is nothing to tell of: its error says so.
    pub(super) fn text(&self) -> Option<String> {
        if self.error.is_some() {
            return None;
        }
        let lags = || self.partitions.iter().filter_map(|line| line.lag);
        let mut text = format!(
            "group {}  {}  members {}  lag {}  coordinator {}  assignor {}\n",
            self.group,
            self.state,
            self.members.len(),
            if lags().count() == 0 { "-".to_owned() } else { lags().sum::<i64>().to_string() },
            self.coordinator,
            word(&self.assignor),
        );
        if let Some(note) = &self.note {
            text.push_str(&format!("  {note}\n"));
        }
        if !self.members.is_empty() {
            let row = |line: &MemberLine| {
                let assigned: Vec<String> = line.assigned.iter().map(Assigned::text).collect();
                let assigned = if assigned.is_empty() { "-".to_owned() } else { assigned.join(" ") };
                [line.member.clone(), word(&line.instance), line.client.clone(), line.host.clone(), assigned]
            };
            let rows: Vec<_> = self.members.iter().map(row).collect();
            text.push_str(&table(["MEMBER", "INSTANCE", "CLIENT", "HOST", "ASSIGNED"], &rows));
        }
        if !self.partitions.is_empty() {
            let row = |line: &GroupOffset| {
                let (partition, owner) = (line.partition.to_string(), word(&line.owner));
                [line.topic.clone(), partition, number(line.committed), number(line.end), number(line.lag), owner]
            };
            let rows: Vec<_> = self.partitions.iter().map(row).collect();
            text.push_str(&table(["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "OWNER"], &rows));
        }
        Some(text)
    }
}

impl Assigned {
    /// As `--topic` of `reset` takes it.
    fn text(&self) -> String {
        let partitions: Vec<String> = self.partitions.iter().map(i32::to_string).collect();
        format!("{}:{}", self.topic, partitions.join(","))
    }
}

impl GroupChanged {
    pub(super) fn line(&self) -> String {
        format!("group {} {}\n", self.group, self.result)
    }
}

impl GroupReset {
    pub(super) fn text(&self) -> String {
        let moved = || self.partitions.iter().filter(|line| line.error.is_none());
        let done = if self.dry_run { "would be moved; nothing was changed (--dry-run)" } else { "moved" };
        if moved().count() == 0 {
            return String::new();
        }
        let row = |line: &Moved| {
            let note = line.note.clone().unwrap_or_default();
            [line.topic.clone(), line.partition.to_string(), number(line.from), line.to.to_string(), note]
        };
        let rows: Vec<_> = moved().map(row).collect();
        format!("group {} {done}\n{}", self.group, table(["TOPIC", "PARTITION", "FROM", "TO", ""], &rows))
    }

    /// What could not be moved.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.partitions.iter().filter_map(|line| Some((line, line.error.as_ref()?)));
        failed
            .map(|(line, error)| format!("{} partition {} was not moved: {error}", line.topic, line.partition))
            .collect()
    }
}

fn word(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn number(offset: Option<i64>) -> String {
    offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string())
}
