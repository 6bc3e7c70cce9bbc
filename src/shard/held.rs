//! Publications to long polls that are held: each gets one answer, and then is no subscriber.

use std::sync::Arc;

use super::Core;
use super::fanout::{Offer, Tally};
use super::groups::{Member, Pending};
use crate::base::{ConnId, Part, TopicName};
use crate::io::driver::Driver;
use crate::wire::answer;
use crate::wire::prepared::PreparedMessage;

impl<S> Core<S> {
    /// Answers every member of a group of held polls with what is pending.
    pub(super) fn answer_held<D: Driver<Socket = S>>(&mut self, driver: &mut D, id: u32) {
        let group = self.groups.get_mut(id);
        let pending = std::mem::take(&mut group.pending);
        let topic = group.topic.clone();
        let messages: Vec<Arc<PreparedMessage>> = pending
            .iter()
            .map(|pending| Arc::clone(&pending.message))
            .collect();
        let (shared, others) = self.split_members(id, &messages);
        let answered = shared.len() + others.len();
        self.answer_alike(driver, &shared, &pending, &messages);
        for (member, known) in others {
            self.answer_alone(member, &pending[known..], &messages[known..]);
        }
        self.observe(&pending);
        self.no_more(topic, answered);
    }

    /// Takes the members of whom something is new out of the group: those that get the same
    /// bytes, and the others with how many publications they know.
    fn split_members(
        &mut self,
        id: u32,
        messages: &[Arc<PreparedMessage>],
    ) -> (Vec<ConnId>, Vec<(ConnId, usize)>) {
        let is_draining = self.node.is_draining();
        let (mut shared, mut others) = (Vec::new(), Vec::new());
        for Member { conn, from } in self.groups.take_members(id) {
            let known = messages.partition_point(|message| message.offset() < from);
            let Some(connection) = self.conn_mut(conn) else {
                continue;
            };
            if known == messages.len() {
                let membership = self.groups.put_back(id, Member { conn, from });
                if let Some(connection) = self.conn_mut(conn) {
                    connection.membership = Some(membership);
                }
                continue;
            }
            connection.membership = None;
            let alike = known == 0 && !is_draining && connection.session.takes_shared_answer();
            if alike {
                shared.push(conn);
            } else {
                others.push((conn, known));
            }
        }
        (shared, others)
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
        let Some(chunk) = answer::shared(messages) else {
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
            self.counts[count as usize].queued += answered;
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
