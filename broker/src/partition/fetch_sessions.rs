//! Fetch sessions (KIP-227): a client names its partitions once and then only what changed; the answers leave out what has
//! not. One cache per shard, because a session is used over one connection, and that stays on its shard.
//!
//! ```text
//!   full fetch, epoch 0 --open--> session, epoch 1 --resume with epoch e--> epoch e + 1 --answered--> ...
//!                                    |    |    '--wrong epoch, names for ids--> SessionFault, the session stays
//!                                    |    '--idle, and room is needed--> gone
//!                                    '--full fetch that names it, or nothing left in it--> gone
//! ```
//! Invariants: a session's `by_place` and `by_key` hold the same partitions; `partition_count` is the sum over all sessions;
//! `by_use` names each session once, with the time of its last use.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use wire::Uuid;

/// Sessions of one shard. Kafka gives a whole broker as many.
const SESSIONS_MAX: usize = 1_000;
/// Partitions in all sessions of one shard: some ten megabytes.
const SESSION_PARTITIONS_MAX: usize = 100_000;
/// A session that was not used for so long makes room for a new one; Kafka's `min.incremental.fetch.session.eviction.ms`.
const SESSION_IDLE: Duration = Duration::from_secs(120);
/// The epoch that follows the highest one: zero would begin a session anew.
const EPOCH_AFTER_LAST: i32 = 1;

/// Names a session to its client. Zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i32);

impl SessionId {
    pub const NONE: SessionId = SessionId(0);
}

/// A topic as the client calls it. A session sticks to one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKey {
    Name(Rc<str>),
    Id(Uuid),
}

/// A partition as the client calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    pub topic: TopicKey,
    pub index: i32,
}

/// What the client wants of a partition, until it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub fetch_offset: i64,
    pub bytes_max: i32,
    pub current_leader_epoch: i32,
}

/// What an answer says of a partition, as far as it decides whether it is worth saying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub high_watermark: i64,
    pub log_start: i64,
    pub has_records: bool,
    pub has_error: bool,
}

/// Why a session cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    #[error("no such fetch session")]
    Unknown,
    #[error("the request does not follow the session's last one")]
    WrongEpoch,
    #[error("a session names its topics either by name or by id")]
    OtherKeys,
}

/// What a request means within its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// These partitions, in the order in which they should be served.
    Incremental(Vec<(PartitionKey, Wanted)>),
    /// Nothing is left in the session, so it is gone.
    Emptied,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    place: u64,
    high_watermark: i64,
    log_start: i64,
}

#[derive(Debug)]
struct Session {
    /// The epoch that the next request has to have.
    epoch: i32,
    uses_ids: bool,
    by_key: HashMap<PartitionKey, Cached>,
    /// The order in which partitions are served: who got records goes to the end.
    by_place: BTreeMap<u64, PartitionKey>,
    places: u64,
    used_at: Instant,
}

/// The sessions of one shard.
#[derive(Debug, Default)]
pub struct FetchSessions {
    by_id: HashMap<SessionId, Session>,
    by_use: BTreeSet<(Instant, SessionId)>,
    partition_count: usize,
}

impl FetchSessions {
    /// Begins a session with what a full fetch was told. `id` is a random number, of which this shard has no other use.
    /// None if there is no room: then the client gets no session and goes on with full fetches.
    pub fn open(
        &mut self,
        now: Instant,
        id: SessionId,
        uses_ids: bool,
        partitions: impl ExactSizeIterator<Item = (PartitionKey, Wanted, Told)>,
    ) -> Option<SessionId> {
        if partitions.len() == 0 || id.0 <= 0 || self.by_id.contains_key(&id) || !self.make_room(now, partitions.len())
        {
            return None;
        }
        let mut session = Session {
            epoch: 1,
            uses_ids,
            by_key: HashMap::with_capacity(partitions.len()),
            by_place: BTreeMap::new(),
            places: 0,
            used_at: now,
        };
        for (key, wanted, told) in partitions {
            session.want(key.clone(), wanted);
            session.tell(&key, told);
        }
        self.partition_count += session.by_key.len();
        self.by_use.insert((now, id));
        self.by_id.insert(id, session);
        Some(id)
    }

