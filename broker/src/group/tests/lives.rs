//! Random lives of a group: clients join, fall silent, come back, commit and leave, time passes, the coordinator restarts.
//!
//! Checked all the time: in one generation a partition has one owner; a member that asks twice gets the same. At restarts: every
//! commit that was acknowledged is there. At the end, when nobody says anything any more: whoever waited has an answer, and the group
//! is empty.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 6;
const TOPICS: [&str; 2] = ["t", "u"];

#[derive(Debug, Clone, Copy)]
enum Action {
    /// Joins with what the client knows of itself.
    Join(usize),
    /// Joins as if it had never been there.
    JoinAnew(usize),
    Sync(usize),
    Beat(usize),
    Leave(usize),
    Commit(usize, usize),
    CommitFromOutside(usize),
    Pass(u64),
    Restart,
}

/// What a client knows.
#[derive(Debug, Clone, Default)]
struct Client {
    id: String,
    generation: i32,
    /// It was told to assign to these.
    to_assign: Vec<String>,
}

/// What a client waits for.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    Join(usize),
    Sync(usize, i32),
}

struct Life {
    world: World,
    config: GroupConfig,
    clients: Vec<Client>,
    waiting: BTreeMap<Waiter, Waiting>,
    /// Who owns what: generation and partition to the client.
    owners: BTreeMap<(i32, u8), usize>,
    offsets: BTreeMap<&'static str, i64>,
    next_offset: i64,
    fresh: u64,
}

impl Life {
    fn new(config: GroupConfig) -> Self {
        Self {
            world: World::new(config),
            config,
            clients: vec![Client::default(); CLIENTS],
            waiting: BTreeMap::new(),
            owners: BTreeMap::new(),
            offsets: BTreeMap::new(),
            next_offset: 0,
            fresh: 0,
        }
    }

    /// The first two clients are static members, the last one speaks an old version.
    fn join(&mut self, client: usize) {
        self.fresh += 1;
        let instance = (client < 2).then(|| format!("static-{client}"));
        let identity = Identity { member: self.clients[client].id.clone(), instance };
        let join = Join {
            identity,
            knows_member_id_required: client < CLIENTS - 1,
            knows_skip_assignment: client.is_multiple_of(2),
            fresh: self.fresh.to_string(),
            // Now and then a member says something else than before.
            protocols: if self.fresh.is_multiple_of(5) {
                vec![protocol("sticky"), protocol("range")]
            } else {
                vec![protocol("range"), protocol("sticky")]
            },
            ..join_request(&client.to_string(), "")
        };
        let waiter = self.world.send(GroupRequest::Join(Box::new(join)));
        self.waiting.insert(waiter, Waiting::Join(client));
    }

    fn sync(&mut self, client: usize) {
        let Client { id, generation, to_assign } = self.clients[client].clone();
        // Partition n goes to the n-th member.
        let assignments = to_assign.into_iter().zip(0u8..).map(|(id, partition)| (id, Bytes::from(vec![partition])));
        let identity = self.identity(client, id);
        let sync =
            Sync { group: GROUP.into(), identity, generation, assignments: assignments.collect(), ..Sync::default() };
        let waiter = self.world.send(GroupRequest::Sync(sync));
        self.waiting.insert(waiter, Waiting::Sync(client, generation));
    }

