//! Holds what clients have read and were told against the promises of the interface, when a run
//! is over: one order for all, no gap, no repeat, `recovered` never wrong, counts that add up.
//!
//! The order is found from outside: from answers to POSTs and from subscribers with positions,
//! and from there on along what subscribers without positions have read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Answer, Asked, Greeting, Model, Outcome, Publication, Subscription};
use super::plan::Plan;
use super::report::{Report, Seen as Happened};
use crate::base::Time;

/// A connection that ended so long ago is not counted by the node any more.
const FORGOTTEN: Duration = Duration::from_secs(2);

/// One life of a topic.
type Life = (usize, String);

/// The order of all publications, as far as somebody knows it.
struct Order<'a> {
    model: &'a Model,
    plan: &'a Plan,
    lives: BTreeMap<Life, BTreeMap<u64, usize>>,
    places: Vec<Option<(Life, u64)>>,
}

/// Asserts every promise.
pub(super) fn judge(model: &Model, plan: &Plan, report: &mut Report) {
    let mut order = Order {
        model,
        plan,
        lives: BTreeMap::new(),
        places: vec![None; model.publications.len()],
    };
    order.learn_from_answers();
    order.learn_from_positions();
    order.learn_from_runs();
    order.check_gaps();
    order.check_own_order();
    for subscription in &model.subscriptions {
        order.check_run(subscription);
        order.check_start(subscription);
        order.check_recovery(subscription, report);
        order.check_quiet(subscription, report);
    }
    for (id, publication) in model.publications.iter().enumerate() {
        if let Outcome::Answered(answer) = &publication.outcome {
            order.check_counts(id, publication, answer, report);
        }
    }
    let placed = order.places.iter().flatten().count();
    report.add(Happened::Publications, placed as u64);
}

