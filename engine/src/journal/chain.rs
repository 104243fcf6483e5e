//! The order of write groups: numbers them, links each to the one before, and keeps the durable mark while their writes
//! complete in any order.
//!
//! Invariant: `durable <= last sealed`, and what lies between is in flight, at most [`GROUPS_IN_FLIGHT_MAX`] groups.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::ids::{GroupSeq, JournalFileId};
use crate::journal::group::{GroupContext, Sealed};
use crate::limits::GROUPS_IN_FLIGHT_MAX;

/// The last group of the chain as recovery found it, and how to go on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// The last group that counts; [`GroupSeq::NONE`] where the journal has none.
    pub last_seq: GroupSeq,
    /// Its group checksum; 0 where there is none.
    pub last_checksum: u32,
    /// The number of the next group: beyond every number that a group cut by recovery may bear.
    pub next_seq: GroupSeq,
}

impl ChainEnd {
    /// The chain of an empty journal.
    pub const EMPTY: ChainEnd = ChainEnd { last_seq: GroupSeq::NONE, last_checksum: 0, next_seq: GroupSeq(1) };
}

/// A group as the next one names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    /// [`GroupSeq::NONE`] where there is none.
    pub seq: GroupSeq,
    /// Its group checksum; 0 where there is none.
    pub checksum: u32,
}

impl Predecessor {
    pub const NONE: Predecessor = Predecessor { seq: GroupSeq::NONE, checksum: 0 };
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    seq: GroupSeq,
    durable: bool,
}

/// Numbers groups and tracks which are durable.
#[derive(Debug)]
pub struct Chain {
    last_seq: GroupSeq,
    last_checksum: u32,
    next_seq: GroupSeq,
    durable_seq: GroupSeq,
    last_had_frames: bool,
    /// What a checkpoint that needs groups from this one on has to remember of the chain before it.
    boundary: (GroupSeq, Predecessor),
    /// Oldest first.
    in_flight: VecDeque<InFlight>,
}

impl Chain {
    pub fn new(end: ChainEnd) -> Chain {
        assert!(end.last_seq < end.next_seq);
        Chain {
            last_seq: end.last_seq,
            last_checksum: end.last_checksum,
            next_seq: end.next_seq,
            durable_seq: end.last_seq,
            last_had_frames: false,
            boundary: (end.next_seq, Predecessor { seq: end.last_seq, checksum: end.last_checksum }),
            in_flight: VecDeque::with_capacity(GROUPS_IN_FLIGHT_MAX),
        }
    }

    /// The number that the next group will get.
    pub fn next_seq(&self) -> GroupSeq {
        self.next_seq
    }

    /// This group and all before it are on stable storage.
    pub fn durable_seq(&self) -> GroupSeq {
        self.durable_seq
    }

    /// Nothing up to this number is still to become durable. It runs ahead of `durable_seq` only while no group has been sealed
    /// since a recovery, over the numbers that it skipped.
    pub fn settled_seq(&self) -> GroupSeq {
        let first_unsettled = self.in_flight.front().map_or(self.next_seq, |group| group.seq);
        GroupSeq(first_unsettled.0 - 1)
    }

    /// A checkpoint will need groups from `seq` on, which may still have to be sealed.
    pub fn set_boundary(&mut self, seq: GroupSeq) {
        assert!(seq >= self.next_seq);
        self.boundary = (seq, Predecessor { seq: self.last_seq, checksum: self.last_checksum });
    }

