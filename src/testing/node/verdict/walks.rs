//! What a subscriber reads from its first publication to its last: WebSockets and streams.

use super::{PublicationOrder, TopicLife};
use crate::testing::node::model::{AskedPosition, ModelSubscription, PostOutcome};
use crate::testing::node::report::{Milestone, Report};
use crate::wire::form::Content;
use crate::wire::prepared::PayloadKind;

impl PublicationOrder<'_> {
    pub(super) fn check_walk(&self, subscription: &ModelSubscription, report: &mut Report) {
        self.check_run(subscription, report);
        self.check_start(subscription);
        self.check_quiet(subscription, report);
        self.count_events(subscription, report);
    }

    /// How the payloads looked that were read as events.
    fn count_events(&self, subscription: &ModelSubscription, report: &mut Report) {
        if subscription.wish.form.content() != Content::Event {
            return;
        }
        for seen in &subscription.seen {
            let publication = &self.model.publications[seen.publication];
            let coded = publication.kind == PayloadKind::Binary;
            if coded || publication.payload.contains(&b'\r') {
                report.count(Milestone::Base64Events);
            } else if publication.payload.contains(&b'\n') {
                report.count(Milestone::EventsOfLines);
            }
        }
    }

    /// Without a gap or a repeat, from the first to the last. Who gets only the newest ones gets
    /// them in their order, and is told how many each stands for.
    fn check_run(&self, subscription: &ModelSubscription, report: &mut Report) {
        if subscription.wish.conflate.is_some() {
            self.check_conflated(subscription, report);
            return;
        }
        let Some((life, first)) = self.first_place(subscription) else {
            return;
        };
        for (offset, seen) in (first..).zip(&subscription.seen) {
            let place = self.places[seen.publication].as_ref();
            assert_eq!(place, Some(&(life.clone(), offset)), "{subscription:?}");
        }
    }

    fn check_conflated(&self, subscription: &ModelSubscription, report: &mut Report) {
        let mut before: Option<(&TopicLife, u64)> = None;
        let begins = subscription.greeting.as_ref().and_then(|g| g.begins);
        let mut base = begins.or_else(|| Some(subscription.first()? - 1));
        for seen in &subscription.seen {
            if let (Some(offset), Some(stands_for)) = (seen.offset, seen.stands_for) {
                let known = base.expect("who is told offsets has a first one");
                assert_eq!(known + stands_for, offset, "counts: {subscription:?}");
                base = Some(offset);
                report.add(Milestone::StandsForMany, u64::from(stands_for > 1));
            }
            report.count(Milestone::ConflatedReads);
            let Some((life, offset)) = &self.places[seen.publication] else {
                continue;
            };
            let in_order = before.is_none_or(|(of, last)| of == life && last < *offset);
            assert!(in_order, "conflated and out of order: {subscription:?}");
            before = Some((life, *offset));
        }
    }

    /// What was published behind the answer's head is seen, and without a position nothing that
    /// was answered before the request.
    fn check_start(&self, subscription: &ModelSubscription) {
        let Some((life, first)) = self.first_place(subscription) else {
            return;
        };
        let Some(opened) = subscription.opened else {
            return;
        };
        for (&offset, &id) in &self.lives[&life] {
            let publication = &self.model.publications[id];
            if publication.sent >= opened {
                assert!(
                    first <= offset,
                    "missed {id}, published later: {subscription:?}"
                );
            }
            let before = publication
                .known
                .is_some_and(|at| at < subscription.requested);
            if subscription.wish.asked == AskedPosition::Next && before {
                assert!(
                    first > offset,
                    "got {id}, published before: {subscription:?}"
                );
            }
        }
    }

    /// Whoever was still there in the end has read everything.
    fn check_quiet(&self, subscription: &ModelSubscription, report: &mut Report) {
        if !subscription.quiet {
            return;
        }
        report.count(Milestone::QuietReaders);
        let life = match (&subscription.greeting, self.first_place(subscription)) {
            (Some(greeting), _) => Some((subscription.wish.topic, greeting.epoch.clone())),
            (None, first) => first.map(|(life, _)| life),
        };
        let last = subscription
            .seen
            .last()
            .and_then(|s| self.places[s.publication].as_ref());
        let greeted = subscription.greeting.as_ref();
        let greeted = greeted.and_then(|g| g.begins.or(g.last)).unwrap_or(0);
        let newest = life.and_then(|life| self.lives.get(&life)?.keys().next_back().copied());
        let reached = last.map_or(greeted, |(_, offset)| *offset);
        assert!(
            reached >= newest.unwrap_or(0),
            "{newest:?} is missing: {subscription:?}"
        );
        self.check_quiet_sees_later(subscription);
    }

    /// Also if it is not known which life it reads: what was answered behind its 101 is there,
    /// and so is what it has published itself.
    fn check_quiet_sees_later(&self, subscription: &ModelSubscription) {
        let opened = subscription.opened.expect("a quiet reader is open");
        for (id, publication) in self.model.publications.iter().enumerate() {
            let later = publication.topic == subscription.wish.topic && publication.sent >= opened;
            let answered = matches!(publication.outcome, PostOutcome::Answered(_));
            let taken = answered || publication.certain;
            let own = publication.client == subscription.wish.client;
            if later && (taken || own) {
                assert!(
                    self.has_come(subscription, id),
                    "{id} never came: {subscription:?}"
                );
            }
        }
    }

    /// It was read, or a newer one instead of it.
    fn has_come(&self, subscription: &ModelSubscription, id: usize) -> bool {
        let mut seen = subscription.seen.iter();
        if seen.any(|seen| seen.publication == id) {
            return true;
        }
        if subscription.wish.conflate.is_none() {
            return false;
        }
        let last = subscription.seen.last().map(|seen| seen.publication);
        match (
            &self.places[id],
            last.and_then(|last| self.places[last].as_ref()),
        ) {
            (Some((life, offset)), Some((of, last))) => of == life && last >= offset,
            // Who has read nothing has missed it; of the others nobody knows the order.
            _ => last.is_some(),
        }
    }
}
