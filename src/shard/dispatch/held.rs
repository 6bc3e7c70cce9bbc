//! Publications to long polls that are held: each gets one answer, and then is no subscriber.

use std::sync::Arc;

use super::Core;
use crate::base::{ConnId, Part};
use crate::io::Driver;
use crate::shard::member::Member;
use crate::shard::readers::{Flush, Pending, UnderWay};
use crate::wire::answer;
use crate::wire::prepared::PreparedMessage;

impl<S> Core<S> {
    /// Takes the members of whom something is new out of a group of held polls.
    pub(super) fn begin_answers(&mut self, group: u32) -> Flush {
        let Self { conns, readers, .. } = self;
        let (flush, topic, left) =
            readers.begin_answers(group, |conn, at| conns.set_membership(conn, at));
        if let Ok(left) = u32::try_from(left)
            && left > 0
        {
            self.unsubscribe(topic, left);
        }
        flush
    }

    /// Answers as many of those that wait as are left.
    pub(super) fn answer_some<D: Driver<Socket = S>>(&mut self, driver: &mut D, flush: &mut Flush) {
        let UnderWay::Answers { pending, waiting } = &mut flush.under_way else {
            return;
        };
        let messages: Vec<Arc<PreparedMessage>> = pending
            .iter()
            .map(|pending| Arc::clone(&pending.message))
            .collect();
        let (mut shared, mut others) = (Vec::new(), Vec::new());
        for Member { conn, from } in self.readers.next_answers(flush.share, waiting) {
            let known = messages.partition_point(|message| message.offset() < from);
            if !self.conns.waits_for_answer(conn) {
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
            self.readers.was_given(&self.around, pending);
        }
    }

    fn takes_shared_answer(&self, id: ConnId) -> bool {
        let session = self.conns.session(id);
        !self.around.node.is_draining()
            && session.is_some_and(|session| session.takes_shared_answer())
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
        let date = self.calendar.date(self.around.now);
        let Some(chunk) = answer::shared(&date, messages) else {
            return;
        };
        let part = Part::whole(chunk);
        let bytes_max = self.around.limits().outbox_bytes_max;
        let tally = self.conns.give(driver, bytes_max, &part, conns);
        self.readers
            .was_answered(&self.around, &part, pending, &tally);
        for id in conns {
            self.with_session(*id, |session, cx, out| session.was_answered(cx, out));
            self.may_resume(*id);
        }
    }

    fn answer_alone(&mut self, id: ConnId, pending: &[Pending], messages: &[Arc<PreparedMessage>]) {
        self.around.metrics.deliveries.add(messages.len() as u64);
        self.readers.count_answered(pending, 1);
        self.with_session(id, |session, cx, out| {
            session.handle_publications(cx, messages, out);
        });
        self.may_resume(id);
    }
}
