//! Whom a quota is for, and what it bounds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntityKind {
    User,
    ClientId,
    Ip,
}

impl EntityKind {
    pub const ALL: [EntityKind; 3] = [EntityKind::User, EntityKind::ClientId, EntityKind::Ip];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whom a quota is for: a user, a client, a client of a user, or an address. Without a name a part stands for all that have no quota of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entity(BTreeMap<EntityKind, Option<String>>);

impl Entity {
    pub fn new(parts: impl IntoIterator<Item = (EntityKind, Option<String>)>) -> Self {
        Self(parts.into_iter().collect())
    }

    pub fn parts(&self) -> impl Iterator<Item = (EntityKind, Option<&str>)> {
        self.0.iter().map(|(&kind, name)| (kind, name.as_deref()))
    }

    /// The part of this kind: its name, or none inside for the default.
    pub fn part(&self, kind: EntityKind) -> Option<Option<&str>> {
        self.0.get(&kind).map(Option::as_deref)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (kind, name)) in self.parts().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", kind.name(), name.unwrap_or("<default>"))?;
        }
        Ok(())
    }
}

/// What a quota bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaKey {
    ProducerByteRate,
    ConsumerByteRate,
    RequestPercentage,
    ControllerMutationRate,
    ConnectionCreationRate,
}

impl QuotaKey {
    pub const ALL: [QuotaKey; 5] = [
        QuotaKey::ProducerByteRate,
        QuotaKey::ConsumerByteRate,
        QuotaKey::RequestPercentage,
        QuotaKey::ControllerMutationRate,
        QuotaKey::ConnectionCreationRate,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProducerByteRate => "producer_byte_rate",
            Self::ConsumerByteRate => "consumer_byte_rate",
            Self::RequestPercentage => "request_percentage",
            Self::ControllerMutationRate => "controller_mutation_rate",
            Self::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Whether only whole numbers are taken, as Kafka does it.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::ProducerByteRate | Self::ConsumerByteRate | Self::ConnectionCreationRate)
    }

    /// Whether such an entity can have it: addresses have one quota, which nobody else has.
    pub fn fits(self, entity: &Entity) -> bool {
        (self == Self::ConnectionCreationRate) == entity.part(EntityKind::Ip).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_an_entity_reads_as_json() {
        assert!(EntityKind::ALL.into_iter().all(|kind| EntityKind::named(kind.name()) == Some(kind)));
        assert!(QuotaKey::ALL.into_iter().all(|key| QuotaKey::named(key.name()) == Some(key)));
        let entity = Entity::new([(EntityKind::ClientId, Some("a".to_owned())), (EntityKind::User, None)]);
        let json = serde_json::to_string(&entity).expect("JSON");
        assert_eq!(json, r#"{"user":null,"client-id":"a"}"#);
        assert_eq!(serde_json::from_str::<Entity>(&json).expect("the same"), entity);
        assert_eq!(entity.to_string(), "user <default>, client-id a");
    }
}
