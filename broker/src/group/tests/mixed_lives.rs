//! Random lives of a group in which both protocols meet: processes join, beat, take what they are told to own, fall silent, leave, commit, and come
//! back with the other protocol; the topic grows; the coordinator restarts, or the node crashes with operations under way, whose answers nobody has
//! had and of whose records only some are stored.
//!
//! Checked all the time: no partition has two owners among those who are members, whatever they speak. At restarts: every commit that was
//! acknowledged is there. At the end: when all do what clients do, each learns what it is to own, and together they own everything; when
//! they fall silent, the group is empty.

use proptest::prelude::*;

use super::consumers::Client;
use super::migration::{assignment, classic_join};
use super::*;
use crate::group::consumer::Assignment;

const PROCESSES: usize = 4;
/// The topic that all are subscribed to, and its partitions at first.
const TOPIC: (TopicId, u32) = (TopicId(100), 6);
const INTERVAL_MS: u64 = 3_000;
/// Rounds in which everybody has to come to rest: a first member waits for others, and those that died are waited for until their sessions end.
const ROUNDS_MAX: usize = 60;

#[derive(Debug, Clone)]
enum Action {
    /// Does the next thing that its client would do.
    Step(usize),
    /// The same, but what comes back is lost.
    StepInVain(usize),
    Leave(usize),
    /// The process is gone without a word, and another one begins that speaks the same protocol.
    Die(usize),
    /// As in a rolling upgrade or downgrade: it leaves, and comes back with the other protocol.
    Change(usize),
    Commit(usize),
    Grow,
    Pass(u64),
    Restart,
    /// These processes do something that is not answered, and so many of their operations are stored.
    Crash(Vec<(usize, bool)>, usize),
}

/// A consumer of the classic protocol, which gives up what it owns before it joins.
#[derive(Debug, Default)]
struct Classic {
    id: String,
    generation: i32,
    owned: Vec<i32>,
    /// As the leader it has assigned so many partitions: when there are more it joins again.
    assigned: Option<u32>,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Out,
    Joining(Waiter),
    Joined {
        to_assign: Vec<String>,
    },
    Syncing(Waiter),
    Stable,
}

#[derive(Debug)]
enum Process {
    Classic(Classic),
    /// What it was told to own, and does not yet, stands beside it.
    Consumer {
        client: Client,
        told: Option<Assignment>,
        is_member: bool,
    },
}

struct Life {
    world: World,
    processes: Vec<Process>,
    partitions: u32,
    named: usize,
    /// The last offset that was sent, and the last that was acknowledged.
    sent: i64,
    committed: i64,
}

impl Life {
    fn new() -> Self {
        let mut life = Self {
            world: World::new(config()),
            processes: Vec::new(),
            partitions: TOPIC.1,
            named: 0,
            sent: -1,
            committed: -1,
        };
        life.processes = (0..PROCESSES).map(|number| life.begin(number % 2 == 0)).collect();
        life
    }

