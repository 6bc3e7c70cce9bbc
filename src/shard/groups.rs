//! The subscribers of one shard, grouped by topic and wire form.
//!
//! All members of a group get the same bytes, so a turn's publications become one chunk that
//! they share. Who the members are is kept here alone; each connection holds its
//! [`Membership`], and the two sides are changed together.

use std::sync::Arc;

use slab::Slab;

use crate::base::{ConnId, HashKey, Map, Offset, Time, TopicName};
use crate::wire::prepared::{PreparedMessage, WireForm};

/// One subscriber in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    /// The connection.
    pub(crate) conn: ConnId,
    /// The first publication it has not got by recovery. Older ones are skipped, so recovery and
    /// live delivery can neither overlap nor leave a gap.
    pub(crate) from: Offset,
}

/// Where a connection is in the groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    /// The group's slot.
    pub(crate) group: u32,
    /// The member's place in it.
    pub(crate) index: u32,
}

/// The subscribers of a topic that want the same form.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) topic: TopicName,
    pub(crate) form: WireForm,
    pub(crate) members: Vec<Member>,
    /// Publications of this turn, in the order of their offsets.
    pub(crate) pending: Vec<Pending>,
}

/// A publication that waits for the end of the turn.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) message: Arc<PreparedMessage>,
    /// Which of the turn's counts it belongs to.
    pub(crate) count: u32,
    /// When it came into the node.
    pub(crate) received: Time,
}

/// All groups of a shard.
#[derive(Debug)]
pub(crate) struct Groups {
    topics: Map<TopicName, [Option<u32>; WireForm::COUNT]>,
    groups: Slab<Group>,
    /// Groups with something pending, each once.
    dirty: Vec<u32>,
    members: usize,
}

impl Groups {
    pub(crate) fn new(key: HashKey) -> Self {
        let topics = Map::with_hasher(key);
        Self {
            topics,
            groups: Slab::new(),
            dirty: Vec::new(),
            members: 0,
        }
    }

    /// The name that this shard's subscribers of the topic share, if there are some.
    pub(crate) fn interned(&self, topic: &TopicName) -> Option<TopicName> {
        self.topics
            .get_key_value(topic)
            .map(|(name, _)| name.clone())
    }

    /// Adds a subscriber, who has everything before `member.from`.
    pub(crate) fn join(&mut self, topic: &TopicName, form: WireForm, member: Member) -> Membership {
        let group = self.group_of(topic, form);
        let members = &mut self.groups[group as usize].members;
        let index = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members.push(member);
        self.members += 1;
        Membership { group, index }
    }

    /// Removes a subscriber; if another one took its place, that one's connection.
    pub(crate) fn leave(&mut self, at: Membership) -> (TopicName, Option<ConnId>) {
        let group = &mut self.groups[at.group as usize];
        group.members.swap_remove(at.index as usize);
        self.members -= 1;
        let moved = group
            .members
            .get(at.index as usize)
            .map(|member| member.conn);
        let topic = group.topic.clone();
        if group.members.is_empty() && group.pending.is_empty() {
            self.remove(at.group);
        }
        (topic, moved)
    }

    /// Queues a publication for the groups of its topic; says how many groups that are.
    pub(crate) fn deliver(&mut self, topic: &TopicName, pending: &Pending) -> usize {
        let Some(forms) = self.topics.get(topic) else {
            return 0;
        };
        let mut groups = 0;
        for id in forms.iter().flatten() {
            let group = &mut self.groups[*id as usize];
            if group.pending.is_empty() {
                self.dirty.push(*id);
            }
            group.pending.push(pending.clone());
            groups += 1;
        }
        groups
    }

    /// A group with something pending.
    pub(crate) fn pop_dirty(&mut self) -> Option<u32> {
        self.dirty.pop()
    }

