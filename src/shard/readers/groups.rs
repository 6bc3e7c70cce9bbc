//! The subscribers of one shard, grouped by topic and by how they get publications.
//!
//! All members of a group get the same bytes, so a turn's publications become one chunk that
//! they share. Who the members are is kept here alone; each connection holds its
//! [`Membership`], and the two sides are changed together.
//!
//! A group whose members asked for the newest publication of an interval collects, and becomes
//! dirty when its interval is over. A group with very many members is flushed over several turns;
//! what it still has to do is [`UnderWay`], and what is published meanwhile waits behind that.

use std::collections::VecDeque;
use std::time::Duration;

use slab::Slab;

use super::group::{Group, MemberRemains, Pending, UnderWay};
use crate::base::{ConnId, HashKey, Map, Time, TimerWheel, TopicName};
use crate::session::Manner;
use crate::shard::member::{Member, Membership};

/// How coarse intervals of conflation are.
const CONFLATE_TICK: Duration = Duration::from_millis(10);
/// No group.
const NONE: u32 = u32::MAX;

/// All groups of a shard.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Each topic's first group; the others hang on it.
    topics: Map<TopicName, u32>,
    groups: Slab<Group>,
    /// Groups with something to be flushed now, each once.
    dirty: Vec<u32>,
    /// Groups whose flush goes on in the next turn, each once.
    under_way: VecDeque<u32>,
    /// Groups that collect, by when they are due.
    collecting: TimerWheel<u32>,
    members: usize,
}

