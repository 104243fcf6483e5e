//! Who may connect: how many connections a node has, in all and from each address, and how fast they come. Lives on every core.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{ConfigError, Settings, in_range};
use crate::limits::CONNECTIONS_MAX_DEFAULT;
use crate::quota::Allowance;
use crate::quota::limits::{BURST, CONNECTION_RATE_MAX_DEFAULT, CONNECTIONS_CEILING, CONNECTIONS_PER_IP_MAX_DEFAULT};

/// What a node takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalLimits {
    pub open_max: u32,
    pub per_ip_max: u32,
    /// Addresses with a limit of their own.
    pub per_ip_overrides: BTreeMap<IpAddr, u32>,
    /// Connections in a second.
    pub rate_max: u32,
}

impl ArrivalLimits {
    /// Checks what was written; what is absent gets its default.
    pub fn check(settings: &Settings, shard_count: u64) -> Result<Self, ConfigError> {
        let per_shard = settings.connections_max.unwrap_or(CONNECTIONS_MAX_DEFAULT);
        let open_max = u64::from(per_shard).saturating_mul(shard_count).min(u64::from(CONNECTIONS_CEILING)) as u32;
        let between = |setting, asked: Option<u32>, default, least| {
            in_range(setting, asked.unwrap_or(default), least, CONNECTIONS_CEILING)
        };
        let (per_ip, rate) = (settings.connections_per_ip_max, settings.connection_rate_max);
        Ok(Self {
            open_max: between("max.connections", settings.open_connections_max, open_max.max(1), 1)?,
            per_ip_max: between("max.connections.per.ip", per_ip, CONNECTIONS_PER_IP_MAX_DEFAULT, 0)?,
            per_ip_overrides: overrides(settings.connections_per_ip_overrides.as_deref().unwrap_or_default())?,
            rate_max: between("max.connection.creation.rate", rate, CONNECTION_RATE_MAX_DEFAULT, 1)?,
        })
    }
}

/// Addresses with their limits; an address of the new kind has colons of its own.
fn overrides(written: &str) -> Result<BTreeMap<IpAddr, u32>, ConfigError> {
    let words = written.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let refuse = || ConfigError::Value {
                setting: "max.connections.per.ip.overrides",
                value: word.to_owned(),
                reason: "it must be ADDRESS:COUNT, several with commas between them".to_owned(),
            };
            let (address, count) = word.rsplit_once(':').ok_or_else(refuse)?;
            let address = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            Ok((address.map_err(|_| refuse())?.to_canonical(), count.trim().parse().map_err(|_| refuse())?))
        })
        .collect()
}

/// Why a connection is closed as it comes. Each is the setting that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("max.connections is reached")]
    Full,
    #[error("max.connections.per.ip is reached for this address")]
    FullOfAddress,
}

/// The connections of a node, counted over its shards: they all accept at one port.
pub struct Arrivals {
    limits: ArrivalLimits,
    begun: Instant,
    pace: Allowance,
    open: Mutex<Open>,
}

/// Invariant: `all` is the sum of `by_address`, which has no zeros.
#[derive(Default)]
struct Open {
    all: u32,
    by_address: BTreeMap<IpAddr, u32>,
}

/// A connection that was let in, counted until this is dropped.
pub struct Admission {
    arrivals: Arc<Arrivals>,
    address: IpAddr,
}

impl Arrivals {
    pub fn new(limits: ArrivalLimits, begun: Instant) -> Arc<Self> {
        Arc::new(Self { limits, begun, pace: Allowance::default(), open: Mutex::default() })
    }

