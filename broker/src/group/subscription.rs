//! Which topics the members of a consumer group subscribe to: the one thing that the broker reads in what clients tell each other.
//!
//! ```text
//! subscription   version i16 | topics array of string | ...        of Kafka's ConsumerProtocol; later versions only add
//! ```

use std::collections::BTreeSet;

use wire::{DecodeError, Reader};

use super::classic::Classic;
use super::coordinator::Membership;

/// What a group is known to subscribe to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// It is no group of consumers, or nobody is in it.
    Nothing,
    Topics(BTreeSet<String>),
    /// Its members cannot be understood, or have not agreed yet: any topic may be among theirs.
    Unknown,
}

impl Subscription {
    pub(super) fn of(membership: &Membership) -> Self {
        match membership {
            Membership::Classic(classic) => Self::of_classic(classic),
            Membership::Consumer(consumer) => Self::Topics(consumer.subscribed().map(str::to_owned).collect()),
        }
    }

    fn of_classic(classic: &Classic) -> Self {
        if !classic.is_of_consumers() || classic.members.is_empty() {
            return Self::Nothing;
        }
        let Some(protocol) = &classic.protocol else { return Self::Unknown };
        let mut topics = BTreeSet::new();
        for member in classic.members.values() {
            let Some(metadata) = member.metadata(protocol) else { return Self::Unknown };
            match read_topics(metadata) {
                Ok(named) => topics.extend(named.into_iter().map(str::to_owned)),
                Err(_) => return Self::Unknown,
            }
        }
        Self::Topics(topics)
    }

    pub(super) fn covers(&self, topic: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Topics(topics) => topics.contains(topic),
            Self::Unknown => true,
        }
    }
}

fn read_topics(metadata: &[u8]) -> Result<Vec<&str>, DecodeError> {
    /// The length of an empty string.
    const TOPIC_BYTES_MIN: usize = 2;
    let mut reader = Reader::new(metadata);
    reader.i16()?;
    let count = reader.array_count(false, TOPIC_BYTES_MIN)?.unwrap_or(0);
    (0..count).map(|_| reader.string(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_whatever_follows_them() {
        let bytes = [0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 9, 9, 9];
        assert_eq!(read_topics(&bytes), Ok(vec!["a", "bc"]));
        for end in 0..bytes.len() - 3 {
            assert!(read_topics(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
