//! How often it is told that records of groups are refused: on a full disk every heartbeat that would change something is.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// Lets one complaint through at a time, and counts the others for the next.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    next: Option<Instant>,
    untold: u64,
}

impl Complaints {
    /// Another one, at `now`. If it is to be told: how many were not, since the last that was.
    pub(super) fn on_another(&mut self, now: Instant, every: Duration) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.untold += 1;
            return None;
        }
        self.next = Some(now + every);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn one_complaint_is_told_each_time_and_counts_those_that_were_not() {
        let begun = Clock.monotonic();
        let every = Duration::from_secs(10);
        let mut complaints = Complaints::default();
        let told = (0..25).filter_map(|second| complaints.on_another(begun + Duration::from_secs(second), every));
        assert_eq!(told.collect::<Vec<_>>(), [0, 9, 9]);
    }
}
