//! A publication at its topic's home: room first, then an offset, then everybody.
//!
//! Owns the counts that come back from the shards, and who waits for them.

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use super::groups::Pending;
use super::{Core, slot_number};
use crate::base::{ConnId, Position, ShardId, Time, TopicName};
use crate::hub::{Interest, PublishOutcome};
use crate::mesh::{Answer, Delivered, Origin, Request};
use crate::metrics::RefuseReason;
use crate::wire::prepared::{Draft, PreparedMessage, Sequenced};

/// Publications of this home that are not counted on every shard yet.
#[derive(Debug, Default)]
pub(super) struct Publications {
    open: Slab<Open>,
    /// Which origin is told by when that the count is not complete; the oldest first.
    deadlines: VecDeque<(Time, u64, u32)>,
    /// Tells one use of a slot from the next.
    serial: u64,
}

/// One publication on its way.
#[derive(Debug)]
struct Open {
    serial: u64,
    origin: Origin,
    position: Position,
    subscribers: u32,
    queued: u32,
    dropped: u32,
    /// Shards that have not reported yet.
    waiting: usize,
    /// The origin was told already, with an incomplete count.
    answered: bool,
}

impl Publications {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.front().map(|(at, ..)| *at)
    }

    fn insert(&mut self, mut open: Open) -> u32 {
        self.serial += 1;
        open.serial = self.serial;
        slot_number(self.open.insert(open))
    }
}

impl Open {
    fn outcome(&self) -> PublishOutcome {
        PublishOutcome::Published {
            position: self.position,
            subscribers: self.subscribers,
            queued: self.queued,
            dropped: self.dropped,
            complete: self.waiting == 0,
        }
    }
}

impl<S> Core<S> {
    /// Takes a client's publication to its topic's home.
    pub(super) fn publish(&mut self, origin: Origin, draft: Draft) {
        let home = self.home_of(&draft.topic);
        if home == self.id {
            self.publish_here(origin, draft);
        } else if self.mesh.has_credit(home) {
            let conn = origin.conn;
            self.mesh.request(home, Request::Publish { conn, draft });
        } else {
            self.refuse(origin, RefuseReason::NoCredit);
        }
    }

    /// Sequences and delivers a publication of a topic that lives here.
    pub(super) fn publish_here(&mut self, origin: Origin, draft: Draft) {
        let Draft {
            topic,
            kind,
            payload,
            received,
        } = draft;
        if !self.has_room_everywhere(&topic) {
            self.refuse(origin, RefuseReason::NoCredit);
            return;
        }
        let Ok(position) = self.hub.sequence(&topic) else {
            self.refuse(origin, RefuseReason::TopicsFull);
            return;
        };
        let Position { epoch, offset } = position;
        let sequenced = Sequenced {
            epoch,
            offset,
            kind,
            payload,
        };
        let message = self.hub.apply(&topic, sequenced, self.now);
        self.metrics.publications.add(1);
        self.deliver_everywhere(origin, &topic, &message, received);
    }

    /// Nothing is sequenced that some interested shard has no room for. This one has none while
    /// as many publications as it would give another shard credits wait behind a flush.
    fn has_room_everywhere(&self, topic: &TopicName) -> bool {
        let most = self.settings.rules.limits.mesh_credits_per_pair as usize;
        let mut interest = self.hub.interest(topic).iter().map(|i| i.shard);
        interest.all(|shard| {
            if shard == self.id {
                self.groups.backlog(topic) < most
            } else {
                self.mesh.has_credit(shard)
            }
        })
    }

    fn deliver_everywhere(
        &mut self,
        origin: Origin,
        topic: &TopicName,
        message: &Arc<PreparedMessage>,
        received: Time,
    ) {
        let interest: Vec<Interest> = self.hub.interest(topic).to_vec();
        let delivery = self.publications.insert(Open {
            serial: 0,
            origin,
            position: message.position(),
            subscribers: interest.iter().map(|i| i.subscribers).sum(),
            queued: 0,
            dropped: 0,
            waiting: interest.len(),
            answered: false,
        });
        if interest.is_empty() {
            self.complete(delivery);
            return;
        }
        self.expect_counts(delivery, &interest);
        for Interest { shard, .. } in interest {
            let (topic, message) = (topic.clone(), Arc::clone(message));
            if shard == self.id {
                self.deliver(shard, delivery, &topic, message, received);
            } else {
                self.mesh.request(
                    shard,
                    Request::Deliver {
                        delivery,
                        topic,
                        message,
                        received,
                    },
                );
            }
        }
    }

