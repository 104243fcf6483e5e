//! Random lives of a group of the consumer protocol: clients join, beat, lose answers, take their time to give partitions up, fall silent, leave
//! and commit; topics come, grow and go; the coordinator restarts.
//!
//! Checked all the time: no partition has two owners among those who are members. At restarts: every commit that was acknowledged is there.
//! At the end: when the clients only go on beating, each learns what it is to own, and together they own everything; when they fall
//! silent, the group is empty.

use proptest::prelude::*;

use super::consumers::Client;
use super::*;
use crate::group::consumer::Assignment;

const CLIENTS: usize = 5;
const INTERVAL_MS: u64 = 5_000;
/// Heartbeats in which everybody has to come to rest. Each may take a step of its own, after the others have taken theirs.
const ROUNDS_MAX: usize = 30;

#[derive(Debug, Clone)]
enum Action {
    /// Beats, and takes the answer.
    Beat(usize),
    /// Beats, and the answer is lost.
    BeatInVain(usize),
    /// Owns what it was last told to.
    Reconcile(usize),
    Leave(usize),
    /// A static member goes for a while; its process comes back with another id.
    GoAway(usize),
    /// The process is gone without a word, and another one begins.
    Die(usize),
    Subscribe(usize, Vec<&'static str>, Option<&'static str>),
    Commit(usize),
    Create(u32),
    Grow(u32),
    Delete,
    Pass(u64),
    Restart,
}

#[derive(Debug, Default)]
struct Process {
    client: Client,
    /// What it was told to own, and does not yet.
    told: Option<Assignment>,
    /// It has to say everything again: an answer was lost.
    is_unsure: bool,
    is_member: bool,
    /// It wants something else than it last said.
    has_news: bool,
}

struct Life {
    world: World,
    processes: Vec<Process>,
    committed: i64,
    named: usize,
    topics: Vec<(TopicId, u32)>,
}

impl Life {
    fn new() -> Self {
        let mut life =
            Self { world: World::new(config()), processes: Vec::new(), committed: -1, named: 0, topics: Vec::new() };
        life.processes = (0..CLIENTS).map(|number| life.begin(number)).collect();
        life
    }

    /// The first two clients are static members; they do not agree on an assignor.
    fn begin(&mut self, number: usize) -> Process {
        self.named += 1;
        let client = Client {
            instance: (number < 2).then(|| format!("static-{number}")),
            assignor: [None, Some("uniform"), Some("range")][number % 3].map(str::to_owned),
            ..Client::named(&format!("member-{}", self.named), &["t", "u"])
        };
        Process { client, ..Process::default() }
    }

