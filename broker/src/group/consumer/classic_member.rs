//! Members that speak the classic protocol in a group for which the broker assigns: so consumers move to the newer protocol, and back,
//! one by one. Such a member never leads; joining and syncing are answered at once, and it is told by its heartbeats to join again
//! when there is something to learn.

use super::client_protocol::{Subscription, identified, write_assignment};
use super::heartbeat::{Entrant, Saying};
use super::member::{ClassicSide, ConsumerMember, Profile, Progress};
use super::{Consumer, Holding};
use crate::group::api::{GroupFault, Heartbeat, Identity, Join, Joined, Leave, Sync, Synced};
use crate::group::classic::CONSUMER_PROTOCOL;
use crate::group::coordinator::Turn;

impl Consumer {
    /// A member joins, or joins again to learn what it is to own.
    pub(in crate::group) fn on_classic_join(&self, turn: &mut Turn<'_>, join: &Join) -> Result<Joined, GroupFault> {
        if join.protocol_type != CONSUMER_PROTOCOL || !self.supports(join) {
            return Err(GroupFault::InconsistentProtocol);
        }
        let entrant = self.admit_classic(turn, join)?;
        let first = join.protocols.first().ok_or(GroupFault::InconsistentProtocol)?;
        let said = Subscription::read(&first.metadata).map_err(|_| GroupFault::InconsistentProtocol)?;
        let profile = Profile {
            instance: join.identity.instance.clone(),
            rack: said.rack.or_else(|| entrant.profile.rack.clone()),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            topics: said.topics,
            pattern: None,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            assignor: entrant.profile.assignor.clone(),
            classic: Some(ClassicSide {
                session_timeout_ms: join.session_timeout_ms,
                protocols: join.protocols.clone(),
            }),
        };
        let owned = identified(&said.owned, turn.topics);
        let member = entrant.id.clone();
        let holding = self.advance(turn, entrant, Saying { profile, pattern: None, owned: Some(&owned) });
        Ok(Joined {
            generation: holding.epoch,
            protocol_type: Some(CONSUMER_PROTOCOL.to_owned()),
            protocol: Some(first.name.clone()),
            // Nobody among the members assigns.
            leader: String::new(),
            member,
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// Whether the other classic members have one of the protocols in common with this one.
    fn supports(&self, join: &Join) -> bool {
        let classic = self.members.values().filter_map(|member| member.profile.classic.as_ref());
        join.protocols.iter().any(|known| classic.clone().all(|side| side.metadata(&known.name).is_some()))
    }

    fn admit_classic(&self, turn: &Turn<'_>, join: &Join) -> Result<Entrant, GroupFault> {
        let Identity { member: named, instance } = &join.identity;
        let namesake = instance.as_ref().and_then(|instance| self.static_ids.get(instance));
        if named.is_empty() {
            let stem = instance.as_ref().unwrap_or(&join.client_id);
            let id = format!("{stem}-{}", join.fresh);
            if let Some(old_id) = namesake {
                let old = &self.members[old_id];
                return Ok(Entrant::in_place_of(old_id, id, old.profile.clone(), &old.holding));
            }
            self.judge_room(turn)?;
            let needs_id_first = instance.is_none() && join.knows_member_id_required;
            return if needs_id_first { Err(GroupFault::MemberIdRequired(id)) } else { Ok(Entrant::new(id)) };
        }
        if instance.is_some() {
            match namesake {
                None => return Err(GroupFault::UnknownMember),
                Some(other) if other != named => return Err(GroupFault::FencedInstance),
                Some(_) => {}
            }
        }
        match self.members.get(named) {
            Some(member) => Ok(Entrant::known(named.clone(), member.profile.clone(), member.holding.clone())),
            None => {
                self.judge_room(turn)?;
                Ok(Entrant::new(named.clone()))
            }
        }
    }

    /// A member asks what it is to own.
    pub(in crate::group) fn on_classic_sync(&mut self, turn: &Turn<'_>, sync: &Sync) -> Result<Synced, GroupFault> {
        let (id, member) = self.classic_member(&sync.identity, sync.generation)?;
        let side = member.profile.classic.as_ref().expect("it speaks the classic protocol");
        let protocol = side.protocols.first().map(|known| known.name.clone());
        let differs =
            |said: &Option<String>, known: Option<&str>| said.as_deref().is_some_and(|said| Some(said) != known);
        if differs(&sync.protocol_type, Some(CONSUMER_PROTOCOL)) || differs(&sync.protocol, protocol.as_deref()) {
            return Err(GroupFault::InconsistentProtocol);
        }
        // Whoever is to give partitions up has to learn that first.
        if self.epoch.epoch > member.holding.epoch && member.holding.progress != Progress::Unrevoked {
            self.expect_join(turn, &id);
            return Err(GroupFault::RebalanceInProgress);
        }
        let version = side.protocols.first().and_then(|known| Subscription::read(&known.metadata).ok());
        let version = version.map_or(0, |subscription| subscription.version);
        let assignment = write_assignment(version, &member.holding.assigned, turn.topics);
        self.members.get_mut(&id).expect("it was just found").sync_ends_ms = None;
        self.on_heard(turn, &id);
        Ok(Synced { protocol_type: Some(CONSUMER_PROTOCOL.to_owned()), protocol, assignment })
    }

    /// A member shows that it is there, and learns whether it has to join again.
    pub(in crate::group) fn on_classic_heartbeat(
        &mut self,
        turn: &Turn<'_>,
        beat: &Heartbeat,
    ) -> Result<(), GroupFault> {
        let (id, member) = self.classic_member(&beat.identity, beat.generation)?;
        let has_news = self.epoch.epoch > member.holding.epoch
            || match member.holding.progress {
                Progress::Stable => false,
                Progress::Unrevoked => true,
                Progress::Unreleased => self.has_free_target(&id, &member.holding),
            };
        self.on_heard(turn, &id);
        if !has_news {
            return Ok(());
        }
        self.expect_join(turn, &id);
        Err(GroupFault::RebalanceInProgress)
    }

    /// Whether all that a member waits for is free.
    fn has_free_target(&self, id: &str, holding: &Holding) -> bool {
        let missing = self.target_of(id).filtered(|topic, partition| !holding.assigned.contains(topic, partition));
        missing.iter().all(|(topic, partition)| self.is_free_for(id, topic, partition))
    }

    /// Members go, because they say so or an administrator does.
    pub(in crate::group) fn on_classic_leave(&self, turn: &mut Turn<'_>, leave: &Leave) -> Vec<Result<(), GroupFault>> {
        let found: Vec<Result<&str, GroupFault>> =
            leave.members.iter().map(|identity| self.find_leaving(identity)).collect();
        let mut ids: Vec<&str> = found.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            self.let_go(turn, &ids);
        }
        found.into_iter().map(|found| found.map(drop)).collect()
    }

    fn find_leaving(&self, identity: &Identity) -> Result<&str, GroupFault> {
        if let Some(instance) = &identity.instance {
            return match self.static_ids.get(instance) {
                None => Err(GroupFault::UnknownMember),
                // An administrator names the instance alone.
                Some(id) if identity.member.is_empty() || *id == identity.member => Ok(id),
                Some(_) => Err(GroupFault::FencedInstance),
            };
        }
        let (id, member) = self.members.get_key_value(&identity.member).ok_or(GroupFault::UnknownMember)?;
        if member.profile.is_classic() { Ok(id) } else { Err(GroupFault::UnknownMember) }
    }

    fn classic_member(&self, identity: &Identity, generation: i32) -> Result<(String, &ConsumerMember), GroupFault> {
        if let Some(instance) = &identity.instance {
            match self.static_ids.get(instance) {
                None => return Err(GroupFault::UnknownMember),
                Some(id) if *id != identity.member => return Err(GroupFault::FencedInstance),
                Some(_) => {}
            }
        }
        let member = self.members.get(&identity.member).filter(|member| member.profile.is_classic());
        let member = member.ok_or(GroupFault::UnknownMember)?;
        if generation != member.holding.epoch {
            return Err(GroupFault::IllegalGeneration);
        }
        Ok((identity.member.clone(), member))
    }

    /// The member was told to join again, and has its time for that.
    fn expect_join(&mut self, turn: &Turn<'_>, id: &str) {
        let member = self.members.get_mut(id).expect("a member that is told something is there");
        let timeout_ms = u64::try_from(member.profile.rebalance_timeout_ms).unwrap_or(0);
        let ends_ms = *member.join_ends_ms.get_or_insert(turn.now.mono_ms + timeout_ms);
        self.wake_at(ends_ms);
    }

    /// A member has joined, and has its time to ask for its assignment.
    pub(in crate::group) fn on_classic_joined(&mut self, turn: &Turn<'_>, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            let timeout_ms = u64::try_from(member.profile.rebalance_timeout_ms).unwrap_or(0);
            let ends_ms = turn.now.mono_ms + timeout_ms;
            member.join_ends_ms = None;
            member.sync_ends_ms = Some(ends_ms);
            self.wake_at(ends_ms);
        }
        self.on_advanced(turn, id);
    }
}
