//! Who reads here: this shard's subscribers, what is pending for them, and what became of it.
//!
//! One of the three owners of a shard. It knows members by their connection's number and nothing
//! more of them; where their topics live it does not know either.

mod answers;
mod budget;
mod counts;
mod fanout;
mod group;
mod groups;

use self::budget::Budget;
use self::counts::{CompleteCount, Counts};
use self::group::MemberRemains;
use self::groups::Groups;
use super::delivery::Delivery;
use super::member::{Member, Membership};
use super::surroundings::Surroundings;
use crate::base::{ConnId, Time, TopicName};
use crate::session::Manner;

pub(super) use self::fanout::Flush;
pub(super) use self::group::{Pending, UnderWay};

/// All subscribers of a shard.
pub(super) struct Readers {
    groups: Groups,
    counts: Counts,
    budget: Budget,
    /// When the collected publications are flushed; now, without a coalescing window.
    flush_at: Time,
}

impl Readers {
    pub(super) fn new(around: &Surroundings) -> Self {
        Self {
            groups: Groups::new(around.settings.hash_key, around.now),
            counts: Counts::default(),
            budget: Budget::new(around.limits().fanout_per_turn_max),
            flush_at: around.now,
        }
    }

    /// Adds a subscriber, who has everything before `member.from`.
    pub(super) fn join(&mut self, topic: &TopicName, manner: Manner, member: Member) -> Membership {
        self.groups.join(topic, manner, member)
    }

    /// The name of a topic that its subscribers here share; this one if there is none.
    pub(super) fn name_of(&self, topic: &TopicName) -> TopicName {
        let shared = self.groups.interned(topic);
        shared.unwrap_or_else(|| topic.clone())
    }

    /// Removes a subscriber.
    pub(super) fn leave(&mut self, at: Membership) -> MemberRemains {
        self.groups.leave(at)
    }

    /// The topic at a place, by the name that all its subscribers here share.
    pub(super) fn topic(&self, at: Membership) -> &TopicName {
        self.groups.topic(at)
    }

    /// How many publications wait behind a flush of this topic that takes several turns.
    pub(super) fn backlog(&self, topic: &TopicName) -> usize {
        self.groups.backlog(topic)
    }

    /// Puts a publication before the subscribers; it is written when the turn ends.
    pub(super) fn deliver(&mut self, around: &Surroundings, delivery: Delivery) {
        let was_dirty = self.groups.is_dirty();
        let Self { groups, counts, .. } = self;
        let count = counts.begin(delivery.home, delivery.number);
        let pending = Pending {
            message: delivery.message,
            count: Some(count),
            received: delivery.received,
        };
        let supersede = |older| counts.close(older);
        let groups = groups.deliver(&delivery.topic, &pending, around.now, supersede);
        self.counts.wait_for(count, groups);
        self.counts.close(count);
        if !was_dirty {
            self.flush_at = around.now + around.settings.coalesce;
        }
    }

    /// What is counted, sorted by its home; give the memory back with [`Readers::give_back`].
    pub(super) fn take_done(&mut self) -> Vec<CompleteCount> {
        self.counts.take_done()
    }

    pub(super) fn give_back(&mut self, done: Vec<CompleteCount>) {
        self.counts.give_back(done);
    }

    /// Makes the groups dirty whose interval is over.
    pub(super) fn expire(&mut self, now: Time) {
        self.groups.expire(now);
    }

    /// When there is something to flush, or to look at.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let flush = self.groups.is_dirty().then_some(self.flush_at);
        Time::earliest(self.groups.next_expiry(), flush)
    }

    /// How many there are.
    pub(super) fn members(&self) -> usize {
        self.groups.members()
    }

    /// How many groups go on with their flush in the next turn: with a fan-out, and with answers.
    pub(super) fn flushes_under_way(&self) -> (usize, usize) {
        self.groups.flushes_under_way()
    }

    /// The most publications that wait behind such a flush.
    pub(super) fn largest_backlog(&self) -> usize {
        self.groups.largest_backlog()
    }

    /// Whether there is nobody, and nothing is counted any more.
    pub(super) fn is_at_rest(&self) -> bool {
        self.groups.is_at_rest() && self.counts.is_empty()
    }

    /// Asserts what must hold between turns; `membership` tells where a connection believes to be.
    pub(super) fn check_invariants(&self, membership: impl Fn(ConnId) -> Option<Membership>) {
        self.groups.check_invariants(membership);
    }
}