    /// Beats as clients do. Returns the answer, unless it is a refusal, which is acted on.
    fn beat(&mut self, number: usize) -> Option<ConsumerBeaten> {
        let process = &mut self.processes[number];
        let client = &process.client;
        let beat = match () {
            () if !process.is_member => client.joining(),
            () if process.is_unsure || process.has_news => client.whole(),
            () => ConsumerBeat { owned: Some(client.owned.clone()), ..client.short() },
        };
        process.has_news = false;
        match self.world.beaten(beat) {
            Ok(beaten) => Some(beaten),
            Err(GroupFault::UnknownMember | GroupFault::FencedEpoch) => {
                process.client.owned = Assignment::default();
                (process.is_member, process.told, process.client.epoch) = (false, None, 0);
                None
            }
            // Another process was this static member; its session has to end.
            Err(GroupFault::UnreleasedInstance) => None,
            Err(GroupFault::FencedInstance) => {
                self.processes[number] = self.begin(number);
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn take(&mut self, number: usize, beaten: ConsumerBeaten) {
        let process = &mut self.processes[number];
        process.client.epoch = beaten.epoch;
        (process.is_member, process.is_unsure) = (true, false);
        if let Some(assignment) = beaten.assignment {
            process.told = Some(assignment);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Beat(number) => {
                if let Some(beaten) = self.beat(number) {
                    self.take(number, beaten);
                }
            }
            Action::BeatInVain(number) => {
                drop(self.beat(number));
                // What it was told before may not be its own any more.
                let process = &mut self.processes[number];
                (process.is_unsure, process.told) = (true, None);
            }
            Action::Reconcile(number) => self.reconcile(number),
            Action::Leave(number) => self.leave(number, -1),
            Action::GoAway(number) if number < 2 => {
                self.leave(number, -2);
                self.processes[number] = self.begin(number);
            }
            Action::GoAway(_) => {}
            Action::Die(number) => self.processes[number] = self.begin(number),
            Action::Subscribe(number, topics, pattern) => {
                let process = &mut self.processes[number];
                process.client.topics = topics.into_iter().map(str::to_owned).collect();
                process.client.pattern = Some(pattern.unwrap_or_default().to_owned());
                process.has_news = true;
            }
            Action::Commit(number) => self.commit(number),
            Action::Create(partitions) => {
                let id = TopicId(1_000 + self.topics.len() as u128);
                let name = format!("v-{}", self.topics.len());
                self.topics.push((id, partitions));
                let topic = MetadataRecord::Topic { name, id, partitions, configs: BTreeMap::new() };
                self.world.replay_topics(&[topic]);
            }
            Action::Grow(by) => {
                let Some((id, partitions)) = self.topics.last_mut() else { return };
                *partitions += by;
                let grown = MetadataRecord::TopicPartitions { id: *id, partitions: *partitions };
                self.world.replay_topics(&[grown]);
            }
            Action::Delete => {
                let Some(&(id, _)) = self.topics.last() else { return };
                self.world.replay_topics(&[MetadataRecord::TopicDeleted { id }]);
            }
            Action::Pass(ms) => self.world.pass(ms),
            Action::Restart => self.restart(),
        }
        self.check_owners();
    }

    fn reconcile(&mut self, number: usize) {
        let process = &mut self.processes[number];
        if let Some(told) = process.told.take() {
            process.client.owned = told;
        }
    }

    fn leave(&mut self, number: usize, epoch: i32) {
        let process = &mut self.processes[number];
        if !process.is_member {
            return;
        }
        process.client.owned = Assignment::default();
        (process.is_member, process.told) = (false, None);
        match self.world.beaten(process.client.leaving(epoch)) {
            Ok(_) | Err(GroupFault::UnknownMember | GroupFault::NotFound | GroupFault::FencedInstance) => {}
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, number: usize) {
        let client = &self.processes[number].client;
        let GroupRequest::Commit(commit) = commit(&client.id, client.epoch, "t", self.committed + 1) else {
            unreachable!("it is a commit")
        };
        let knowing = GroupRequest::Commit(Commit { knows_not_found: true, ..commit });
        if self.world.ask(knowing) == committed() {
            self.committed += 1;
        }
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new(config()));
        self.world = world.restarted(config());
        let expected = Some(self.committed).filter(|&offset| offset >= 0);
        assert_eq!(self.world.offset("t"), expected, "the offset that was acknowledged last");
    }

    fn members(&mut self) -> Vec<DescribedConsumerMember> {
        match self.world.ask(GroupRequest::DescribeConsumer { group: GROUP.into() }) {
            Ok(GroupAnswer::DescribedConsumer(described)) => described.members,
            _ => Vec::new(),
        }
    }

    /// Whoever was taken out may not know it yet; its commits are refused.
    fn check_owners(&mut self) {
        let members = self.members();
        let mut owned = Assignment::default();
        for process in self.processes.iter().filter(|process| process.is_member) {
            let is_one = members.iter().any(|member| member.id == process.client.id && member.epoch >= 0);
            for (topic, partition) in process.client.owned.iter().filter(|_| is_one) {
                assert!(owned.insert(topic, partition), "two members own {topic} {partition}");
            }
        }
    }

    /// Everybody beats, and nothing else happens.
    fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS_MAX {
            for number in 0..CLIENTS {
                self.act(Action::Beat(number));
                self.act(Action::Reconcile(number));
            }
            self.world.pass(INTERVAL_MS);
        }
        let described = self.world.describe_consumer();
        assert_eq!((described.state, described.members.len()), ("Stable", CLIENTS));
        let mut owned = 0;
        let mut subscribed = Vec::new();
        for process in &self.processes {
            let member = described.members.iter().find(|member| member.id == process.client.id).expect("a member");
            assert_eq!((&member.assigned, member.epoch), (&member.target, described.epoch), "{}", member.id);
            let told: Assignment = member
                .assigned
                .iter()
                .flat_map(|(id, _, partitions)| partitions.iter().map(|&partition| (*id, partition)))
                .collect();
            assert_eq!(process.client.owned, told, "{} knows what it owns", member.id);
            owned += told.len();
            subscribed.extend(self.subscribed_by(&process.client));
        }
        subscribed.sort_unstable();
        subscribed.dedup();
        let all: u32 = subscribed.iter().filter_map(|id| Some(self.world.topics.topic_by_id(*id)?.partitions)).sum();
        assert_eq!(owned, all as usize, "everything has an owner");
    }

    fn subscribed_by(&self, client: &Client) -> Vec<TopicId> {
        let is_matched = |name: &str| client.pattern.as_deref() == Some("v-.*") && name.starts_with("v-");
        let is_named = |name: &str| client.topics.iter().any(|topic| topic == name);
        let topics = self.world.topics.topics();
        topics.filter(|topic| is_named(&topic.name) || is_matched(&topic.name)).map(|topic| topic.id).collect()
    }
}

fn config() -> GroupConfig {
    GroupConfig { offsets_retention_ms: i64::MAX / 2, ..GroupConfig::default() }
}

fn action() -> impl Strategy<Value = Action> {
    let client = || 0..CLIENTS;
    let names = proptest::sample::subsequence(vec!["t", "u", "other", "v-0"], 0..4);
    let pattern = prop_oneof![Just(None), Just(Some("v-.*"))];
    prop_oneof![
        12 => client().prop_map(Action::Beat),
        2 => client().prop_map(Action::BeatInVain),
        8 => client().prop_map(Action::Reconcile),
        1 => client().prop_map(Action::Leave),
        1 => client().prop_map(Action::GoAway),
        1 => client().prop_map(Action::Die),
        1 => (client(), names, pattern).prop_map(|(client, names, pattern)| Action::Subscribe(client, names, pattern)),
        2 => client().prop_map(Action::Commit),
        1 => (1u32..5).prop_map(Action::Create),
        1 => (1u32..3).prop_map(Action::Grow),
        1 => Just(Action::Delete),
        3 => prop_oneof![Just(100u64), Just(INTERVAL_MS), Just(20_000), Just(61_000)].prop_map(Action::Pass),
        1 => Just(Action::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_keeps_its_promises(actions in proptest::collection::vec(action(), 1..120)) {
        let mut life = Life::new();
        for action in actions {
            life.act(action);
        }
        life.come_to_rest();
        life.restart();
        life.come_to_rest();
        // Longer than any session.
        life.world.pass(120_000);
        prop_assert_eq!(life.members(), Vec::new());
        life.restart();
    }
}