    /// Lets a connection in, or says which limit is reached.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admission, Refused> {
        // An address of the old kind is the same one when it is written as one of the new kind.
        let address = address.to_canonical();
        let of_address_max = self.limits.per_ip_overrides.get(&address).copied().unwrap_or(self.limits.per_ip_max);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.limits.open_max {
            return Err(Refused::Full);
        }
        if open.by_address.get(&address).copied().unwrap_or(0) >= of_address_max {
            return Err(Refused::FullOfAddress);
        }
        open.all += 1;
        *open.by_address.entry(address).or_default() += 1;
        Ok(Admission { arrivals: self.clone(), address })
    }

    /// A connection has come. Returns for how long none should be accepted, so that the rate is kept: the others wait in the backlog.
    pub fn pause(&self, now: Instant) -> Duration {
        let cost_ns = Duration::from_secs(1).as_nanos() as u64 / u64::from(self.limits.rate_max);
        // A moment of rest before the start, so that the first burst is there.
        let now_ns = (now.saturating_duration_since(self.begun) + BURST).as_nanos() as u64;
        Duration::from_nanos(self.pace.take(cost_ns, BURST.as_nanos() as u64, now_ns))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.arrivals.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        let of_address = open.by_address.get_mut(&self.address).expect("it was counted");
        *of_address -= 1;
        if *of_address == 0 {
            open.by_address.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn arrivals(open_max: u32, per_ip_max: u32, rate_max: u32) -> Arc<Arrivals> {
        let per_ip_overrides = BTreeMap::from([(address("10.0.0.9"), 3), (address("10.0.0.8"), 0)]);
        Arrivals::new(ArrivalLimits { open_max, per_ip_max, per_ip_overrides, rate_max }, Clock.monotonic())
    }

    #[test]
    fn addresses_have_limits_of_their_own_and_the_node_as_many_connections_as_its_shards() {
        let settings = Settings {
            connections_per_ip_overrides: Some("10.0.0.1:5, [::1]:7".to_owned()),
            connections_max: Some(30),
            ..Settings::default()
        };
        let arrivals = ArrivalLimits::check(&settings, 2).expect("possible");
        assert_eq!(arrivals.per_ip_overrides, BTreeMap::from([(address("10.0.0.1"), 5), (address("::1"), 7)]));
        assert_eq!((arrivals.open_max, arrivals.per_ip_max), (60, CONNECTIONS_PER_IP_MAX_DEFAULT));
        let bad = Settings { connections_per_ip_overrides: Some("here:5".to_owned()), ..Settings::default() };
        let refused = ArrivalLimits::check(&bad, 2).expect_err("it is refused").to_string();
        assert!(refused.starts_with("max.connections.per.ip.overrides = here:5 is not possible"), "{refused}");
    }

    #[test]
    fn each_address_has_its_limit_and_all_together_have_one() {
        let arrivals = arrivals(4, 2, 100);
        let refused = |text: &str| arrivals.admit(address(text)).err();
        let mut admitted: Vec<Admission> = Vec::new();
        for text in ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.9"] {
            admitted.push(arrivals.admit(address(text)).unwrap_or_else(|refused| panic!("{text}: {refused}")));
        }
        assert_eq!(refused("10.0.0.1"), Some(Refused::FullOfAddress));
        assert_eq!(refused("10.0.0.8"), Some(Refused::FullOfAddress), "an address can be kept out");
        admitted.push(arrivals.admit(address("10.0.0.9")).unwrap_or_else(|refused| panic!("{refused}")));
        assert_eq!(refused("10.0.0.9"), Some(Refused::Full));
        admitted.remove(0);
        assert_eq!(refused("10.0.0.1"), None);
        drop(admitted);
        assert_eq!(arrivals.open.lock().expect("no panic").by_address.len(), 0);
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_one_after_the_other() {
        let arrivals = arrivals(1_000, 1_000, 100);
        let now = Clock.monotonic();
        let pauses: Vec<u128> = (0..102).map(|_| arrivals.pause(now).as_millis()).collect();
        assert!(pauses[..99].iter().all(|&ms| ms == 0), "{pauses:?}");
        assert!((5..=30).contains(&pauses[101]), "{pauses:?}");
    }
}
