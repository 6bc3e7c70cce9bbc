//! Reads and subscriptions of this shard's connections, at their topics' homes.

use super::Core;
use crate::base::{After, ConnId, TopicName};
use crate::hub::{Recovery, TopicsFull};
use crate::mesh::{Origin, Request};
use crate::session::{Joins, Manner};
use crate::shard::member::Member;
use crate::wire::prepared::{self, WireForm};

impl<S> Core<S> {
    pub(super) fn read(&mut self, origin: Origin, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        if home == self.around.id {
            let recovery = self.home.read(&topic, after, self.around.now);
            self.was_read(origin, &recovery);
        } else {
            let request = Request::Read {
                origin,
                topic,
                after,
            };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// The topic's home has told what a poll asked for.
    pub(super) fn was_read(&mut self, origin: Origin, recovery: &Recovery) {
        let Origin { conn, tag, .. } = origin;
        self.asked.end(conn, tag);
        self.count_told(recovery);
        self.with_session(conn, |session, context, outputs| {
            session.handle_read(context, tag, recovery, outputs);
        });
        self.may_resume(conn);
    }

    /// Publications leave in an answer.
    fn count_told(&self, recovery: &Recovery) {
        let publications = recovery.publications.len() as u64;
        self.around.metrics.deliveries.add(publications);
    }

    pub(super) fn subscribe(&mut self, origin: Origin, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        if home == self.around.id {
            let result = self.home.subscribe(&topic, home, after, self.around.now);
            self.subscribed(origin, &topic, result);
        } else {
            let request = Request::Subscribe {
                origin,
                topic,
                after,
            };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// The topic's home has answered. What it delivers from now on comes behind this answer, so
    /// history and live publications meet without a gap or a repeat.
    pub(super) fn subscribed(
        &mut self,
        origin: Origin,
        topic: &TopicName,
        result: Result<Recovery, TopicsFull>,
    ) {
        let Origin { conn, tag, .. } = origin;
        self.asked.end(conn, tag);
        match result {
            Ok(recovery) => self.join(origin, topic, &recovery),
            Err(TopicsFull) if self.conns.is_open(conn) => {
                self.with_session(conn, |s, cx, out| s.handle_topics_full(cx, tag, out));
            }
            Err(TopicsFull) => {}
        }
        self.may_resume(conn);
    }

    /// The session says what becomes of its subscription; if it does not need it, it is given back.
    fn join(&mut self, origin: Origin, topic: &TopicName, recovery: &Recovery) {
        let Origin { conn, tag, .. } = origin;
        let shared = self.readers.name_of(topic);
        let mut joins = Joins::Gone;
        if self.conns.is_open(conn) {
            self.with_session(conn, |session, cx, out| {
                joins = session.handle_subscribed(cx, (tag, &shared), recovery, out);
            });
        }
        match joins {
            Joins::Member { manner } => self.begin_membership(conn, &shared, manner, recovery),
            Joins::Answered => {
                self.count_told(recovery);
                self.unsubscribe(shared, 1);
            }
            Joins::Gone => self.unsubscribe(shared, 1),
        }
    }

    /// Live publications follow what was missed.
    fn begin_membership(
        &mut self,
        conn: ConnId,
        topic: &TopicName,
        manner: Manner,
        recovery: &Recovery,
    ) {
        let from = recovery.position.offset.next();
        let membership = self.readers.join(topic, manner, Member { conn, from });
        self.conns.set_membership(conn, Some(membership));
        match manner {
            Manner::Each(form) => self.send_history(conn, form, recovery),
            Manner::Newest(form, _) => self.send_newest(conn, form, recovery),
            // Whoever waits for the next one was told all that there was.
            Manner::Once => {}
        }
    }

    fn send_history(&mut self, id: ConnId, form: WireForm, recovery: &Recovery) {
        let bytes_max = self.around.limits().turn_chunk_bytes_max;
        for chunk in prepared::contiguous(&recovery.publications, form, bytes_max) {
            self.conns.send_missed(&self.around, id, chunk);
        }
    }

    /// Of what was missed the newest, for all of it.
    fn send_newest(&mut self, id: ConnId, form: WireForm, recovery: &Recovery) {
        let missed = u32::try_from(recovery.publications.len()).unwrap_or(u32::MAX);
        if let Some(newest) = recovery.publications.last() {
            let chunk = newest.conflated_chunk(form, missed);
            self.conns.send_missed(&self.around, id, chunk);
        }
    }

    pub(super) fn unsubscribe(&mut self, topic: TopicName, subscribers: u32) {
        let home = self.home_of(&topic);
        if home == self.around.id {
            self.home.unsubscribe(&topic, home, subscribers);
        } else {
            let request = Request::Unsubscribe { topic, subscribers };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// Takes a connection out of its group, if it is in one.
    pub(super) fn leave_group(&mut self, id: ConnId) {
        let Some(membership) = self.conns.take_membership(id) else {
            return;
        };
        let left = self.readers.leave(membership);
        for (id, membership) in left.moved.into_iter().flatten() {
            self.conns.set_membership(id, Some(membership));
        }
        self.unsubscribe(left.topic, 1);
    }
}