impl Groups {
    pub(crate) fn new(key: HashKey, now: Time) -> Self {
        let topics = Map::with_hasher(key);
        Self {
            topics,
            groups: Slab::new(),
            dirty: Vec::new(),
            under_way: VecDeque::new(),
            collecting: TimerWheel::new(now, CONFLATE_TICK),
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
    pub(crate) fn join(&mut self, topic: &TopicName, manner: Manner, member: Member) -> Membership {
        let group = self.group_of(topic, manner);
        let members = &mut self.groups[group as usize].members;
        let index = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members.push(member);
        self.members += 1;
        Membership { group, index }
    }

    /// Removes a subscriber. Others may take another place, none of them across the line between
    /// those who were given what is under way and those who were not.
    pub(crate) fn leave(&mut self, at: Membership) -> MemberRemains {
        let group = &mut self.groups[at.group as usize];
        let mut gap = at.index as usize;
        let mut moved = [None; 2];
        if let Some(UnderWay::FanOut { cursor, .. }) = group.under_way.as_deref_mut()
            && gap < *cursor
        {
            *cursor -= 1;
            group.members.swap(gap, *cursor);
            moved[0] = place(&group.members, at.group, gap).filter(|_| gap != *cursor);
            gap = *cursor;
        }
        group.members.swap_remove(gap);
        moved[1] = place(&group.members, at.group, gap);
        let topic = group.topic.clone();
        self.members -= 1;
        self.settle(at.group);
        MemberRemains { topic, moved }
    }

    /// Takes all members out of a group whose publications are being answered.
    pub(crate) fn take_members(&mut self, group: u32) -> Vec<Member> {
        let members = std::mem::take(&mut self.groups[group as usize].members);
        self.members -= members.len();
        members
    }

    /// Puts a member back that nothing of this turn was for.
    pub(crate) fn put_back(&mut self, group: u32, member: Member) -> Membership {
        let members = &mut self.groups[group as usize].members;
        let index = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members.push(member);
        self.members += 1;
        Membership { group, index }
    }

    /// Queues a publication for the groups of its topic; says how many of them have its count.
    /// Counts of publications that this one supersedes are handed to `superseded`.
    pub(crate) fn deliver(
        &mut self,
        topic: &TopicName,
        pending: &Pending,
        now: Time,
        mut superseded: impl FnMut(u32),
    ) -> u32 {
        let mut counted = 0;
        let mut next = self.topics.get(topic).copied().unwrap_or(NONE);
        while next != NONE {
            let id = next;
            let group = &mut self.groups[id as usize];
            next = group.next;
            let first = group.pending.is_empty();
            if matches!(group.manner, Manner::Newest(..)) {
                let older = group.pending.drain(..);
                older
                    .filter_map(|older| older.count)
                    .for_each(&mut superseded);
                group.conflated += 1;
            }
            let mut pending = pending.clone();
            let counts = group.due <= now;
            if counts {
                counted += 1;
            } else {
                pending.count = None;
            }
            group.pending.push(pending);
            // One that collects may be due by now, before the wheel has said so.
            if first || counts {
                self.wake(id, now);
            }
        }
        counted
    }

    /// Sees to it that what is pending in a group is flushed in its time.
    fn wake(&mut self, id: u32, now: Time) {
        let group = &mut self.groups[id as usize];
        if group.under_way.is_some() || group.pending.is_empty() {
            return;
        }
        if group.due > now {
            self.collecting.set(group.due, id);
        } else if !std::mem::replace(&mut group.dirty, true) {
            self.dirty.push(id);
        }
    }

    /// How many publications wait behind a flush of this topic that takes several turns.
    pub(crate) fn backlog(&self, topic: &TopicName) -> usize {
        let mut backlog = 0;
        let mut next = self.topics.get(topic).copied().unwrap_or(NONE);
        while next != NONE {
            let group = &self.groups[next as usize];
            if group.under_way.is_some() {
                backlog = backlog.max(group.pending.len());
            }
            next = group.next;
        }
        backlog
    }

    /// The most publications that wait behind such a flush.
    pub(crate) fn largest_backlog(&self) -> usize {
        let groups = self.groups.iter().map(|(_, group)| group);
        let busy = groups.filter(|group| group.under_way.is_some());
        busy.map(|group| group.pending.len()).max().unwrap_or(0)
    }

    /// A group goes on with its flush in the next turn.
    pub(crate) fn go_on_later(&mut self, group: u32, under_way: UnderWay) {
        self.groups[group as usize].under_way = Some(Box::new(under_way));
        self.under_way.push_back(group);
    }

    /// The group that waits longest to go on with its flush.
    pub(crate) fn pop_under_way(&mut self) -> Option<(u32, UnderWay)> {
        let id = self.under_way.pop_front()?;
        let under_way = self.groups[id as usize].under_way.take()?;
        Some((id, *under_way))
    }

    /// How many flushes go on in the next turn: fan-outs, and answers.
    pub(crate) fn flushes_under_way(&self) -> (usize, usize) {
        let groups = self.groups.iter();
        let flushes = groups.filter_map(|(_, group)| group.under_way.as_deref());
        let (fan_outs, answers): (Vec<_>, Vec<_>) =
            flushes.partition(|flush| matches!(flush, UnderWay::FanOut { .. }));
        (fan_outs.len(), answers.len())
    }

    /// A group's flush is over: what came meanwhile is next, and it is forgotten if nobody is
    /// left in it.
    pub(crate) fn flushed(&mut self, group: u32, now: Time) {
        self.wake(group, now);
        self.settle(group);
    }

    /// Makes the groups dirty whose interval is over.
    pub(crate) fn expire(&mut self, now: Time) {
        let Self {
            groups,
            dirty,
            collecting,
            ..
        } = self;
        let mut early = Vec::new();
        collecting.expire(now, |id| {
            // A slot may have another group by now, and the wheel is coarse.
            let group = groups.get_mut(id as usize);
            let waits = |group: &&mut Group| !group.pending.is_empty() && group.under_way.is_none();
            let Some(group) = group.filter(waits) else {
                return;
            };
            if group.due > now {
                early.push((group.due, id));
            } else if !std::mem::replace(&mut group.dirty, true) {
                dirty.push(id);
            }
        });
        for (due, id) in early {
            collecting.set(due, id);
        }
    }

    /// When to call [`Groups::expire`] next.
    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.collecting.next_deadline()
    }

    /// A group that was flushed begins another interval, if it has one; says for how many
    /// publications the one that was flushed stood.
    pub(crate) fn begin_interval(&mut self, group: u32, now: Time) -> Option<u32> {
        let group = &mut self.groups[group as usize];
        let Manner::Newest(_, interval) = group.manner else {
            return None;
        };
        group.due = now + interval;
        Some(std::mem::take(&mut group.conflated))
    }

    /// A group with something pending.
    pub(crate) fn pop_dirty(&mut self) -> Option<u32> {
        let id = self.dirty.pop()?;
        self.groups[id as usize].dirty = false;
        Some(id)
    }

    /// Whether something is to be flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.under_way.is_empty()
    }

    /// The group in a slot.
    pub(crate) fn get(&self, group: u32) -> &Group {
        &self.groups[group as usize]
    }

    /// The group in a slot.
    pub(crate) fn get_mut(&mut self, group: u32) -> &mut Group {
        &mut self.groups[group as usize]
    }