    /// Whether something is pending.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The group in a slot.
    pub(crate) fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.groups[group as usize]
    }

    /// Forgets a flushed group if nobody is left in it.
    pub(crate) fn settle(&mut self, group: u32) {
        let g = &self.groups[group as usize];
        if g.members.is_empty() && g.pending.is_empty() {
            self.remove(group);
        }
    }

    /// The topic at a place.
    pub(crate) fn topic(&self, at: Membership) -> &TopicName {
        &self.groups[at.group as usize].topic
    }

    /// Subscribers in all groups.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    fn group_of(&mut self, topic: &TopicName, form: WireForm) -> u32 {
        if let Some(id) = self.topics.get(topic).and_then(|forms| forms[form.index()]) {
            return id;
        }
        let name = self.interned(topic).unwrap_or_else(|| topic.clone());
        let group = Group {
            topic: name.clone(),
            form,
            members: Vec::new(),
            pending: Vec::new(),
        };
        let id = u32::try_from(self.groups.insert(group)).unwrap_or(u32::MAX);
        self.topics.entry(name).or_default()[form.index()] = Some(id);
        id
    }

    fn remove(&mut self, id: u32) {
        let group = self.groups.remove(id as usize);
        let Some(forms) = self.topics.get_mut(&group.topic) else {
            return;
        };
        forms[group.form.index()] = None;
        if forms.iter().all(Option::is_none) {
            self.topics.remove(&group.topic);
        }
    }

    /// Asserts what must hold between turns; `membership` tells where a connection believes to be.
    pub(crate) fn check_invariants(&self, membership: impl Fn(ConnId) -> Option<Membership>) {
        let mut members = 0;
        for (id, group) in &self.groups {
            // With a coalescing window the last member may leave before the flush.
            assert!(
                !group.members.is_empty() || !group.pending.is_empty(),
                "an empty group of {} was kept",
                group.topic
            );
            let forms = self
                .topics
                .get(&group.topic)
                .expect("a group has its topic");
            assert_eq!(forms[group.form.index()].map(|g| g as usize), Some(id));
            for (index, member) in group.members.iter().enumerate() {
                let at = membership(member.conn).expect("a member has its connection");
                assert_eq!((at.group as usize, at.index as usize), (id, index));
            }
            members += group.members.len();
        }
        assert_eq!(members, self.members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(slot: u32) -> ConnId {
        ConnId {
            slot,
            generation: 0,
        }
    }

    fn member(slot: u32) -> Member {
        Member {
            conn: conn(slot),
            from: Offset(1),
        }
    }

    fn pending() -> Pending {
        let message = PreparedMessage::new(crate::wire::prepared::Sequenced {
            epoch: crate::base::Epoch::new(1),
            offset: Offset(1),
            kind: crate::wire::prepared::PayloadKind::Text,
            payload: b"x".to_vec(),
        });
        Pending {
            message,
            count: 0,
            received: Time::ZERO,
        }
    }

    #[test]
    fn who_takes_the_place_of_one_that_left_is_named() {
        let mut groups = Groups::new(HashKey(0, 0));
        let topic = TopicName::new("a").unwrap();
        let places: Vec<Membership> = (0..3)
            .map(|i| groups.join(&topic, WireForm::Plain, member(i)))
            .collect();
        assert_eq!(groups.leave(places[0]).1, Some(conn(2)));
        assert_eq!(groups.leave(places[0]).1, Some(conn(1)));
        assert_eq!(groups.leave(places[0]).1, None);
        assert_eq!((groups.members(), groups.interned(&topic)), (0, None));
    }

    #[test]
    fn a_group_that_everybody_left_waits_for_its_flush() {
        let mut groups = Groups::new(HashKey(0, 0));
        let topic = TopicName::new("a").unwrap();
        let place = groups.join(&topic, WireForm::Plain, member(0));
        groups.deliver(&topic, &pending());
        groups.leave(place);
        groups.check_invariants(|_| None);
        let group = groups.pop_dirty().unwrap();
        groups.get_mut(group).pending.clear();
        groups.settle(group);
        assert_eq!(groups.interned(&topic), None);
    }

    #[test]
    fn each_form_of_a_topic_gets_a_publication() {
        let mut groups = Groups::new(HashKey(0, 0));
        let topic = TopicName::new("a").unwrap();
        groups.join(&topic, WireForm::Plain, member(0));
        groups.join(&topic, WireForm::Json, member(1));
        let pending = pending();
        assert_eq!(groups.deliver(&topic, &pending), 2);
        assert_eq!(groups.deliver(&TopicName::new("b").unwrap(), &pending), 0);
        let first = groups.pop_dirty().unwrap();
        let second = groups.pop_dirty().unwrap();
        let form = groups.get_mut(first).form;
        assert_ne!(form, groups.get_mut(second).form);
        assert!(!groups.is_dirty());
    }
}
