//! Which topics a group subscribes to, by name and by regular expression, and whether they are still as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};
use siphasher::sip::SipHasher13;

use super::Consumer;
use super::member::Profile;
use super::records::{ConsumerChange, Resolved};
use crate::controller::image::Image;
use crate::controller::{Topic, TopicId, names};
use crate::group::coordinator::Turn;
use crate::group::limits::{PATTERN_COMPILED_BYTES_MAX, PATTERN_REFRESH_MS_MIN};

/// Compiles a regular expression, which has to match the whole of a name. The syntax is that of RE2, as in Kafka.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    let limited = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_COMPILED_BYTES_MAX).build();
    // By itself first: what it leaves open must not be closed by what is put around it.
    limited(pattern)?;
    limited(&format!(r"\A(?:{pattern})\z"))
}

/// The topics that a regular expression stands for. The broker's own are not among them.
pub(super) fn matching(regex: &Regex, topics: &Image) -> BTreeSet<String> {
    let names = topics.topics().map(|topic| topic.name.as_str());
    names.filter(|name| !names::is_internal(name) && regex.is_match(name)).map(str::to_owned).collect()
}

/// What the members of a group subscribe to, one of them perhaps anew, one of them perhaps gone.
pub(super) struct Subscriptions<'a> {
    profiles: BTreeMap<&'a str, &'a Profile>,
    patterns: BTreeMap<&'a str, &'a BTreeSet<String>>,
}

impl<'a> Subscriptions<'a> {
    pub(super) fn of(consumer: &'a Consumer) -> Self {
        let profiles = consumer.members.iter().map(|(id, member)| (id.as_str(), &member.profile));
        let patterns = consumer.patterns.iter().map(|(pattern, resolved)| (pattern.as_str(), &resolved.topics));
        Self { profiles: profiles.collect(), patterns: patterns.collect() }
    }

    pub(super) fn with(mut self, id: &'a str, profile: &'a Profile) -> Self {
        self.profiles.insert(id, profile);
        self
    }

    pub(super) fn without(mut self, id: &str) -> Self {
        self.profiles.remove(id);
        self
    }

    /// With what regular expressions stand for now.
    pub(super) fn resolved(mut self, fresh: &'a BTreeMap<String, Resolved>) -> Self {
        self.patterns.extend(fresh.iter().map(|(pattern, resolved)| (pattern.as_str(), &resolved.topics)));
        self
    }

    pub(super) fn profiles(&self) -> impl Iterator<Item = (&'a str, &'a Profile)> {
        self.profiles.iter().map(|(&id, &profile)| (id, profile))
    }

    fn names_of<'s>(&'s self, profile: &'s Profile) -> impl Iterator<Item = &'s String> {
        let pattern = profile.pattern.as_deref().and_then(|pattern| self.patterns.get(pattern));
        profile.topics.iter().chain(pattern.into_iter().copied().flatten())
    }

    /// Whether anybody still has this regular expression.
    pub(super) fn has_pattern(&self, pattern: &str) -> bool {
        self.profiles.values().any(|profile| profile.pattern.as_deref() == Some(pattern))
    }

    /// The topics of each member that exist. Members who subscribe to the same share one set.
    pub(super) fn by_member(&self, topics: &Image) -> Vec<(&'a str, &'a Profile, Rc<BTreeSet<TopicId>>)> {
        let mut known = BTreeMap::<(&BTreeSet<String>, Option<&str>), Rc<BTreeSet<TopicId>>>::new();
        let mut found = Vec::with_capacity(self.profiles.len());
        for (&id, &profile) in &self.profiles {
            let subscribed = known.entry((&profile.topics, profile.pattern.as_deref())).or_insert_with(|| {
                Rc::new(self.names_of(profile).filter_map(|name| Some(topics.topic(name)?.id)).collect())
            });
            found.push((id, profile, Rc::clone(subscribed)));
        }
        found
    }

    /// Says whether the topics that anybody subscribes to are as they were: which of them exist, and how large they are. 0 if none does.
    pub(super) fn hash(&self, topics: &Image) -> i64 {
        let names: BTreeSet<&String> = self.profiles.values().flat_map(|profile| self.names_of(profile)).collect();
        let existing: Vec<&Rc<Topic>> = names.into_iter().filter_map(|name| topics.topic(name)).collect();
        if existing.is_empty() {
            return 0;
        }
        let mut hasher = SipHasher13::new();
        for topic in existing {
            hasher.write_u128(topic.id.0);
            hasher.write_u32(topic.partitions);
        }
        hasher.finish().cast_signed()
    }
}

/// What a look at the topics found out.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Regular expressions that stand for something else than before.
    pub(super) resolved: BTreeMap<String, Resolved>,
    /// All of them were resolved, and the topics are the newest.
    pub(super) is_complete: bool,
}

impl Look {
    /// The records after which the group knows it.
    pub(super) fn records(&self) -> impl Iterator<Item = ConsumerChange> + '_ {
        self.resolved.iter().map(|(pattern, resolved)| ConsumerChange::Pattern {
            pattern: pattern.clone(),
            value: Some(resolved.clone()),
        })
    }
}

impl Consumer {
    /// Whether topics may have changed since the group last looked. Regular expressions are not matched against all names for each topic that
    /// somebody creates.
    pub(super) fn has_to_look(&self, turn: &Turn<'_>) -> bool {
        let is_too_early = || {
            let next_ms = self.looked_ms.map_or(0, |looked_ms| looked_ms + PATTERN_REFRESH_MS_MIN);
            !self.patterns.is_empty() && turn.now.mono_ms < next_ms
        };
        self.looked_version != Some(turn.topics_version) && !is_too_early()
    }

    /// Resolves the regular expressions that the group has, and one that a member comes with.
    pub(super) fn look(&self, turn: &Turn<'_>, new: Option<(&str, &Regex)>) -> Look {
        let mut look = Look { is_complete: self.has_to_look(turn), ..Look::default() };
        let resolve = |regex: &Regex| Resolved {
            topics: matching(regex, turn.topics),
            version: i64::try_from(turn.topics_version).unwrap_or(i64::MAX),
            at_ms: turn.now.wall_ms,
        };
        if let Some((pattern, regex)) = new {
            look.resolved.insert(pattern.to_owned(), resolve(regex));
        }
        if look.is_complete {
            for (pattern, before) in &self.patterns {
                // It was compiled when it came; another program's records may hold anything.
                let Ok(regex) = compile(pattern) else { continue };
                let resolved = resolve(&regex);
                if resolved.topics != before.topics {
                    look.resolved.insert(pattern.clone(), resolved);
                }
            }
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_matches_whole_names() {
        let matches = |pattern: &str, name: &str| compile(pattern).expect("it compiles").is_match(name);
        assert!(matches("orders-.*", "orders-eu") && !matches("orders-.*", "old-orders-eu"));
        assert!(matches("a|ab", "ab") && matches("^a.b$", "a.b") && !matches("a", "a\n"));
        assert!(matches("(?i)ORDERS", "orders"));
    }

    #[test]
    fn what_is_no_regular_expression_is_refused() {
        for pattern in ["(", "a)|(b", "[z-a]", r"(a)\1", "(?=a)", "x{1000}{1000}"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