    /// Forgets a group that has nobody and nothing left.
    fn settle(&mut self, group: u32) {
        let g = &self.groups[group as usize];
        if g.members.is_empty() && g.pending.is_empty() && g.under_way.is_none() {
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

    /// Whether there is no group, nor anything that waits for one.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.groups.is_empty()
            && self.topics.is_empty()
            && self.collecting.is_empty()
            && self.members == 0
            && !self.is_dirty()
    }

    fn group_of(&mut self, topic: &TopicName, manner: Manner) -> u32 {
        let first = self.topics.get(topic).copied().unwrap_or(NONE);
        let mut next = first;
        while next != NONE {
            let group = &self.groups[next as usize];
            if group.manner == manner {
                return next;
            }
            next = group.next;
        }
        let name = self.interned(topic).unwrap_or_else(|| topic.clone());
        let group = Group {
            topic: name.clone(),
            manner,
            members: Vec::new(),
            pending: Vec::new(),
            conflated: 0,
            due: Time::ZERO,
            dirty: false,
            under_way: None,
            next: first,
        };
        let id = u32::try_from(self.groups.insert(group)).unwrap_or(NONE);
        self.topics.insert(name, id);
        id
    }

    fn remove(&mut self, id: u32) {
        let Group { topic, next, .. } = self.groups.remove(id as usize);
        let first = self.topics.get(&topic).copied().unwrap_or(NONE);
        if first != id {
            self.unlink(first, id, next);
        } else if next == NONE {
            self.topics.remove(&topic);
        } else {
            self.topics.insert(topic, next);
        }
    }

    /// Takes a group that is not the topic's first out of its chain.
    fn unlink(&mut self, first: u32, id: u32, next: u32) {
        let mut at = first;
        while at != NONE {
            let group = &mut self.groups[at as usize];
            if group.next == id {
                group.next = next;
                return;
            }
            at = group.next;
        }
        debug_assert!(false, "a group hangs on its topic");
    }

    fn is_linked(&self, topic: &TopicName, id: usize) -> bool {
        let mut next = self.topics.get(topic).copied().unwrap_or(NONE);
        while next != NONE && next as usize != id {
            next = self.groups[next as usize].next;
        }
        next as usize == id
    }

    /// Asserts what must hold between turns; `membership` tells where a connection believes to be.
    pub(crate) fn check_invariants(&self, membership: impl Fn(ConnId) -> Option<Membership>) {
        let mut members = 0;
        for (id, group) in &self.groups {
            // With a coalescing window the last member may leave before the flush.
            assert!(
                !group.members.is_empty() || !group.pending.is_empty() || group.under_way.is_some(),
                "an empty group of {} was kept",
                group.topic
            );
            assert!(
                self.is_linked(&group.topic, id),
                "a group hangs on its topic"
            );
            for (index, member) in group.members.iter().enumerate() {
                let at = membership(member.conn).expect("a member has its connection");
                assert_eq!((at.group as usize, at.index as usize), (id, index));
            }
            members += group.members.len();
        }
        assert_eq!(members, self.members);
    }
}

/// Who is at a place, if somebody is.
fn place(members: &[Member], group: u32, index: usize) -> Option<(ConnId, Membership)> {
    let member = members.get(index)?;
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    Some((member.conn, Membership { group, index }))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::base::{Chunk, Offset};
    use crate::wire::prepared::PreparedMessage;
    use crate::wire::prepared::WireForm;

    const PLAIN: Manner = Manner::Each(WireForm::PLAIN);
    const JSON: Manner = Manner::Each(WireForm::JSON);

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
        let message = PreparedMessage::new(crate::wire::prepared::Publication {
            epoch: crate::base::Epoch::new(1),
            offset: Offset(1),
            kind: crate::wire::prepared::PayloadKind::Text,
            payload: b"x".to_vec(),
        });
        Pending {
            message,
            count: Some(0),
            received: Time::ZERO,
        }
    }

    #[test]
    fn who_takes_the_place_of_one_that_left_is_named() {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        let places: Vec<Membership> = (0..3)
            .map(|i| groups.join(&topic, PLAIN, member(i)))
            .collect();
        let mut leave = || groups.leave(places[0]).moved;
        assert_eq!(leave(), [None, Some((conn(2), places[0]))]);
        assert_eq!(leave(), [None, Some((conn(1), places[0]))]);
        assert_eq!(leave(), [None, None]);
        assert_eq!((groups.members(), groups.interned(&topic)), (0, None));
    }

    #[test]
    fn a_group_that_everybody_left_waits_for_its_flush() {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        let place = groups.join(&topic, PLAIN, member(0));
        groups.deliver(&topic, &pending(), Time::ZERO, drop);
        groups.leave(place);
        groups.check_invariants(|_| None);
        let group = groups.pop_dirty().unwrap();
        groups.get_mut(group).pending.clear();
        groups.flushed(group, Time::ZERO);
        assert_eq!(groups.interned(&topic), None);
    }

    #[test]
    fn each_form_of_a_topic_gets_a_publication() {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        groups.join(&topic, PLAIN, member(0));
        groups.join(&topic, JSON, member(1));
        let pending = pending();
        assert_eq!(groups.deliver(&topic, &pending, Time::ZERO, drop), 2);
        assert_eq!(
            groups.deliver(&TopicName::new("b").unwrap(), &pending, Time::ZERO, drop),
            0
        );
        let first = groups.pop_dirty().unwrap();
        let second = groups.pop_dirty().unwrap();
        let manner = groups.get_mut(first).manner;
        assert_ne!(manner, groups.get_mut(second).manner);
        assert!(!groups.is_dirty());
    }

