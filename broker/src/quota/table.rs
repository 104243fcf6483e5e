//! All quotas of the cluster, and which of them holds for whom.

use std::collections::BTreeMap;

use super::entity::{Entity, EntityKind, QuotaKey};

/// The replayed quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quotas {
    by_entity: BTreeMap<Entity, BTreeMap<QuotaKey, f64>>,
    /// Grows with each change, so that who remembers bounds can tell whether they hold.
    epoch: u64,
}

/// With whom a bound is shared: all to whom the same value of this type belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shared {
    pub key: QuotaKey,
    pub user: Option<String>,
    pub client_id: Option<String>,
    pub ip: Option<String>,
}

/// A rate that holds for a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// In a second: bytes, or hundredths of a core's time, or partitions that come or go, or connections.
    pub rate: f64,
    pub shared: Shared,
}

/// What holds for one client of one user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    pub produce: Option<Bound>,
    pub fetch: Option<Bound>,
    pub request: Option<Bound>,
    pub mutation: Option<Bound>,
}

impl Quotas {
    /// Whether there are none, so that nobody need look.
    pub fn is_empty(&self) -> bool {
        self.by_entity.is_empty()
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn len(&self) -> usize {
        self.by_entity.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Entity, &BTreeMap<QuotaKey, f64>)> {
        self.by_entity.iter()
    }

    pub fn has(&self, entity: &Entity) -> bool {
        self.by_entity.contains_key(entity)
    }

    /// Replays one record.
    pub fn replay(&mut self, entity: &Entity, key: QuotaKey, rate: Option<f64>) {
        self.epoch += 1;
        let quotas = self.by_entity.entry(entity.clone()).or_default();
        match rate {
            Some(rate) => quotas.insert(key, rate),
            None => quotas.remove(&key),
        };
        if quotas.is_empty() {
            self.by_entity.remove(entity);
        }
    }

    pub fn bounds(&self, user: &str, client_id: &str) -> Bounds {
        Bounds {
            produce: self.bound(QuotaKey::ProducerByteRate, user, client_id),
            fetch: self.bound(QuotaKey::ConsumerByteRate, user, client_id),
            request: self.bound(QuotaKey::RequestPercentage, user, client_id),
            mutation: self.bound(QuotaKey::ControllerMutationRate, user, client_id),
        }
    }

    /// Connections that an address may open in a second.
    pub fn connections_of(&self, ip: &str) -> Option<Bound> {
        let key = QuotaKey::ConnectionCreationRate;
        let of = |name: Option<&str>| self.rate(key, [(EntityKind::Ip, name)]);
        let rate = of(Some(ip)).or_else(|| of(None))?;
        Some(Bound { rate, shared: Shared { key, user: None, client_id: None, ip: Some(ip.to_owned()) } })
    }

    /// The most particular quota holds, in Kafka's order. One that names only users is shared by all clients of the user, and one that names only
    /// clients by all users of the client.
    fn bound(&self, key: QuotaKey, user: &str, client_id: &str) -> Option<Bound> {
        const DEFAULT: Option<&str> = None;
        let both = |user, client_id| self.rate(key, [(EntityKind::User, user), (EntityKind::ClientId, client_id)]);
        let of_user = |user| self.rate(key, [(EntityKind::User, user)]);
        let of_client = |client_id| self.rate(key, [(EntityKind::ClientId, client_id)]);
        let (this_user, this_client) = (Some(user), Some(client_id));
        let found = |rate: Option<f64>, by_user: bool, by_client: bool| {
            let name = |is_part: bool, name: &str| is_part.then(|| name.to_owned());
            let (user, client_id) = (name(by_user, user), name(by_client, client_id));
            rate.map(|rate| Bound { rate, shared: Shared { key, user, client_id, ip: None } })
        };
        found(both(this_user, this_client), true, true)
            .or_else(|| found(both(this_user, DEFAULT), true, true))
            .or_else(|| found(of_user(this_user), true, false))
            .or_else(|| found(both(DEFAULT, this_client), true, true))
            .or_else(|| found(both(DEFAULT, DEFAULT), true, true))
            .or_else(|| found(of_user(DEFAULT), true, false))
            .or_else(|| found(of_client(this_client), false, true))
            .or_else(|| found(of_client(DEFAULT), false, true))
    }

    fn rate<const N: usize>(&self, key: QuotaKey, parts: [(EntityKind, Option<&str>); N]) -> Option<f64> {
        let entity = Entity::new(parts.map(|(kind, name)| (kind, name.map(str::to_owned))));
        self.by_entity.get(&entity)?.get(&key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<Option<&str>>, client_id: Option<Option<&str>>) -> Entity {
        let part = |kind, part: Option<Option<&str>>| part.map(|name| (kind, name.map(str::to_owned)));
        Entity::new([part(EntityKind::User, user), part(EntityKind::ClientId, client_id)].into_iter().flatten())
    }

    /// Kafka's order (`DefaultQuotaCallback`), the most particular first.
    fn ladder() -> [Entity; 8] {
        let (u, c, default) = (Some(Some("u")), Some(Some("c")), Some(None));
        [
            entity(u, c),
            entity(u, default),
            entity(u, None),
            entity(default, c),
            entity(default, default),
            entity(default, None),
            entity(None, c),
            entity(None, default),
        ]
    }

    #[test]
    fn the_most_particular_quota_holds_and_says_who_shares_it() {
        let mut quotas = Quotas::default();
        let shares = [
            (true, true),
            (true, true),
            (true, false),
            (true, true),
            (true, true),
            (true, false),
            (false, true),
            (false, true),
        ];
        for (rate, (entity, (by_user, by_client))) in ladder().into_iter().zip(shares).rev().enumerate() {
            quotas.replay(&entity, QuotaKey::ProducerByteRate, Some(rate as f64 + 1.0));
            let bound = quotas.bounds("u", "c").produce.expect("a quota holds");
            assert_eq!(bound.rate, rate as f64 + 1.0, "{entity}");
            assert_eq!(
                (bound.shared.user.is_some(), bound.shared.client_id.is_some()),
                (by_user, by_client),
                "{entity}"
            );
        }
        assert_eq!(quotas.bounds("u", "c").fetch, None, "each kind stands for itself");
        let other = quotas.bounds("other", "c").produce.expect("the defaults hold");
        assert_eq!((other.rate, other.shared.user.as_deref()), (5.0, Some("other")));
    }

    #[test]
    fn a_quota_that_is_taken_away_leaves_nothing() {
        let mut quotas = Quotas::default();
        let address = Entity::new([(EntityKind::Ip, None)]);
        quotas.replay(&address, QuotaKey::ConnectionCreationRate, Some(3.0));
        assert_eq!(quotas.connections_of("10.0.0.1").map(|bound| bound.rate), Some(3.0));
        let epoch = quotas.epoch();
        quotas.replay(&address, QuotaKey::ConnectionCreationRate, None);
        assert!(quotas.is_empty() && quotas.epoch() > epoch);
        assert_eq!(quotas.connections_of("10.0.0.1"), None);
    }
}