    /// Counts of other shards, and of very many subscribers, may take long; the origin is told what
    /// there is in time.
    fn expect_counts(&mut self, delivery: u32, interest: &[Interest]) {
        let one_turn = self.settings.rules.limits.fanout_per_turn_max;
        let takes_long = |i: &Interest| i.shard != self.id || i.subscribers as usize > one_turn;
        if interest.iter().any(takes_long) {
            let by = self.now + self.settings.rules.limits.publish_answer_timeout;
            let serial = self.publications.open[delivery as usize].serial;
            self.publications
                .deadlines
                .push_back((by, serial, delivery));
        }
    }

    /// Puts a publication before this shard's subscribers; it is written when the turn ends.
    pub(super) fn deliver(
        &mut self,
        home: ShardId,
        delivery: u32,
        topic: &TopicName,
        message: Arc<PreparedMessage>,
        received: Time,
    ) {
        let was_dirty = self.groups.is_dirty();
        let Self { groups, counts, .. } = self;
        let count = counts.begin(home, delivery);
        let pending = Pending {
            message,
            count: Some(count),
            received,
        };
        let groups = groups.deliver(topic, &pending, self.now, |older| counts.close(older));
        self.counts.wait_for(count, groups);
        self.counts.close(count);
        if !was_dirty {
            self.flush_at = self.now + self.settings.coalesce;
        }
    }

    /// What is counted goes to the publications' homes.
    pub(super) fn answer_publishes(&mut self) {
        let done = self.counts.take_done();
        for of_home in done.chunk_by(|a, b| a.home == b.home) {
            let home = of_home[0].home;
            let delivered = of_home.iter().map(|done| done.delivered);
            if home == self.id {
                delivered.for_each(|counts| self.count(counts));
            } else {
                self.mesh
                    .answer(home, Answer::Delivered(delivered.collect()));
            }
        }
        self.counts.give_back(done);
    }

    /// One shard has reported.
    pub(super) fn count(&mut self, delivered: Delivered) {
        let Some(open) = self.publications.open.get_mut(delivered.delivery as usize) else {
            debug_assert!(false, "a count for a publication that is complete");
            return;
        };
        open.queued += delivered.queued;
        open.dropped += delivered.dropped;
        open.waiting -= 1;
        if open.waiting == 0 {
            self.complete(delivered.delivery);
        }
    }

    fn complete(&mut self, delivery: u32) {
        let open = self.publications.open.remove(delivery as usize);
        if !open.answered {
            self.answer(open.origin, open.outcome());
        }
    }

    /// Tells origins that waited long enough what is counted so far.
    pub(super) fn answer_late_publishes(&mut self) {
        while let Some((by, serial, delivery)) = self.publications.deadlines.front().copied() {
            let open = self.publications.open.get_mut(delivery as usize);
            let waits = open.filter(|open| open.serial == serial);
            match waits {
                Some(_) if by > self.now => return,
                Some(open) => {
                    let first = !std::mem::replace(&mut open.answered, true);
                    let (origin, outcome) = (open.origin, open.outcome());
                    if first {
                        self.answer(origin, outcome);
                    }
                }
                None => {}
            }
            self.publications.deadlines.pop_front();
        }
    }

    fn refuse(&mut self, origin: Origin, reason: RefuseReason) {
        self.metrics.publish_refused(reason);
        let outcome = match reason {
            RefuseReason::TopicsFull => PublishOutcome::TopicsFull,
            _ => PublishOutcome::Busy,
        };
        self.answer(origin, outcome);
    }

    fn answer(&mut self, origin: Origin, outcome: PublishOutcome) {
        if origin.shard == self.id {
            self.published(origin.conn, outcome);
        } else {
            self.mesh.answer(
                origin.shard,
                Answer::Published {
                    conn: origin.conn,
                    outcome,
                },
            );
        }
    }

    pub(super) fn published(&mut self, id: ConnId, outcome: PublishOutcome) {
        self.with_session(id, |session, context, outputs| {
            session.handle_published(context, &outcome, outputs);
        });
        self.may_resume(id);
    }
}
