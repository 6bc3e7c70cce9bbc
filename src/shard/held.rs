//! Publications to long polls that are held: each gets one answer, and then is no subscriber.

use std::sync::Arc;

use super::Core;
use super::groups::{Member, Pending, UnderWay};
use super::offer::{Offer, Tally};
use crate::base::{ConnId, Part, TopicName};
use crate::io::driver::Driver;
use crate::session::Reader;
use crate::wire::answer;
use crate::wire::prepared::PreparedMessage;

impl<S> Core<S> {
    /// Takes the members of whom something is new out of a group of held polls.
    pub(super) fn begin_answers(&mut self, id: u32, pending: Vec<Pending>) -> UnderWay {
        let newest = pending.last().map(|p| p.message.offset());
        let mut waiting = Vec::new();
        for member in self.groups.take_members(id) {
            let knows_all = newest.is_none_or(|newest| newest < member.from);
            let membership = knows_all.then(|| self.groups.put_back(id, member));
            if !knows_all {
                waiting.push(member);
            }
            if let Some(conn) = self.conn_mut(member.conn) {
                conn.membership = membership;
            }
        }
        let topic = self.groups.get_mut(id).topic.clone();
        self.no_more(topic, waiting.len());
        UnderWay::Answers { pending, waiting }
    }

    /// Answers as many of those that wait as are left; says whether that was all.
    pub(super) fn answer_some<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        pending: &[Pending],
        waiting: &mut Vec<Member>,
        left: &mut usize,
    ) -> bool {
        let messages: Vec<Arc<PreparedMessage>> = pending
            .iter()
            .map(|pending| Arc::clone(&pending.message))
            .collect();
        let now = waiting.len().min(*left);
        *left -= now.max(1);
        let (mut shared, mut others) = (Vec::new(), Vec::new());
        for Member { conn, from } in waiting.split_off(waiting.len() - now) {
            let known = messages.partition_point(|message| message.offset() < from);
            if !self.still_waits(conn) {
                continue;
            }
            if known == 0 && self.takes_shared_answer(conn) {
                shared.push(conn);
            } else {
                others.push((conn, known));
            }
        }
        self.answer_alike(driver, &shared, pending, &messages);
        for (conn, known) in others {
            self.answer_alone(conn, &pending[known..], &messages[known..]);
        }
        if waiting.is_empty() {
            self.was_given(pending);
        }
        waiting.is_empty()
    }

    /// Whether it has not been answered since, nor asked again.
    fn still_waits(&self, id: ConnId) -> bool {
        self.conn(id)
            .is_some_and(|conn| conn.membership.is_none() && conn.reads == Some(Reader::Held))
    }

    fn takes_shared_answer(&self, id: ConnId) -> bool {
        !self.node.is_draining()
            && self
                .conn(id)
                .is_some_and(|conn| conn.session.takes_shared_answer())
    }

    fn answer_alike<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        conns: &[ConnId],
        pending: &[Pending],
        messages: &[Arc<PreparedMessage>],
    ) {
        if conns.is_empty() {
            return;
        }
        let date = self.calendar.date(self.now);
        let Some(chunk) = answer::shared(&date, messages) else {
            return;
        };
        let part = Part::whole(chunk);
        let bytes_max = self.settings.rules.limits.outbox_bytes_max;
        let mut offer = Offer::new(&part, &self.usage, bytes_max);
        let mut tally = Tally::default();
        for id in conns {
            let conn = &mut self.conns[id.index()];
            offer.whole(driver, conn, *id, &mut tally);
            if conn.outbox.is_some() && !conn.dirty {
                conn.dirty = true;
                self.dirty.push(*id);
            }
        }
        self.record(&part, messages.len(), &tally);
        self.count_answered(pending, tally.whole);
        for id in conns {
            self.with_session(*id, |session, cx, out| session.was_answered(cx, out));
            self.may_resume(*id);
        }
    }

    fn answer_alone(&mut self, id: ConnId, pending: &[Pending], messages: &[Arc<PreparedMessage>]) {
        self.metrics.deliveries.add(messages.len() as u64);
        self.count_answered(pending, 1);
        self.with_session(id, |session, cx, out| {
            session.handle_publications(cx, messages, out);
        });
        self.may_resume(id);
    }

    fn count_answered(&mut self, pending: &[Pending], answered: u32) {
        for count in pending.iter().filter_map(|pending| pending.count) {
            self.counts.add(count, answered, 0);
        }
    }

    /// So many subscribers of this shard have left a topic.
    fn no_more(&mut self, topic: TopicName, subscribers: usize) {
        if let Ok(subscribers) = u32::try_from(subscribers)
            && subscribers > 0
        {
            self.unsubscribe(topic, subscribers);
        }
    }
}
