//! Who may store and look up the offsets of a group.

use super::Consumer;
use crate::group::api::{Commit, FetchOffsets, GroupFault};

impl Consumer {
    /// Whether somebody may commit: a member with its epoch, or anybody while there are no members.
    pub(in crate::group) fn judge_commit(&self, commit: &Commit) -> Result<(), GroupFault> {
        if commit.generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        let member = self.members.get(&commit.identity.member).ok_or(GroupFault::UnknownMember)?;
        if !member.profile.is_classic() && !commit.knows_not_found {
            return Err(GroupFault::OldVersion);
        }
        self.judge_epoch(&commit.identity.member, commit.generation)
    }

    /// Whether somebody may look offsets up: whoever says that it is a member has to be one.
    pub(in crate::group) fn judge_fetch(&self, fetch: &FetchOffsets) -> Result<(), GroupFault> {
        match &fetch.member {
            None if fetch.epoch < 0 => Ok(()),
            None => Err(GroupFault::UnknownMember),
            Some(id) => self.judge_epoch(id, fetch.epoch),
        }
    }

    fn judge_epoch(&self, id: &str, named: i32) -> Result<(), GroupFault> {
        let member = self.members.get(id).ok_or(GroupFault::UnknownMember)?;
        match named == member.holding.epoch {
            true => Ok(()),
            false if member.profile.is_classic() => Err(GroupFault::IllegalGeneration),
            false => Err(GroupFault::StaleEpoch),
        }
    }
}
