//! The identity of a topic.

use std::fmt;

use wire::Uuid;

/// What identifies a topic for ever: a name can be used again after the topic was deleted, an id never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u128);

impl TopicId {
    /// The metadata log. Kafka gives its own the number one as well (`Uuid.METADATA_TOPIC_ID`).
    pub const METADATA: TopicId = TopicId(1);

    /// Whether a topic may have this id: Kafka reserves zero for "no id" and one for the metadata log.
    pub fn is_assignable(self) -> bool {
        self.0 > 1
    }

    /// The id as the protocol carries it.
    pub fn to_wire(self) -> Uuid {
        Uuid(self.0.to_be_bytes())
    }

    /// The id from the protocol.
    pub fn from_wire(id: Uuid) -> Self {
        Self(u128::from_be_bytes(id.0))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_wire().fmt(f)
    }
}
