//! Reads and subscriptions of this shard's connections, at their topics' homes.

use super::Core;
use crate::base::{After, ConnId, TopicName};
use crate::hub::{Recovery, TopicsFull};
use crate::mesh::Request;
use crate::session::Manner;
use crate::shard::member::Member;
use crate::wire::prepared::{self, WireForm};

impl<S> Core<S> {
    pub(super) fn read(&mut self, id: ConnId, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        if home == self.around.id {
            let recovery = self.home.read(&topic, after, self.around.now);
            self.was_read(id, &recovery);
        } else {
            let conn = id;
            let request = Request::Read { conn, topic, after };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// The topic's home has told what a poll asked for.
    pub(super) fn was_read(&mut self, id: ConnId, recovery: &Recovery) {
        let publications = recovery.publications.len() as u64;
        self.around.metrics.deliveries.add(publications);
        self.with_session(id, |session, context, outputs| {
            session.handle_read(context, recovery, outputs);
        });
        self.may_resume(id);
    }

    pub(super) fn subscribe(&mut self, id: ConnId, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        self.conns.begin_subscribe(id);
        if home == self.around.id {
            let result = self.home.subscribe(&topic, home, after, self.around.now);
            self.subscribed(id, &topic, result);
        } else {
            let request = Request::Subscribe {
                conn: id,
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
        id: ConnId,
        topic: &TopicName,
        result: Result<Recovery, TopicsFull>,
    ) {
        if !self.conns.end_subscribe(id) {
            if result.is_ok() {
                self.unsubscribe(topic.clone(), 1);
            }
            return;
        }
        match result {
            Ok(recovery) if self.is_answered_by(id, &recovery) => {
                self.unsubscribe(topic.clone(), 1);
                self.was_read(id, &recovery);
            }
            Ok(recovery) => self.join(id, topic, &recovery),
            Err(TopicsFull) => self.with_session(id, |s, cx, out| s.handle_topics_full(cx, out)),
        }
        self.may_resume(id);
    }

    fn is_answered_by(&self, id: ConnId, recovery: &Recovery) -> bool {
        self.conns
            .session(id)
            .is_some_and(|session| session.is_answered_by(recovery))
    }

    fn join(&mut self, id: ConnId, topic: &TopicName, recovery: &Recovery) {
        let Some(session) = self.conns.session(id) else {
            return;
        };
        let manner = session.manner();
        let member = Member {
            conn: id,
            from: recovery.position.offset.next(),
        };
        let membership = self.readers.join(topic, manner, member);
        let shared = self.readers.topic(membership).clone();
        self.conns.set_membership(id, Some(membership));
        self.with_session(id, |session, context, outputs| {
            session.handle_subscribed(context, &shared, recovery, outputs);
        });
        match manner {
            Manner::Each(form) => self.send_history(id, form, recovery),
            Manner::Newest(form, _) => self.send_newest(id, form, recovery),
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
