//! Publications on their way: from a publisher to the topic's home, from there to the readers,
//! and what became of them back.

use super::Core;
use crate::hub::PublishOutcome;
use crate::mesh::{Answer, DeliveryResult, Origin, Request};
use crate::metrics::RefuseReason;
use crate::shard::delivery::Delivery;
use crate::shard::home::HomeOutcome;
use crate::wire::prepared::Draft;

impl<S> Core<S> {
    /// Takes a client's publication to its topic's home.
    pub(super) fn publish(&mut self, origin: Origin, draft: Draft) {
        let home = self.home_of(&draft.topic);
        if home == self.around.id {
            self.publish_here(origin, draft);
        } else if self.mesh.has_credit(home) {
            self.mesh.request(home, Request::Publish { origin, draft });
        } else {
            self.refuse(origin, RefuseReason::NoCredit);
        }
    }

    /// Sequences and delivers a publication of a topic that lives here.
    pub(super) fn publish_here(&mut self, origin: Origin, draft: Draft) {
        let Self {
            around,
            mesh,
            home,
            readers,
            ..
        } = self;
        let backlog = |topic: &_| readers.backlog(topic);
        match home.publish(around, mesh, (origin, draft), backlog) {
            HomeOutcome::OnItsWay(Some(delivery)) => self.deliver(delivery),
            HomeOutcome::OnItsWay(None) => {}
            HomeOutcome::Done(outcome) => self.answer(origin, outcome),
            HomeOutcome::Refused(reason) => self.refuse(origin, reason),
        }
    }

    /// Puts a publication before this shard's readers.
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        self.readers.deliver(&self.around, delivery);
    }

    /// What is counted goes to the publications' homes.
    pub(crate) fn answer_publishes(&mut self) {
        let done = self.readers.take_done();
        for of_home in done.chunk_by(|a, b| a.home == b.home) {
            let home = of_home[0].home;
            let delivered = of_home.iter().map(|done| done.delivered);
            if home == self.around.id {
                delivered.for_each(|counts| self.count(counts));
            } else {
                self.mesh
                    .answer(home, Answer::Delivered(delivered.collect()));
            }
        }
        self.readers.give_back(done);
    }

    /// One shard has reported.
    pub(super) fn count(&mut self, delivered: DeliveryResult) {
        if let Some((origin, outcome)) = self.home.count(delivered) {
            self.answer(origin, outcome);
        }
    }

    /// Tells origins that waited long enough what is counted so far.
    pub(crate) fn answer_late_publishes(&mut self) {
        while let Some((origin, outcome)) = self.home.next_late(self.around.now) {
            self.answer(origin, outcome);
        }
    }

    fn refuse(&mut self, origin: Origin, reason: RefuseReason) {
        self.around.metrics.publish_refused(reason);
        let outcome = match reason {
            RefuseReason::TopicsFull => PublishOutcome::TopicsFull,
            _ => PublishOutcome::Busy,
        };
        self.answer(origin, outcome);
    }

    fn answer(&mut self, origin: Origin, outcome: PublishOutcome) {
        if origin.shard == self.around.id {
            self.published(origin, outcome);
        } else {
            let answer = Answer::Published { origin, outcome };
            self.mesh.answer(origin.shard, answer);
        }
    }

    pub(super) fn published(&mut self, origin: Origin, outcome: PublishOutcome) {
        let Origin { conn, tag, .. } = origin;
        self.asked.end(conn, tag);
        self.with_session(conn, |session, context, outputs| {
            session.handle_published(context, tag, &outcome, outputs);
        });
        self.may_resume(conn);
    }
}