    #[test]
    fn a_group_that_collects_is_dirty_at_once_and_then_when_its_interval_is_over() {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        let interval = Duration::from_millis(100);
        let at = |ms| Time::ZERO + Duration::from_millis(ms);
        groups.join(&topic, Manner::new(WireForm::PLAIN, interval), member(0));

        groups.deliver(&topic, &pending(), at(1), drop);
        let id = groups.pop_dirty().expect("the first one comes at once");
        groups.get_mut(id).pending.clear();
        assert_eq!(groups.begin_interval(id, at(1)), Some(1));

        for ms in [2, 3, 50] {
            groups.deliver(&topic, &pending(), at(ms), drop);
        }
        assert_eq!(
            (groups.is_dirty(), groups.get_mut(id).pending.len()),
            (false, 1)
        );
        assert_eq!(groups.get_mut(id).pending[0].count, None);
        groups.expire(at(100));
        assert!(!groups.is_dirty(), "not before the interval is over");
        let next = groups.next_expiry().expect("it waits");
        groups.expire(next);
        assert_eq!(groups.pop_dirty(), Some(id));
        groups.get_mut(id).pending.clear();
        assert_eq!(groups.begin_interval(id, next), Some(3));
        assert_eq!(groups.next_expiry(), None);
    }

    #[test]
    fn groups_of_a_topic_leave_in_any_order() {
        let topic = TopicName::new("a").unwrap();
        let manners = [PLAIN, JSON, Manner::Once];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
            let places = manners.map(|manner| groups.join(&topic, manner, member(0)));
            for place in order {
                groups.leave(places[place]);
            }
            assert_eq!((groups.members(), groups.interned(&topic)), (0, None));
        }
    }

    /// Ten members of whom six were given what is under way.
    fn half_way() -> (Groups, TopicName) {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        (0..10).for_each(|i| {
            groups.join(&topic, PLAIN, member(i));
        });
        groups.deliver(&topic, &pending(), Time::ZERO, drop);
        let id = groups.pop_dirty().unwrap();
        let pending = std::mem::take(&mut groups.get_mut(id).pending);
        let chunk = Chunk::private(b"a".to_vec());
        let chunks = VecDeque::from([(chunk, pending)]);
        groups.go_on_later(id, UnderWay::FanOut { chunks, cursor: 6 });
        (groups, topic)
    }

    #[test]
    fn nobody_who_leaves_moves_others_across_the_line() {
        for leaver in 0..10 {
            let (mut groups, _) = half_way();
            let index = leaver;
            groups.leave(Membership { group: 0, index });
            let (id, under_way) = groups.pop_under_way().unwrap();
            let UnderWay::FanOut { cursor, .. } = under_way else {
                panic!("{under_way:?}");
            };
            let members = &groups.get_mut(id).members;
            let served = |members: &[Member]| {
                let mut slots: Vec<u32> = members.iter().map(|m| m.conn.slot).collect();
                slots.sort_unstable();
                slots
            };
            let rest = |slots: std::ops::Range<u32>| slots.filter(|s| *s != leaver).collect();
            let (before, behind): (Vec<u32>, Vec<u32>) = (rest(0..6), rest(6..10));
            assert_eq!(served(&members[..cursor]), before, "{leaver} left");
            assert_eq!(served(&members[cursor..]), behind, "{leaver} left");
        }
    }

    #[test]
    fn what_comes_during_a_flush_waits_for_its_end() {
        let (mut groups, topic) = half_way();
        groups.deliver(&topic, &pending(), Time::ZERO, drop);
        assert_eq!((groups.pop_dirty(), groups.backlog(&topic)), (None, 1));
        let (id, _) = groups.pop_under_way().unwrap();
        groups.flushed(id, Time::ZERO);
        assert_eq!((groups.pop_dirty(), groups.backlog(&topic)), (Some(id), 0));
    }

    #[test]
    fn a_superseded_publication_is_counted_no_more() {
        let mut groups = Groups::new(HashKey(0, 0), Time::ZERO);
        let topic = TopicName::new("a").unwrap();
        let manner = Manner::new(WireForm::PLAIN, Duration::from_secs(1));
        groups.join(&topic, manner, member(0));
        let mut superseded = Vec::new();
        for _ in 0..2 {
            let counted = groups.deliver(&topic, &pending(), Time::ZERO, |c| superseded.push(c));
            assert_eq!(counted, 1);
        }
        assert_eq!(superseded, [0]);
    }
}
