//! P: who wants to be woken when. Setting and finding take the logarithm of how many there are, so that thousands of
//! connections that mostly rest cost little.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A time for each of a fixed number of sleepers. An entry of the heap counts only while it is that sleeper's newest.
#[derive(Clone, Debug)]
pub(crate) struct Wakes {
    at_ns: Vec<u64>,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Wakes {
    /// All of them sleep for ever.
    pub(crate) fn new(sleepers: usize) -> Self {
        Wakes { at_ns: vec![u64::MAX; sleepers], queue: BinaryHeap::with_capacity(sleepers) }
    }

    /// Sets a sleeper's time; `u64::MAX` is never.
    pub(crate) fn set(&mut self, sleeper: usize, at_ns: u64) {
        if self.at_ns[sleeper] == at_ns {
            return;
        }
        self.at_ns[sleeper] = at_ns;
        if at_ns != u64::MAX {
            self.queue.push(Reverse((at_ns, sleeper)));
        }
    }

    /// Takes one whose time has come; it sleeps for ever until it is set again.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<usize> {
        let (at_ns, sleeper) = self.first()?;
        if at_ns > now_ns {
            return None;
        }
        self.queue.pop();
        self.at_ns[sleeper] = u64::MAX;
        Some(sleeper)
    }

    /// The next time at which somebody wants to be woken.
    pub(crate) fn next_ns(&mut self) -> u64 {
        self.first().map_or(u64::MAX, |(at_ns, _)| at_ns)
    }

    fn first(&mut self) -> Option<(u64, usize)> {
        loop {
            let &Reverse((at_ns, sleeper)) = self.queue.peek()?;
            if self.at_ns[sleeper] == at_ns {
                return Some((at_ns, sleeper));
            }
            self.queue.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_time_of_a_sleeper_counts() {
        let mut wakes = Wakes::new(3);
        wakes.set(0, 50);
        wakes.set(1, 20);
        wakes.set(0, 10);
        wakes.set(1, 90);
        assert_eq!(wakes.next_ns(), 10);
        assert_eq!(wakes.pop_due(9), None);
        assert_eq!((wakes.pop_due(60), wakes.pop_due(60)), (Some(0), None));
        wakes.set(1, u64::MAX);
        assert_eq!(wakes.next_ns(), u64::MAX);
        wakes.set(2, 5);
        assert_eq!((wakes.pop_due(5), wakes.next_ns()), (Some(2), u64::MAX));
    }
}