impl Order<'_> {
    fn learn_from_answers(&mut self) {
        let model = self.model;
        for (id, publication) in model.publications.iter().enumerate() {
            if let Outcome::Answered(answer) = &publication.outcome {
                self.learn(id, (publication.topic, answer.epoch.clone()), answer.offset);
            }
        }
    }

    fn learn_from_positions(&mut self) {
        let model = self.model;
        for subscription in &model.subscriptions {
            let Some(greeting) = &subscription.greeting else {
                continue;
            };
            for seen in &subscription.seen {
                let offset = seen.offset.expect("this form has offsets");
                let life = (subscription.topic, greeting.epoch.clone());
                self.learn(seen.publication, life, offset);
            }
        }
    }

    /// A subscriber reads without a gap, so one known place tells all of its places. Again and
    /// again, since what one run tells may be the known place of another.
    fn learn_from_runs(&mut self) {
        let model = self.model;
        loop {
            let before = self.places.iter().flatten().count();
            for subscription in &model.subscriptions {
                if let Some((life, first)) = self.first_place(subscription) {
                    for (offset, seen) in (first..).zip(&subscription.seen) {
                        self.learn(seen.publication, life.clone(), offset);
                    }
                }
            }
            if self.places.iter().flatten().count() == before {
                return;
            }
        }
    }

    fn learn(&mut self, id: usize, life: Life, offset: u64) {
        let slots = self.lives.entry(life.clone()).or_default();
        let there = *slots.entry(offset).or_insert(id);
        assert_eq!(there, id, "{life:?}: offset {offset} is two publications");
        let place = (life, offset);
        let known = self.places[id].get_or_insert_with(|| place.clone());
        assert_eq!(*known, place, "publication {id} has two places");
    }

    /// Where the first publication is that a subscriber has read.
    fn first_place(&self, subscription: &Subscription) -> Option<(Life, u64)> {
        let seen = subscription.seen.iter().enumerate();
        let (index, (life, offset)) = seen
            .filter_map(|(i, seen)| Some((i as u64, self.places[seen.publication].as_ref()?)))
            .next()?;
        let first = offset.checked_sub(index);
        let first =
            first.unwrap_or_else(|| panic!("more was read than there is: {subscription:?}"));
        Some((life.clone(), first))
    }

    /// Offsets begin with 1 and are dense. What nobody knows may be among those of which nobody
    /// was told whether they were taken.
    fn check_gaps(&self) {
        for topic in 0..self.plan.topics.len() {
            let lives = self.lives.iter().filter(|((of, _), _)| *of == topic);
            let unknown: u64 = lives
                .map(|(_, slots)| slots.keys().next_back().unwrap_or(&0) - slots.len() as u64)
                .sum();
            let publications = self.model.publications.iter().zip(&self.places);
            let lost = publications.filter(|(publication, place)| {
                let untold = publication.outcome == Outcome::Unknown;
                publication.topic == topic && untold && place.is_none()
            });
            let lost = lost.count() as u64;
            assert!(
                unknown <= lost,
                "topic {topic}: {unknown} offsets are nobody's ({lost} lost)"
            );
        }
    }

    fn check_own_order(&self) {
        let mut newest: BTreeMap<(usize, Life), u64> = BTreeMap::new();
        for (publication, place) in self.model.publications.iter().zip(&self.places) {
            let Some((life, offset)) = place else {
                continue;
            };
            let last = newest
                .entry((publication.client, life.clone()))
                .or_default();
            assert!(offset > last, "a client's publications changed their order");
            *last = *offset;
        }
    }

    /// Without a gap or a repeat, from the first to the last.
    fn check_run(&self, subscription: &Subscription) {
        let Some((life, first)) = self.first_place(subscription) else {
            return;
        };
        for (offset, seen) in (first..).zip(&subscription.seen) {
            let place = self.places[seen.publication].as_ref();
            assert_eq!(place, Some(&(life.clone(), offset)), "{subscription:?}");
        }
    }

    /// What was published behind the 101 is seen, and without a position nothing that was
    /// answered before the request.
    fn check_start(&self, subscription: &Subscription) {
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
            if subscription.asked == Asked::Next && before {
                assert!(
                    first > offset,
                    "got {id}, published before: {subscription:?}"
                );
            }
        }
    }

    fn check_recovery(&self, subscription: &Subscription, report: &mut Report) {
        let Some(greeting) = &subscription.greeting else {
            self.check_plain_recovery(subscription);
            return;
        };
        self.check_greeting(subscription, greeting, report);
        self.check_not_too_old(subscription, greeting);
        let replayed = subscription
            .seen
            .iter()
            .filter(|seen| seen.offset <= Some(greeting.last));
        report.add(Happened::Replayed, replayed.count() as u64);
    }

    fn check_greeting(
        &self,
        subscription: &Subscription,
        greeting: &Greeting,
        report: &mut Report,
    ) {
        let first = subscription.seen.first().and_then(|seen| seen.offset);
        match &subscription.asked {
            Asked::Next => {
                assert!(
                    greeting.recovered,
                    "nothing was asked for, nothing is missing"
                );
                assert_eq!(
                    first.unwrap_or(greeting.last + 1),
                    greeting.last + 1,
                    "{subscription:?}"
                );
            }
            Asked::Earliest => {
                assert!(greeting.recovered, "what is kept is all that was asked for");
                self.check_all_kept(subscription, greeting, first);
            }
            Asked::Position(epoch, offset) if greeting.recovered => {
                report.count(Happened::Recovered);
                assert_eq!(epoch, &greeting.epoch, "recovered from another life");
                assert!(*offset <= greeting.last, "recovered from the future");
                assert_eq!(first.unwrap_or(offset + 1), offset + 1, "{subscription:?}");
            }
            Asked::Position(epoch, offset) => {
                report.count(Happened::NotRecovered);
                let missing = epoch != &greeting.epoch
                    || *offset > greeting.last
                    || !self.must_be_kept(subscription, greeting, offset + 1);
                assert!(missing, "nothing was missing: {subscription:?}");
                self.check_all_kept(subscription, greeting, first);
            }
        }
    }

    /// Without a greeting only the publications tell.
    fn check_plain_recovery(&self, subscription: &Subscription) {
        let Asked::Position(epoch, offset) = &subscription.asked else {
            return;
        };
        let Some((life, first)) = self.first_place(subscription) else {
            return;
        };
        let newest = self.lives[&life].keys().next_back();
        if &life.1 == epoch && newest >= Some(offset) && first <= *offset {
            let future = self.published_before(&life, *offset, subscription.requested);
            assert!(!future, "read again what was known: {subscription:?}");
        }
    }

    fn published_before(&self, life: &Life, offset: u64, at: Time) -> bool {
        let id = self.lives[life].get(&offset);
        id.is_some_and(|id| {
            self.model.publications[*id]
                .known
                .is_some_and(|known| known < at)
        })
    }

    /// The first that was read is the oldest that was kept.
    fn check_all_kept(&self, subscription: &Subscription, greeting: &Greeting, first: Option<u64>) {
        let Some(first) = first else {
            return;
        };
        assert!(
            first <= greeting.last + 1,
            "a gap behind the greeting: {subscription:?}"
        );
        if first > 1 {
            let skipped = self.must_be_kept(subscription, greeting, first - 1);
            assert!(
                !skipped,
                "{} was kept and not sent: {subscription:?}",
                first - 1
            );
        }
    }

    /// Whether number, bytes and age all say that history reached back to `from` when the
    /// greeting was given. What the model does not know is not asserted.
    fn must_be_kept(&self, subscription: &Subscription, greeting: &Greeting, from: u64) -> bool {
        let limits = &self.plan.limits;
        let life = (subscription.topic, greeting.epoch.clone());
        let none = BTreeMap::new();
        let slots = self.lives.get(&life).unwrap_or(&none);
        let (mut bytes, mut count) = (0, 0);
        for offset in from..=greeting.last {
            let Some(&id) = slots.get(&offset) else {
                return false;
            };
            let publication = &self.model.publications[id];
            bytes += publication.payload.len();
            count += 1;
            if greeting.at.since(publication.sent) > limits.history_age_max {
                return false;
            }
        }
        bytes <= limits.history_bytes_max && count <= limits.history_publications_max
    }

    /// Nothing is replayed beyond the number, or older than the age.
    fn check_not_too_old(&self, subscription: &Subscription, greeting: &Greeting) {
        let limits = &self.plan.limits;
        let replayed = subscription
            .seen
            .iter()
            .filter(|seen| seen.offset <= Some(greeting.last));
        for (n, seen) in replayed.enumerate() {
            assert!(
                n < limits.history_publications_max,
                "more than history holds"
            );
            let known = self.model.publications[seen.publication]
                .known
                .expect("it was read");
            let age = subscription.requested.since(known);
            assert!(
                age <= limits.history_age_max,
                "older than history keeps: {subscription:?}"
            );
        }
    }

    /// Whoever was still there in the end has read everything.
    fn check_quiet(&self, subscription: &Subscription, report: &mut Report) {
        if !subscription.quiet {
            return;
        }
        report.count(Happened::QuietReaders);
        let life = match (&subscription.greeting, self.first_place(subscription)) {
            (Some(greeting), _) => Some((subscription.topic, greeting.epoch.clone())),
            (None, first) => first.map(|(life, _)| life),
        };
        let last = subscription
            .seen
            .last()
            .and_then(|s| self.places[s.publication].as_ref());
        let greeted = subscription
            .greeting
            .as_ref()
            .map_or(0, |greeting| greeting.last);
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
    fn check_quiet_sees_later(&self, subscription: &Subscription) {
        let opened = subscription.opened.expect("a quiet reader is open");
        let seen = |id| subscription.seen.iter().any(|seen| seen.publication == id);
        for (id, publication) in self.model.publications.iter().enumerate() {
            let later = publication.topic == subscription.topic && publication.sent >= opened;
            let answered = matches!(publication.outcome, Outcome::Answered(_));
            let taken = answered || publication.certain;
            let own = publication.client == subscription.client;
            if later && (taken || own) {
                assert!(seen(id), "{id} never came: {subscription:?}");
            }
        }
    }

    /// Those who have read it as it happened were counted, and nobody who was not there.
    fn check_counts(
        &self,
        id: usize,
        publication: &Publication,
        answer: &Answer,
        report: &mut Report,
    ) {
        assert!(
            answer.queued + answer.dropped <= answer.subscribers,
            "{answer:?}"
        );
        if !answer.complete {
            report.count(Happened::IncompleteCounts);
            return;
        }
        let of_topic = || {
            let all = self.model.subscriptions.iter();
            all.filter(|subscription| subscription.topic == publication.topic)
        };
        let live = of_topic().filter(|s| reads_live(s, id)).count() as u64;
        let there = of_topic().filter(|s| may_be_there(s, publication, answer));
        let there = there.count() as u64;
        let counts = [live, answer.queued, answer.subscribers, there];
        assert!(
            counts.is_sorted(),
            "read, queued, subscribers, there: {counts:?} of {id}: {answer:?}"
        );
        if live == there {
            report.count(Happened::ExactCounts);
        }
    }
}

/// Whether a subscriber has certainly read it as it happened, not from history.
fn reads_live(subscription: &Subscription, id: usize) -> bool {
    let mut seen = subscription
        .seen
        .iter()
        .filter(|seen| seen.publication == id);
    match &subscription.greeting {
        Some(greeting) => seen.any(|seen| seen.offset > Some(greeting.last)),
        None if subscription.form.is_json() => false,
        None => subscription.asked == Asked::Next && seen.next().is_some(),
    }
}

/// Whether it may have been subscribed while a publication was under way.
fn may_be_there(subscription: &Subscription, publication: &Publication, answer: &Answer) -> bool {
    let gone = subscription
        .ended
        .is_some_and(|at| at + FORGOTTEN < publication.sent);
    !subscription.refused && !gone && subscription.requested <= answer.at
}
