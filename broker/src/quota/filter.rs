//! Which entities somebody asks about (KIP-546).

use super::entity::{Entity, EntityKind};

/// What one part of an entity has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Of this name, or without one the default.
    Exactly(Option<String>),
    /// There, whatever its name.
    Any,
}

/// All parts have to match. A strict one lets no entity with further parts through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub parts: Vec<(EntityKind, Match)>,
    pub is_strict: bool,
}

impl Filter {
    pub fn lets_through(&self, entity: &Entity) -> bool {
        let matches = |(kind, wanted): &(EntityKind, Match)| match (entity.part(*kind), wanted) {
            (None, _) => false,
            (Some(_), Match::Any) => true,
            (Some(name), Match::Exactly(wanted)) => name == wanted.as_deref(),
        };
        (!self.is_strict || entity.len() == self.parts.len()) && self.parts.iter().all(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_asked_for_by_name_by_default_or_by_kind() {
        let user = |name: Option<&str>| (EntityKind::User, name.map(str::to_owned));
        let client = |name: Option<&str>| (EntityKind::ClientId, name.map(str::to_owned));
        let entities = [
            Entity::new([user(Some("u"))]),
            Entity::new([user(None)]),
            Entity::new([user(Some("u")), client(Some("c"))]),
            Entity::new([client(None)]),
        ];
        let through = |parts: Vec<(EntityKind, Match)>, is_strict| {
            let filter = Filter { parts, is_strict };
            let through: Vec<usize> = (0..4).filter(|&place| filter.lets_through(&entities[place])).collect();
            through
        };
        let named = |name: Option<&str>| (EntityKind::User, Match::Exactly(name.map(str::to_owned)));
        assert_eq!(through(vec![], false), [0, 1, 2, 3]);
        assert_eq!(through(vec![named(Some("u"))], false), [0, 2]);
        assert_eq!(through(vec![named(Some("u"))], true), [0]);
        assert_eq!(through(vec![named(None)], false), [1]);
        assert_eq!(through(vec![(EntityKind::User, Match::Any)], false), [0, 1, 2]);
        assert_eq!(through(vec![(EntityKind::User, Match::Any), (EntityKind::ClientId, Match::Any)], true), [2]);
    }
}