    /// Ends a session, if there is one.
    pub fn close(&mut self, id: SessionId) {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_use.remove(&(session.used_at, id));
            self.partition_count -= session.by_key.len();
        }
    }

    /// Takes the next request of a session: partitions to add or change, and partitions to forget.
    pub fn resume(
        &mut self,
        now: Instant,
        (id, epoch): (SessionId, i32),
        uses_ids: bool,
        wanted: Vec<(PartitionKey, Wanted)>,
        forgotten: &[PartitionKey],
    ) -> Result<Resumed, SessionFault> {
        let session = self.by_id.get_mut(&id).ok_or(SessionFault::Unknown)?;
        if session.epoch != epoch {
            return Err(SessionFault::WrongEpoch);
        }
        if session.uses_ids != uses_ids {
            return Err(SessionFault::OtherKeys);
        }
        self.partition_count -= session.by_key.len();
        for (key, wanted) in wanted {
            session.want(key, wanted);
        }
        for key in forgotten {
            session.forget(key);
        }
        self.partition_count += session.by_key.len();
        self.by_use.remove(&(session.used_at, id));
        session.used_at = now;
        self.by_use.insert((now, id));
        if session.by_key.is_empty() || self.partition_count > SESSION_PARTITIONS_MAX {
            // A client whose session grew too large finds it gone and names its partitions itself from then on.
            let is_empty = session.by_key.is_empty();
            self.close(id);
            return if is_empty { Ok(Resumed::Emptied) } else { Err(SessionFault::Unknown) };
        }
        session.epoch = next_epoch(epoch);
        let partitions = session.by_place.values().map(|key| (key.clone(), session.by_key[key].wanted));
        Ok(Resumed::Incremental(partitions.collect()))
    }

    /// Notes what the answer to the request with `epoch` says, and decides for each partition whether it has to say it.
    pub fn answer<'a>(
        &mut self,
        (id, epoch): (SessionId, i32),
        told: impl Iterator<Item = (&'a PartitionKey, Told)>,
    ) -> Result<Vec<bool>, SessionFault> {
        let session = self.by_id.get_mut(&id).ok_or(SessionFault::Unknown)?;
        if session.epoch != next_epoch(epoch) {
            return Err(SessionFault::WrongEpoch);
        }
        Ok(told.map(|(key, told)| session.tell(key, told)).collect())
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Lets go of idle sessions until there is room. False if there is none.
    fn make_room(&mut self, now: Instant, partitions: usize) -> bool {
        while self.by_id.len() >= SESSIONS_MAX || self.partition_count + partitions > SESSION_PARTITIONS_MAX {
            match self.by_use.first() {
                Some(&(used_at, id)) if now.saturating_duration_since(used_at) >= SESSION_IDLE => self.close(id),
                _ => return false,
            }
        }
        true
    }
}

impl Session {
    fn want(&mut self, key: PartitionKey, wanted: Wanted) {
        if let Some(cached) = self.by_key.get_mut(&key) {
            cached.wanted = wanted;
            return;
        }
        let place = self.next_place();
        self.by_place.insert(place, key.clone());
        // No offset is -1, so the first answer always says where the partition stands.
        self.by_key.insert(key, Cached { wanted, place, high_watermark: -1, log_start: -1 });
    }

    fn forget(&mut self, key: &PartitionKey) {
        if let Some(cached) = self.by_key.remove(key) {
            self.by_place.remove(&cached.place);
        }
    }

    /// Whether an answer has to tell this.
    fn tell(&mut self, key: &PartitionKey, told: Told) -> bool {
        let next_place = self.next_place();
        let Some(cached) = self.by_key.get_mut(key) else { return true };
        let is_news = told.has_records
            || told.has_error
            || cached.high_watermark != told.high_watermark
            || cached.log_start != told.log_start;
        // After an error the partition is told again, whatever it was before.
        cached.high_watermark = if told.has_error { -1 } else { told.high_watermark };
        cached.log_start = told.log_start;
        if told.has_records {
            self.by_place.remove(&cached.place);
            cached.place = next_place;
            self.by_place.insert(next_place, key.clone());
        }
        is_news
    }

    fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(EPOCH_AFTER_LAST)
}

#[cfg(test)]
#[path = "fetch_sessions_tests.rs"]
mod tests;
