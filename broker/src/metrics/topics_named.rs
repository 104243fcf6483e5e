//! Which topics have rows of their own, so that the number of series stays bounded whatever is created.

use std::collections::BTreeSet;

/// First come, first named: a row that is there stays, whatever comes after it, so that counters do not fall.
#[derive(Debug)]
pub struct TopicsNamed {
    max: usize,
    /// By topic id.
    named: BTreeSet<u128>,
}

impl TopicsNamed {
    pub fn new(max: usize) -> Self {
        Self { max, named: BTreeSet::new() }
    }

    /// These topics exist, in a certain order. Those that are gone give their places to the next.
    pub fn on_topics(&mut self, topics: &[u128]) {
        let exist: BTreeSet<u128> = topics.iter().copied().collect();
        self.named.retain(|topic| exist.contains(topic));
        for topic in topics {
            if self.named.len() >= self.max {
                break;
            }
            self.named.insert(*topic);
        }
    }

    pub fn is_named(&self, topic: u128) -> bool {
        self.named.contains(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_topic_stays_named_and_the_next_follows_when_one_goes() {
        let mut named = TopicsNamed::new(2);
        named.on_topics(&[5, 7]);
        named.on_topics(&[1, 5, 7]);
        assert_eq!([1, 5, 7].map(|topic| named.is_named(topic)), [false, true, true]);
        named.on_topics(&[1, 7, 9]);
        assert_eq!([1, 5, 7, 9].map(|topic| named.is_named(topic)), [true, false, true, false]);
    }
}