    fn identity(&self, client: usize, member: String) -> Identity {
        Identity { member, instance: (client < 2).then(|| format!("static-{client}")) }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Join(client) => self.join(client),
            Action::JoinAnew(client) => {
                self.clients[client] = Client::default();
                self.join(client);
            }
            Action::Sync(client) => self.sync(client),
            Action::Beat(client) => {
                let Client { id, generation, .. } = self.clients[client].clone();
                let identity = self.identity(client, id);
                let beat = Heartbeat { group: GROUP.into(), identity, generation };
                drop(self.world.ask(GroupRequest::Heartbeat(beat)));
            }
            Action::Leave(client) => {
                let identity = self.identity(client, self.clients[client].id.clone());
                drop(self.world.ask(GroupRequest::Leave(Leave { group: GROUP.into(), members: vec![identity] })));
            }
            Action::Commit(client, topic) => {
                let Client { id, generation, .. } = self.clients[client].clone();
                self.commit(&id, generation, TOPICS[topic]);
            }
            Action::CommitFromOutside(topic) => self.commit("", -1, TOPICS[topic]),
            Action::Pass(ms) => self.world.pass(ms),
            Action::Restart => self.restart(),
        }
        self.listen();
    }

    fn commit(&mut self, id: &str, generation: i32, topic: &'static str) {
        self.next_offset += 1;
        if self.world.ask(super::commit(id, generation, topic, self.next_offset)) == committed() {
            self.offsets.insert(topic, self.next_offset);
        }
    }

    fn restart(&mut self) {
        let world = std::mem::replace(&mut self.world, World::new(self.config));
        self.world = world.restarted(self.config);
        // Their connections are gone.
        self.waiting.clear();
        for topic in TOPICS {
            assert_eq!(self.world.offset(topic), self.offsets.get(topic).copied(), "the offset in {topic}");
        }
    }

    /// Clients take their answers.
    fn listen(&mut self) {
        for (waiter, reply) in std::mem::take(&mut self.world.answers) {
            let waiting = self.waiting.remove(&waiter).expect("an answer comes once, to somebody who waits");
            match (waiting, reply) {
                (Waiting::Join(client), Ok(GroupAnswer::Joined(joined))) => {
                    let to_assign = if joined.skip_assignment { Vec::new() } else { joined.members };
                    let to_assign = to_assign.into_iter().map(|member| member.id).collect();
                    self.clients[client] = Client { id: joined.member, generation: joined.generation, to_assign };
                }
                (Waiting::Join(client), Err(GroupFault::MemberIdRequired(id))) => self.clients[client].id = id,
                (Waiting::Sync(client, generation), Ok(GroupAnswer::Synced(synced))) => {
                    for &partition in &synced.assignment {
                        let owner = *self.owners.entry((generation, partition)).or_insert(client);
                        assert_eq!(owner, client, "owners of partition {partition} in generation {generation}");
                    }
                }
                (Waiting::Join(client), Err(GroupFault::UnknownMember | GroupFault::FencedInstance)) => {
                    self.clients[client] = Client::default();
                }
                (_, Err(_)) => {}
                (waiting, reply) => panic!("{waiting:?} got {reply:?}"),
            }
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let client = || 0..CLIENTS;
    prop_oneof![
        6 => client().prop_map(Action::Join),
        1 => client().prop_map(Action::JoinAnew),
        6 => client().prop_map(Action::Sync),
        3 => client().prop_map(Action::Beat),
        1 => client().prop_map(Action::Leave),
        2 => (client(), 0..TOPICS.len()).prop_map(|(client, topic)| Action::Commit(client, topic)),
        1 => (0..TOPICS.len()).prop_map(Action::CommitFromOutside),
        3 => prop_oneof![Just(100u64), Just(3_000), Just(6_000), Just(20_000), Just(61_000)].prop_map(Action::Pass),
        1 => Just(Action::Restart),
    ]
}

/// Everybody does what a client does, in turn: so that groups become stable often.
fn orderly_round() -> impl Strategy<Value = Vec<Action>> {
    let some = proptest::collection::vec(0..CLIENTS, 1..CLIENTS);
    some.prop_map(|clients| {
        let joins = clients.iter().map(|&client| Action::Join(client));
        let syncs = clients.iter().map(|&client| Action::Sync(client));
        joins.clone().chain(joins).chain([Action::Pass(6_000)]).chain(syncs).collect()
    })
}

fn life() -> impl Strategy<Value = Vec<Action>> {
    let part = prop_oneof![proptest::collection::vec(action(), 1..12), orderly_round()];
    proptest::collection::vec(part, 1..16).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_life_keeps_its_promises(actions in life(), size_max in prop_oneof![Just(3u32), Just(100)]) {
        // Offsets do not expire in such a life, so that what was acknowledged has to be there.
        let config = GroupConfig { size_max, offsets_retention_ms: i64::MAX / 2, ..GroupConfig::default() };
        let mut life = Life::new(config);
        for action in actions {
            life.act(action);
        }
        // Longer than any wait: a first join's five minutes, and the rebalances that follow one another.
        life.world.pass(1_800_000);
        life.listen();
        prop_assert!(life.waiting.is_empty(), "somebody waits for ever: {:?}", life.waiting);
        let state = life.world.state();
        prop_assert!(matches!(state, "Empty" | "Dead"), "nobody is there, and the group is {state}");
        life.restart();
    }
}
