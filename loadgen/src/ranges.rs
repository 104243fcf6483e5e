//! P: a set of numbers as ranges. Numbers that come in order make one range, however many they are.

use std::ops::Range;

/// Invariant: ascending, none empty, no two that touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a number; whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        self.extend(number..number + 1);
        true
    }

    /// Adds all of `range`.
    pub(crate) fn extend(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.0.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
            return;
        }
        // Those that overlap or touch become one with it.
        let first = self.0.partition_point(|held| held.end < range.start);
        let behind = self.0.partition_point(|held| held.start <= range.end);
        let start = self.0[first..behind].first().map_or(range.start, |held| held.start.min(range.start));
        let end = self.0[first..behind].last().map_or(range.end, |held| held.end.max(range.end));
        self.0.splice(first..behind, std::iter::once(start..end));
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let behind = self.0.partition_point(|held| held.start <= number);
        behind > 0 && self.0[behind - 1].end > number
    }

    /// Behind the largest number; 0 of the empty set.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |held| held.end)
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|held| held.end - held.start).sum()
    }

    /// How many numbers lie between the smallest and the largest and are not there.
    pub(crate) fn gaps(&self) -> u64 {
        self.0.first().map_or(0, |first| self.end() - first.start - self.count())
    }

    /// How many of these are not among `others`.
    pub(crate) fn missing_from(&self, others: &Ranges) -> u64 {
        self.0.iter().map(|held| held.end - held.start - others.count_within(held)).sum()
    }

    fn count_within(&self, range: &Range<u64>) -> u64 {
        let first = self.0.partition_point(|held| held.end <= range.start);
        let inside = self.0[first..].iter().take_while(|held| held.start < range.end);
        inside.map(|held| held.end.min(range.end) - held.start.max(range.start)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set(
            ours in prop::collection::vec((0u64..60, 0u64..6), 0..30), theirs in prop::collection::vec(0u64..60, 0..60),
        ) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, length) in ours {
                ranges.extend(start..start + length);
                set.extend(start..start + length);
                prop_assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
            let (mut others, mut other_set) = (Ranges::default(), BTreeSet::new());
            for number in theirs {
                prop_assert_eq!(others.insert(number), other_set.insert(number));
            }
            prop_assert_eq!(ranges.count(), set.len() as u64);
            prop_assert_eq!(ranges.end(), set.last().map_or(0, |last| last + 1));
            prop_assert_eq!(ranges.missing_from(&others), set.difference(&other_set).count() as u64);
            let span = set.first().zip(set.last()).map_or(0, |(first, last)| last - first + 1);
            prop_assert_eq!(ranges.gaps(), span - set.len() as u64);
            prop_assert!((0..70).all(|number| ranges.contains(number) == set.contains(&number)));
        }
    }
}
