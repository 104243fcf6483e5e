//! One step of a member towards its target: partitions are given up before they are given out (KIP-848).

use super::assignment::Assignment;
use super::member::{Holding, Progress};
use crate::controller::TopicId;

/// What a member is to own, and from which epoch on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) epoch: i32,
    pub(super) assignment: &'a Assignment,
}

/// What the member owns after this step. `owned` is what it says that it owns, if it says so; `is_free` tells whether a partition has no
/// other owner.
pub(super) fn step(
    holding: &Holding,
    target: Target<'_>,
    owned: Option<&Assignment>,
    is_free: impl Fn(TopicId, i32) -> bool,
) -> Holding {
    match holding.progress {
        Progress::Stable if holding.epoch == target.epoch => holding.clone(),
        Progress::Stable | Progress::Unreleased => towards(holding, holding.epoch, target, owned, is_free),
        Progress::Unrevoked if owns_any_of(owned, &holding.revoking) => holding.clone(),
        // It has given up what it was told to, and that is an epoch of its own.
        Progress::Unrevoked => towards(holding, holding.epoch + 1, target, owned, is_free),
    }
}

fn towards(
    holding: &Holding,
    epoch: i32,
    target: Target<'_>,
    owned: Option<&Assignment>,
    is_free: impl Fn(TopicId, i32) -> bool,
) -> Holding {
    let kept = holding.assigned.filtered(|topic, partition| target.assignment.contains(topic, partition));
    let revoking = holding.assigned.filtered(|topic, partition| !kept.contains(topic, partition));
    if !revoking.is_empty() && owns_any_of(owned, &revoking) {
        return entered(holding, epoch, Progress::Unrevoked, kept, revoking);
    }
    let missing = target.assignment.filtered(|topic, partition| !kept.contains(topic, partition));
    let mut assigned = kept;
    let mut waits = false;
    for (topic, partition) in missing.iter() {
        if is_free(topic, partition) {
            assigned.insert(topic, partition);
        } else {
            waits = true;
        }
    }
    let progress = if waits { Progress::Unreleased } else { Progress::Stable };
    entered(holding, target.epoch, progress, assigned, Assignment::default())
}

/// A member that does not say what it owns may own all of it.
fn owns_any_of(owned: Option<&Assignment>, partitions: &Assignment) -> bool {
    owned.is_none_or(|owned| owned.has_any_of(partitions))
}

fn entered(before: &Holding, epoch: i32, progress: Progress, assigned: Assignment, revoking: Assignment) -> Holding {
    // An epoch that stays does not make the one before it newer.
    let previous_epoch = if epoch == before.epoch { before.previous_epoch } else { before.epoch };
    Holding { epoch, previous_epoch, progress, assigned, revoking }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId(9);

    fn of(partitions: &[i32]) -> Assignment {
        partitions.iter().map(|&partition| (TOPIC, partition)).collect()
    }

    fn stable(epoch: i32, assigned: &[i32]) -> Holding {
        Holding { epoch, previous_epoch: epoch - 1, assigned: of(assigned), ..Holding::default() }
    }

    #[test]
    fn what_is_taken_away_is_given_up_before_anything_else_is_given() {
        let assignment = of(&[2, 3]);
        let target = Target { epoch: 5, assignment: &assignment };
        let told = step(&stable(3, &[1, 2]), target, Some(&of(&[1, 2])), |_, _| true);
        assert_eq!((told.epoch, told.progress), (3, Progress::Unrevoked));
        assert_eq!((&told.assigned, &told.revoking), (&of(&[2]), &of(&[1])));
        // Silence is no answer.
        assert_eq!(step(&told, target, None, |_, _| true), told);
        assert_eq!(step(&told, target, Some(&of(&[1, 2])), |_, _| true), told);
        let done = step(&told, target, Some(&of(&[2])), |_, _| true);
        assert_eq!((done.epoch, done.previous_epoch, done.progress), (5, 3, Progress::Stable));
        assert_eq!((&done.assigned, done.revoking.is_empty()), (&of(&[2, 3]), true));
    }

    #[test]
    fn what_others_still_own_comes_later_and_the_epoch_at_once() {
        let assignment = of(&[1, 2]);
        let target = Target { epoch: 4, assignment: &assignment };
        let waiting = step(&stable(3, &[1]), target, None, |_, partition| partition != 2);
        assert_eq!((waiting.epoch, waiting.progress, &waiting.assigned), (4, Progress::Unreleased, &of(&[1])));
        let done = step(&waiting, target, None, |_, _| true);
        assert_eq!((done.epoch, done.previous_epoch, done.progress), (4, 3, Progress::Stable));
        assert_eq!(done.assigned, of(&[1, 2]));
    }

    #[test]
    fn a_member_that_has_what_it_is_to_have_only_learns_the_epoch() {
        let assignment = of(&[1]);
        let target = Target { epoch: 4, assignment: &assignment };
        let done = step(&stable(3, &[1]), target, None, |_, _| unreachable!("nobody else is asked"));
        assert_eq!((done.epoch, done.progress, &done.assigned), (4, Progress::Stable, &assignment));
        assert_eq!(step(&done, target, None, |_, _| false), done);
    }

    #[test]
    fn a_member_that_owned_nothing_of_what_it_loses_does_not_wait() {
        let assignment = of(&[7]);
        let target = Target { epoch: 4, assignment: &assignment };
        let done = step(&stable(3, &[1]), target, Some(&of(&[])), |_, _| true);
        assert_eq!((done.epoch, done.progress, &done.assigned), (4, Progress::Stable, &assignment));
    }
}
