//! The stages that a request passes, and the time it has spent in each.
//!
//! ```text
//!   produce:  admit - decode - mesh out - room - append - group - device write - device sync - mesh back - queue - send
//!   fetch:    admit - decode - memory - ( mesh out - read - mesh back - long poll )* - queue - send
//!   others:   admit - decode - handle - queue - send
//! ```
//! What a request does not need it does not pass: with its partition on the shard that received it there is no mesh, for a relaxed
//! topic no device. Where a request asks several shards, the stages are those of the one that answered last.

use std::time::Instant;

const NS_PER_S: u64 = 1_000_000_000;

/// A part of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    Admit,
    Decode,
    Memory,
    MeshOut,
    Room,
    Append,
    Group,
    DeviceWrite,
    DeviceSync,
    Read,
    LongPoll,
    MeshBack,
    Handle,
    Queue,
    Send,
}

impl Stage {
    pub const COUNT: usize = 15;

    /// In the order in which a request passes them.
    pub const ALL: [Stage; Stage::COUNT] = [
        Stage::Admit,
        Stage::Decode,
        Stage::Memory,
        Stage::MeshOut,
        Stage::Room,
        Stage::Append,
        Stage::Group,
        Stage::DeviceWrite,
        Stage::DeviceSync,
        Stage::Read,
        Stage::LongPoll,
        Stage::MeshBack,
        Stage::Handle,
        Stage::Queue,
        Stage::Send,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Stage::Admit => "admit",
            Stage::Decode => "decode",
            Stage::Memory => "memory",
            Stage::MeshOut => "mesh_out",
            Stage::Room => "room",
            Stage::Append => "append",
            Stage::Group => "group",
            Stage::DeviceWrite => "device_write",
            Stage::DeviceSync => "device_sync",
            Stage::Read => "read",
            Stage::LongPoll => "long_poll",
            Stage::MeshBack => "mesh_back",
            Stage::Handle => "handle",
            Stage::Queue => "queue",
            Stage::Send => "send",
        }
    }

    /// What happens in it, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Stage::Admit => "all bytes are here; waits for memory, for what came with it, or while throttled",
            Stage::Decode => "decoded, checksums checked, handed to the owners",
            Stage::Memory => "waits for its connection's turn and for memory to read into",
            Stage::MeshOut => "on its way to the core that owns the partition",
            Stage::Room => "waits as the storage has no room",
            Stage::Append => "copied into the log and the write group",
            Stage::Group => "waits for its write group to leave",
            Stage::DeviceWrite => "the device writes the group",
            Stage::DeviceSync => "the device makes the group durable",
            Stage::Read => "records are read, from memory or disk",
            Stage::LongPoll => "waits for more records, as the client wished",
            Stage::MeshBack => "from the owner back to the task of its connection",
            Stage::Handle => "whatever else the request had to wait for",
            Stage::Queue => "encoded; waits for the answers before it",
            Stage::Send => "until the kernel has taken the answer",
        }
    }

    pub fn named(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// One request's way through the stages.
///
/// Invariant: the times spent in all stages sum to `at_ns`, whatever the clocks of several cores say.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    begun: Instant,
    /// The end of the last stage, since `begun`.
    at_ns: u64,
    spent_ns: [u64; Stage::COUNT],
    /// Bit by bit, the stages that were passed.
    passed: u16,
}

impl Timeline {
    /// A request whose last byte has arrived.
    pub fn new(begun: Instant) -> Self {
        Self { begun, at_ns: 0, spent_ns: [0; Stage::COUNT], passed: 0 }
    }

    /// The request was in this stage until now. A moment before the last one counts as that one.
    pub fn pass(&mut self, stage: Stage, until: Instant) {
        let since_begun = until.saturating_duration_since(self.begun);
        let until_ns = (since_begun.as_secs() * NS_PER_S + u64::from(since_begun.subsec_nanos())).max(self.at_ns);
        self.spent_ns[stage as usize] += until_ns - self.at_ns;
        self.at_ns = until_ns;
        self.passed |= 1 << stage as u16;
    }

    /// Nanoseconds from the request's last byte to the end of the last stage.
    pub fn total_ns(&self) -> u64 {
        self.at_ns
    }

    /// The stages that were passed, with the nanoseconds spent in each.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, u64)> {
        Stage::ALL
            .into_iter()
            .filter(|stage| self.passed & (1 << *stage as u16) != 0)
            .map(|stage| (stage, self.spent_ns[stage as usize]))
    }
}

const _: () = assert!(Stage::COUNT <= u16::BITS as usize, "each stage has a bit");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for the test's own time")]
    fn the_stages_sum_to_the_whole_also_where_a_clock_lags() {
        let begun = Instant::now();
        let at = |us| begun + Duration::from_micros(us);
        let mut timeline = Timeline::new(begun);
        for (stage, us) in [
            (Stage::Admit, 3),
            (Stage::Read, 10),
            (Stage::LongPoll, 500),
            (Stage::MeshOut, 400),
            (Stage::Read, 520),
            (Stage::Send, 521),
        ] {
            timeline.pass(stage, at(us));
        }
        let stages: Vec<_> = timeline.stages().collect();
        let expected = [
            (Stage::Admit, 3_000),
            (Stage::MeshOut, 0),
            (Stage::Read, 27_000),
            (Stage::LongPoll, 490_000),
            (Stage::Send, 1_000),
        ];
        assert_eq!(stages, expected);
        assert_eq!(stages.iter().map(|(_, ns)| ns).sum::<u64>(), timeline.total_ns());
    }

    #[test]
    fn every_stage_is_found_by_its_name_and_stands_where_its_number_says() {
        for (place, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!((stage as usize, Stage::named(stage.name())), (place, Some(stage)));
        }
    }
}