    /// The last group before the boundary, of those that have been sealed.
    pub fn before_boundary(&self) -> Predecessor {
        self.boundary.1
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether another group may be sealed now.
    pub fn may_seal(&self) -> bool {
        self.in_flight.len() < GROUPS_IN_FLIGHT_MAX
    }

    /// Whether nothing on the disk says yet that the last records are durable, although they are. A group without frames ends
    /// that doubt; the shell seals one when the shard has been idle for a while, and at shutdown.
    pub fn mark_is_owed(&self) -> bool {
        self.in_flight.is_empty() && self.last_had_frames
    }

    /// What to seal the next group with.
    pub fn context(&self, file: JournalFileId, position: u64) -> GroupContext {
        assert!(self.may_seal(), "at most {GROUPS_IN_FLIGHT_MAX} groups are in flight");
        GroupContext {
            file,
            position,
            seq: self.next_seq,
            previous_seq: self.last_seq,
            previous_checksum: self.last_checksum,
            durable_seq: self.durable_seq,
        }
    }

    /// The group that `context` was asked for has been sealed; its write is under way from now on.
    pub fn on_sealed(&mut self, sealed: Sealed) -> GroupSeq {
        assert!(self.may_seal());
        let seq = self.next_seq;
        self.in_flight.push_back(InFlight { seq, durable: false });
        self.last_seq = seq;
        self.last_checksum = sealed.checksum;
        self.last_had_frames = sealed.frame_count > 0;
        if seq < self.boundary.0 {
            self.boundary.1 = Predecessor { seq, checksum: sealed.checksum };
        }
        self.next_seq = seq.next();
        seq
    }

    /// The write of `seq` is on stable storage. Gives the new durable mark, which moves only when all groups before are
    /// durable as well: acknowledgements go out in the order of the chain.
    pub fn on_durable(&mut self, seq: GroupSeq) -> GroupSeq {
        let group =
            self.in_flight.iter_mut().find(|group| group.seq == seq).expect("only a group in flight becomes durable");
        assert!(!group.durable, "a group becomes durable once");
        group.durable = true;
        while let Some(group) = self.in_flight.pop_front_if(|group| group.durable) {
            self.durable_seq = group.seq;
        }
        assert!(self.durable_seq <= self.last_seq);
        self.durable_seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: Sealed = Sealed { len: 4096, checksum: 7, frame_count: 1 };

    #[test]
    fn the_mark_moves_only_over_groups_without_a_gap() {
        let mut chain = Chain::new(ChainEnd::EMPTY);
        let first = chain.on_sealed(SEALED);
        let second = chain.on_sealed(SEALED);
        assert_eq!((first, second), (GroupSeq(1), GroupSeq(2)));
        assert!(GROUPS_IN_FLIGHT_MAX > 2 || !chain.may_seal());
        assert_eq!(chain.on_durable(second), GroupSeq::NONE);
        assert_eq!(chain.on_durable(first), second);
        assert_eq!(chain.in_flight(), 0);
    }

    #[test]
    fn the_last_group_before_a_boundary_is_remembered_however_far_the_chain_goes_on() {
        let mut chain = Chain::new(ChainEnd { last_seq: GroupSeq(9), last_checksum: 3, next_seq: GroupSeq(15) });
        chain.set_boundary(GroupSeq(15));
        assert_eq!(chain.before_boundary(), Predecessor { seq: GroupSeq(9), checksum: 3 });
        chain.set_boundary(GroupSeq(16));
        let seal = |chain: &mut Chain, checksum| {
            let seq = chain.on_sealed(Sealed { checksum, ..SEALED });
            chain.on_durable(seq);
        };
        seal(&mut chain, 8);
        seal(&mut chain, 9);
        assert_eq!(chain.before_boundary(), Predecessor { seq: GroupSeq(15), checksum: 8 });
    }

    #[test]
    fn a_mark_is_owed_once_after_the_last_records() {
        let mut chain = Chain::new(ChainEnd::EMPTY);
        assert!(!chain.mark_is_owed());
        let seq = chain.on_sealed(SEALED);
        assert!(!chain.mark_is_owed(), "the next group may still bring it");
        chain.on_durable(seq);
        assert!(chain.mark_is_owed());
        let seq = chain.on_sealed(Sealed { frame_count: 0, ..SEALED });
        chain.on_durable(seq);
        assert!(!chain.mark_is_owed());
    }

    #[test]
    fn a_group_names_the_one_before_it_even_across_skipped_numbers() {
        let end = ChainEnd { last_seq: GroupSeq(9), last_checksum: 3, next_seq: GroupSeq(15) };
        let mut chain = Chain::new(end);
        let context = chain.context(JournalFileId(1), 4096);
        assert_eq!((context.previous_seq, context.previous_checksum, context.seq), (GroupSeq(9), 3, GroupSeq(15)));
        assert_eq!(context.durable_seq, GroupSeq(9));
        assert_eq!(
            chain.settled_seq(),
            GroupSeq(14),
            "a checkpoint that needs nothing before 15 need not wait for any group"
        );
        chain.on_sealed(SEALED);
        let context = chain.context(JournalFileId(1), 8192);
        assert_eq!((context.previous_seq, context.previous_checksum, context.seq), (GroupSeq(15), 7, GroupSeq(16)));
    }
}
