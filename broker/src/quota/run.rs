//! Quotas at work: the allowances that the shards of a node share, and what one shard knows of its clients. SHELL.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{ALLOWANCES_MAX, BURST, CLIENTS_REMEMBERED_MAX, MUTATION_BURST, THROTTLE_MAX};
use super::{Allowance, Bound, QuotaKey, Quotas, Shared};

/// Whose quotas hold for a connection without authentication, as in Kafka.
pub const ANONYMOUS: &str = "ANONYMOUS";

/// A percentage of one core's time, in its whole.
const PERCENT: f64 = 100.0;
const NS_PER_S: f64 = 1e9;

/// What the shards of a node share of quotas: one number for each that is in use. Lives on every core; a shard asks it once for each client, and when
/// quotas have changed.
pub struct Allowances {
    begun: Instant,
    by_sharers: Mutex<BTreeMap<Shared, Arc<Allowance>>>,
    /// For those that come when there are too many.
    rest: Arc<Allowance>,
}

impl Allowances {
    pub fn new(begun: Instant) -> Arc<Self> {
        Arc::new(Self { begun, by_sharers: Mutex::default(), rest: Arc::default() })
    }

    fn of(&self, shared: &Shared, now: Instant) -> Arc<Allowance> {
        let mut allowances = self.by_sharers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = allowances.get(shared) {
            return known.clone();
        }
        if allowances.len() >= ALLOWANCES_MAX {
            let (burst_ns, now_ns) = (MUTATION_BURST.as_nanos() as u64, self.since_start_ns(now));
            allowances.retain(|_, kept| Arc::strong_count(kept) > 1 || !kept.is_rested(burst_ns, now_ns));
        }
        if allowances.len() >= ALLOWANCES_MAX {
            return self.rest.clone();
        }
        allowances.entry(shared.clone()).or_default().clone()
    }

    fn since_start_ns(&self, now: Instant) -> u64 {
        // A moment of rest before the start, so that the first burst is there.
        (now.saturating_duration_since(self.begun) + 2 * MUTATION_BURST).as_nanos() as u64
    }
}

/// One rate that a client is bound by.
pub struct Meter {
    rate: f64,
    burst: Duration,
    allowance: Arc<Allowance>,
    allowances: Arc<Allowances>,
}

impl Meter {
    fn new(allowances: &Arc<Allowances>, bound: &Bound, now: Instant) -> Self {
        let allowance = allowances.of(&bound.shared, now);
        let burst = if bound.shared.key == QuotaKey::ControllerMutationRate { MUTATION_BURST } else { BURST };
        Self { rate: bound.rate, burst, allowance, allowances: allowances.clone() }
    }

    /// Uses so much, in the unit of the rate and a second. Returns how long to wait before more is used.
    pub fn take(&self, amount: f64, now: Instant) -> Duration {
        // A float that is too large becomes the largest number.
        let cost_ns = (amount / self.rate * NS_PER_S) as u64;
        let now_ns = self.allowances.since_start_ns(now);
        Duration::from_nanos(self.allowance.take(cost_ns, self.burst.as_nanos() as u64, now_ns)).min(THROTTLE_MAX)
    }

    /// What may be used at once after a rest.
    pub fn burst(&self) -> f64 {
        self.rate * self.burst.as_secs_f64()
    }
}

/// What one client is bound by. Clients that have no bound have none of these.
#[derive(Default)]
pub struct Tariff {
    /// Bytes.
    pub produce: Option<Meter>,
    /// Bytes.
    pub fetch: Option<Meter>,
    request: Option<Meter>,
    /// Partitions.
    pub mutation: Option<Meter>,
}

impl Tariff {
    /// Whether the time that its requests take counts.
    pub fn counts_time(&self) -> bool {
        self.request.is_some()
    }

    /// A request has kept the core busy for this long.
    pub fn take_time(&self, busy: Duration, now: Instant) -> Duration {
        take(self.request.as_ref(), PERCENT * busy.as_secs_f64(), now)
    }

    pub fn take_produced(&self, bytes: usize, now: Instant) -> Duration {
        take(self.produce.as_ref(), bytes as f64, now)
    }

    /// How long who has created and deleted is to wait.
    pub fn mutation_wait(&self, now: Instant) -> Duration {
        take(self.mutation.as_ref(), 0.0, now)
    }

    pub fn take_fetched(&self, bytes: usize, now: Instant) -> Duration {
        take(self.fetch.as_ref(), bytes as f64, now)
    }
}

fn take(meter: Option<&Meter>, amount: f64, now: Instant) -> Duration {
    meter.map_or(Duration::ZERO, |meter| meter.take(amount, now))
}

/// The clients of one shard that quotas bind. Lives on that shard.
pub struct Clients {
    allowances: Arc<Allowances>,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    /// Of the quotas from which all of these follow.
    epoch: u64,
    by_client: BTreeMap<String, Rc<Tariff>>,
}

impl Clients {
    pub fn new(allowances: Arc<Allowances>) -> Self {
        Self { allowances, known: RefCell::default() }
    }