    fn begin(&mut self, is_classic: bool) -> Process {
        self.named += 1;
        if is_classic {
            return Process::Classic(Classic::default());
        }
        let client = Client::named(&format!("member-{}", self.named), &["t"]);
        Process::Consumer { client, told: None, is_member: false }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Step(number) => self.step(number, true),
            Action::StepInVain(number) => self.step(number, false),
            Action::Leave(number) => self.leave(number),
            Action::Die(number) => self.processes[number] = self.begin(self.is_classic(number)),
            Action::Change(number) => {
                self.leave(number);
                self.processes[number] = self.begin(!self.is_classic(number));
            }
            Action::Commit(number) => self.commit(number),
            Action::Grow => {
                self.partitions = (self.partitions + 1).min(2 * TOPIC.1);
                let grown = MetadataRecord::TopicPartitions { id: TOPIC.0, partitions: self.partitions };
                self.world.replay_topics(&[grown]);
            }
            Action::Pass(ms) => self.world.pass(ms),
            Action::Restart => self.restart(),
            Action::Crash(under_way, stored) => {
                let first = self.world.ends.len() - 1;
                for (number, is_commit) in under_way {
                    if is_commit { drop(self.send_commit(number)) } else { self.step(number, false) }
                }
                let ends = &self.world.ends[first..];
                // What is not stored is as if it had never been.
                let end = *ends.get(stored).or(ends.last()).expect("there was a start");
                self.world.log.truncate(end);
                self.restart();
            }
        }
        self.check_owners();
    }

    fn is_classic(&self, number: usize) -> bool {
        matches!(self.processes[number], Process::Classic(_))
    }

    fn step(&mut self, number: usize, arrives: bool) {
        // The id that a coordinator gives is another one each time.
        self.named += 1;
        let fresh = self.named.to_string();
        match &mut self.processes[number] {
            Process::Classic(classic) => classic.step(&mut self.world, &fresh, self.partitions, arrives),
            Process::Consumer { client, told, is_member } => {
                // First it owns what it was told before, then it says so.
                client.owned = told.take().unwrap_or_else(|| std::mem::take(&mut client.owned));
                let beat = if *is_member { client.whole() } else { client.joining() };
                let beaten = self.world.beaten(beat);
                match beaten {
                    Ok(_) if !arrives => {}
                    Ok(beaten) => {
                        (client.epoch, *is_member) = (beaten.epoch, true);
                        *told = beaten.assignment;
                    }
                    // In a group that has become a classic one meanwhile the client ends, and is started again.
                    Err(GroupFault::UnknownMember | GroupFault::FencedEpoch | GroupFault::OtherProtocol) => {
                        (client.owned, client.epoch, *is_member) = (Assignment::default(), 0, false);
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }

    fn leave(&mut self, number: usize) {
        match &mut self.processes[number] {
            Process::Classic(classic) => {
                drop(self.world.ask(leave(&classic.id)));
                *classic = Classic::default();
            }
            Process::Consumer { client, told, is_member } => {
                drop(self.world.beaten(client.leaving(-1)));
                (client.owned, client.epoch, *told, *is_member) = (Assignment::default(), 0, None, false);
            }
        }
    }

    fn commit(&mut self, number: usize) {
        if self.send_commit(number) == Some(committed()) {
            self.committed = self.sent;
        }
    }

    fn send_commit(&mut self, number: usize) -> Option<GroupReply> {
        let (id, epoch) = match &self.processes[number] {
            Process::Classic(classic) => (classic.id.clone(), classic.generation),
            Process::Consumer { client, .. } => (client.id.clone(), client.epoch),
        };
        // Without an id it would be a commit from outside.
        if id.is_empty() {
            return None;
        }
        self.sent += 1;
        Some(self.world.ask(commit(&id, epoch, "t", self.sent)))
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new(config()));
        self.world = world.restarted(config());
        for process in &mut self.processes {
            // Connections are gone, and with them what was waited for.
            if let Process::Classic(classic) = process
                && matches!(classic.phase, Phase::Joining(_) | Phase::Syncing(_))
            {
                classic.phase = Phase::Out;
            }
        }
        let found = self.world.offset("t").unwrap_or(-1);
        // One that was stored and not acknowledged may be there as well.
        assert!((self.committed..=self.sent).contains(&found), "{found}, and {} was acknowledged", self.committed);
        self.committed = found;
    }

    /// Ids of the members; none if the group is not there.
    fn members(&mut self) -> Vec<String> {
        match self.world.ask(GroupRequest::DescribeConsumer { group: GROUP.into() }) {
            Ok(GroupAnswer::DescribedConsumer(described)) => {
                return described.members.into_iter().map(|member| member.id).collect();
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
        match self.world.ask(GroupRequest::Describe { group: GROUP.into() }) {
            Ok(GroupAnswer::Described(described)) => described.members.into_iter().map(|member| member.id).collect(),
            _ => Vec::new(),
        }
    }

    /// Whoever was taken out may not know it yet; its commits are refused. The same goes for a classic generation that is over: those who
    /// have not joined the next one are not among its owners.
    fn check_owners(&mut self) {
        let members = self.members();
        let is_mixed = self.world.ask(GroupRequest::DescribeConsumer { group: GROUP.into() }).is_ok();
        let of = |process: &Process| match process {
            Process::Classic(classic) => (classic.id.clone(), classic.generation, classic.owned.clone()),
            Process::Consumer { client, .. } => (client.id.clone(), client.epoch, client.partitions()),
        };
        let owners: Vec<_> = self.processes.iter().map(of).filter(|(id, ..)| members.contains(id)).collect();
        for (place, (id, generation, owned)) in owners.iter().enumerate() {
            for (other, other_generation, other_owned) in &owners[place + 1..] {
                let is_same_time = is_mixed || generation == other_generation;
                let both = owned.iter().find(|partition| other_owned.contains(partition));
                assert!(!is_same_time || both.is_none(), "{id} and {other} own {both:?}: {owners:?}");
            }
        }
    }

    /// Everybody does what clients do, and nothing else happens.
    fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            for number in 0..PROCESSES {
                self.act(Action::Step(number));
            }
            self.world.pass(INTERVAL_MS);
        }
        let members = self.members();
        assert_eq!(members.len(), PROCESSES, "{members:?} of {:?}", self.processes);
        let mut owned = Vec::new();
        for process in &self.processes {
            match process {
                Process::Classic(classic) => {
                    assert!(matches!(classic.phase, Phase::Stable), "{classic:?}");
                    owned.extend(classic.owned.iter().copied());
                }
                Process::Consumer { client, .. } => owned.extend(client.partitions()),
            }
        }
        owned.sort_unstable();
        let all: Vec<i32> = (0..self.partitions.cast_signed()).collect();
        assert_eq!(owned, all, "everything has one owner: {:?}", self.processes);
    }
}

impl Classic {
    fn step(&mut self, world: &mut World, fresh: &str, partitions: u32, arrives: bool) {
        match std::mem::take(&mut self.phase) {
            Phase::Out => {
                self.owned.clear();
                let waiter = world.send(classic_join(fresh, &self.id, &[]));
                self.phase = Phase::Joining(waiter);
                self.listen(world, arrives);
            }
            Phase::Joined { to_assign } => {
                let shares = shares(&to_assign, partitions);
                self.assigned = (!to_assign.is_empty()).then_some(partitions);
                let identity = Identity::member(&self.id);
                let (generation, group) = (self.generation, GROUP.into());
                let sync = Sync { group, identity, generation, assignments: shares, ..Sync::default() };
                self.phase = Phase::Syncing(world.send(GroupRequest::Sync(sync)));
                self.listen(world, arrives);
            }
            waiting @ (Phase::Joining(_) | Phase::Syncing(_)) => {
                self.phase = waiting;
                self.listen(world, arrives);
            }
            Phase::Stable => match world.beat(&self.id, self.generation) {
                Err(fault) if arrives => self.start_over(&fault),
                Ok(_) if self.assigned.is_some_and(|assigned| assigned != partitions) => self.phase = Phase::Out,
                _ => self.phase = Phase::Stable,
            },
        }
    }

    /// Takes the answer that it waits for, if it has come.
    fn listen(&mut self, world: &mut World, arrives: bool) {
        let (Phase::Joining(waiter) | Phase::Syncing(waiter)) = self.phase else { return };
        let Some(reply) = world.take(waiter) else { return };
        if !arrives {
            // As after a lost connection it asks once more, with what it knows.
            self.phase = Phase::Out;
            return;
        }
        match reply {
            Ok(GroupAnswer::Joined(joined)) => {
                (self.id, self.generation) = (joined.member, joined.generation);
                let to_assign = joined.members.into_iter().map(|member| member.id).collect();
                self.phase = Phase::Joined { to_assign };
            }
            Ok(GroupAnswer::Synced(synced)) => {
                self.owned = owned_in(&synced.assignment);
                self.phase = Phase::Stable;
            }
            Err(GroupFault::MemberIdRequired(id)) => (self.id, self.phase) = (id, Phase::Out),
            Err(fault) => self.start_over(&fault),
            other => panic!("{other:?}"),
        }
    }

    fn start_over(&mut self, fault: &GroupFault) {
        match fault {
            GroupFault::UnknownMember => *self = Self::default(),
            GroupFault::RebalanceInProgress | GroupFault::IllegalGeneration => {
                self.owned.clear();
                self.phase = Phase::Out;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What the leader of a classic group says: partitions in turn.
fn shares(members: &[String], partitions: u32) -> Vec<(String, Bytes)> {
    let share = |place: usize| {
        let partitions = (0..partitions.cast_signed()).skip(place).step_by(members.len());
        assignment(&partitions.collect::<Vec<_>>())
    };
    members.iter().enumerate().map(|(place, id)| (id.clone(), share(place))).collect()
}

/// The partitions in an assignment of one topic or none.
fn owned_in(bytes: &Bytes) -> Vec<i32> {
    // The version, the number of topics, the name, the number of partitions; and behind them no user data.
    const BEFORE: usize = 2 + 4 + 3 + 4;
    let whole = bytes.get(BEFORE..bytes.len().saturating_sub(4)).unwrap_or_default();
    whole.chunks_exact(4).map(|four| i32::from_be_bytes(four.try_into().expect("four bytes"))).collect()
}

fn config() -> GroupConfig {
    GroupConfig { offsets_retention_ms: i64::MAX / 2, ..GroupConfig::default() }
}

fn action() -> impl Strategy<Value = Action> {
    let process = || 0..PROCESSES;
    prop_oneof![
        16 => process().prop_map(Action::Step),
        2 => process().prop_map(Action::StepInVain),
        1 => process().prop_map(Action::Leave),
        1 => process().prop_map(Action::Die),
        3 => process().prop_map(Action::Change),
        3 => process().prop_map(Action::Commit),
        1 => Just(Action::Grow),
        4 => prop_oneof![Just(100u64), Just(INTERVAL_MS), Just(6_000), Just(20_000), Just(61_000)].prop_map(Action::Pass),
        1 => Just(Action::Restart),
        2 => (proptest::collection::vec((process(), any::<bool>()), 1..5), 0..5usize)
            .prop_map(|(under_way, stored)| Action::Crash(under_way, stored)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_keeps_its_promises(actions in proptest::collection::vec(action(), 1..60)) {
        let mut life = Life::new();
        for action in actions {
            life.act(action);
        }
        life.come_to_rest();
        life.restart();
        life.come_to_rest();
        // Longer than any session and any wait for others.
        life.world.pass(1_800_000);
        prop_assert_eq!(life.members(), Vec::<String>::new());
        life.restart();
    }
}