    /// What holds for a client.
    pub fn tariff(&self, quotas: &Quotas, client_id: &str, now: Instant) -> Rc<Tariff> {
        let known = &mut *self.known.borrow_mut();
        if known.epoch != quotas.epoch() || known.by_client.len() >= CLIENTS_REMEMBERED_MAX {
            *known = Known { epoch: quotas.epoch(), by_client: BTreeMap::new() };
        }
        if let Some(tariff) = known.by_client.get(client_id) {
            return tariff.clone();
        }
        let bounds = quotas.bounds(ANONYMOUS, client_id);
        let meter = |bound: Option<Bound>| bound.map(|bound| Meter::new(&self.allowances, &bound, now));
        let tariff = Rc::new(Tariff {
            produce: meter(bounds.produce),
            fetch: meter(bounds.fetch),
            request: meter(bounds.request),
            mutation: meter(bounds.mutation),
        });
        known.by_client.insert(client_id.to_owned(), tariff.clone());
        tariff
    }

    /// Whether an address may open one more connection now.
    pub fn may_connect(&self, quotas: &Quotas, address: IpAddr, now: Instant) -> bool {
        let Some(bound) = quotas.connections_of(&address.to_canonical().to_string()) else { return true };
        let meter = Meter::new(&self.allowances, &bound, now);
        // Those that are turned away do not count, or who knocks often would stay outside.
        let is_free = meter.take(0.0, now).is_zero();
        if is_free {
            meter.take(1.0, now);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::quota::{Entity, EntityKind};

    fn quotas(key: QuotaKey, rate: f64) -> Quotas {
        let mut quotas = Quotas::default();
        let entity = match key {
            QuotaKey::ConnectionCreationRate => Entity::new([(EntityKind::Ip, None)]),
            _ => Entity::new([(EntityKind::ClientId, None)]),
        };
        quotas.replay(&entity, key, Some(rate));
        quotas
    }

    #[test]
    fn shards_share_what_a_client_may_use_and_clients_do_not() {
        let begun = Clock.monotonic();
        let allowances = Allowances::new(begun);
        let shards = [Clients::new(allowances.clone()), Clients::new(allowances)];
        let quotas = quotas(QuotaKey::ProducerByteRate, 1_000.0);
        let take = |shard: usize, client: &str, bytes| {
            shards[shard].tariff(&quotas, client, begun).take_produced(bytes, begun).as_millis()
        };
        assert_eq!(take(0, "a", 1_000), 0, "a second's worth is free");
        assert_eq!(take(1, "a", 500), 500);
        assert_eq!(take(0, "a", 500), 1_000);
        assert_eq!(take(1, "b", 1_000), 0);
        let later = begun + Duration::from_secs(2);
        assert_eq!(shards[0].tariff(&quotas, "a", later).take_produced(1_000, later).as_millis(), 0);
    }

    #[test]
    fn a_core_s_time_is_counted_in_percent() {
        let begun = Clock.monotonic();
        let clients = Clients::new(Allowances::new(begun));
        let quotas = quotas(QuotaKey::RequestPercentage, 10.0);
        let tariff = clients.tariff(&quotas, "a", begun);
        assert!(tariff.counts_time());
        assert_eq!(tariff.take_time(Duration::from_millis(100), begun), Duration::ZERO);
        assert_eq!(tariff.take_time(Duration::from_millis(20), begun).as_millis(), 200);
        assert_eq!(tariff.take_fetched(1 << 30, begun), Duration::ZERO, "there is no such quota");
    }

    #[test]
    fn an_address_that_knocks_too_often_gets_in_as_often_as_it_may() {
        let begun = Clock.monotonic();
        let clients = Clients::new(Allowances::new(begun));
        let quotas = quotas(QuotaKey::ConnectionCreationRate, 5.0);
        let address: IpAddr = "10.0.0.1".parse().expect("an address");
        let admitted = (0..300).filter(|knock| {
            let now = begun + Duration::from_millis(10 * knock);
            clients.may_connect(&quotas, address, now)
        });
        // Three seconds, one burst, and the one that empties it.
        let admitted = admitted.count();
        assert!((19..=21).contains(&admitted), "{admitted}");
        assert!(clients.may_connect(&quotas, "10.0.0.2".parse().expect("an address"), begun));
    }

    #[test]
    fn a_new_quota_holds_at_once_and_names_without_end_cost_no_memory_without_end() {
        let begun = Clock.monotonic();
        let allowances = Allowances::new(begun);
        let clients = Clients::new(allowances.clone());
        let mut quotas = quotas(QuotaKey::ProducerByteRate, 1_000.0);
        assert_eq!(clients.tariff(&quotas, "a", begun).take_produced(2_000, begun).as_millis(), 1_000);
        quotas.replay(&Entity::new([(EntityKind::ClientId, None)]), QuotaKey::ProducerByteRate, Some(1e9));
        assert_eq!(clients.tariff(&quotas, "b", begun).take_produced(2_000, begun).as_millis(), 0);
        for number in 0..ALLOWANCES_MAX + 100 {
            clients.tariff(&quotas, &format!("client-{number}"), begun).take_produced(1, begun);
        }
        assert!(allowances.by_sharers.lock().expect("no panic").len() <= ALLOWANCES_MAX);
    }
}
