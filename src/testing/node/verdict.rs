//! Holds what clients have read and were told against the promises of the interface, when a run
//! is over: one order for all, no gap, no repeat, `recovered` never wrong, counts that add up.
//!
//! The order is found from outside: from answers to POSTs and from readers with positions, and
//! from there on along what subscribers without positions have read. What each kind of reader was
//! promised is in the modules below.

mod counts;
mod pace;
mod polls;
mod recovery;
mod walks;

use std::collections::BTreeMap;

use super::model::{Model, ModelSubscription, PostOutcome};
use super::plan::RunPlan;
use super::report::{Milestone, Report};

/// One life of a topic.
type TopicLife = (usize, String);

/// The order of all publications, as far as somebody knows it.
struct PublicationOrder<'a> {
    model: &'a Model,
    plan: &'a RunPlan,
    lives: BTreeMap<TopicLife, BTreeMap<u64, usize>>,
    places: Vec<Option<(TopicLife, u64)>>,
}

/// Asserts every promise.
pub(super) fn judge(model: &Model, plan: &RunPlan, report: &mut Report) {
    let mut order = PublicationOrder {
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
        order.check_walk(subscription, report);
        order.check_pace(subscription, report);
        order.check_recovery(subscription, report);
    }
    for poll in &model.polls {
        order.check_poll(poll, report);
    }
    for (id, publication) in model.publications.iter().enumerate() {
        if let PostOutcome::Answered(answer) = &publication.outcome {
            order.check_counts(id, publication, answer, report);
        }
    }
    let placed = order.places.iter().flatten().count();
    report.add(Milestone::Publications, placed as u64);
}

impl PublicationOrder<'_> {
    fn learn_from_answers(&mut self) {
        let model = self.model;
        for (id, publication) in model.publications.iter().enumerate() {
            if let PostOutcome::Answered(answer) = &publication.outcome {
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
            let life = (subscription.wish.topic, greeting.epoch.clone());
            for seen in &subscription.seen {
                let offset = seen.offset.expect("this form has offsets");
                self.learn(seen.publication, life.clone(), offset);
            }
        }
        for poll in &model.polls {
            let Some(answer) = &poll.answer else { continue };
            let life = (poll.topic, answer.epoch.clone());
            for seen in &answer.seen {
                let offset = seen.offset.expect("this form has offsets");
                self.learn(seen.publication, life.clone(), offset);
            }
        }
    }

    /// A subscriber that gets each publication reads without a gap, so one known place tells all
    /// of its places. Again and again, since what one run tells may be the known place of another.
    fn learn_from_runs(&mut self) {
        let model = self.model;
        let is_run = |s: &&ModelSubscription| s.greeting.is_none() && s.wish.conflate.is_none();
        loop {
            let before = self.places.iter().flatten().count();
            for subscription in model.subscriptions.iter().filter(is_run) {
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

    fn learn(&mut self, id: usize, life: TopicLife, offset: u64) {
        let slots = self.lives.entry(life.clone()).or_default();
        let there = *slots.entry(offset).or_insert(id);
        assert_eq!(there, id, "{life:?}: offset {offset} is two publications");
        let place = (life, offset);
        let known = self.places[id].get_or_insert_with(|| place.clone());
        assert_eq!(*known, place, "publication {id} has two places");
    }

    /// Where the first publication is that a subscriber has read, or for which what it has read
    /// first stands.
    fn first_place(&self, subscription: &ModelSubscription) -> Option<(TopicLife, u64)> {
        if let (Some(greeting), Some(first)) = (&subscription.greeting, subscription.first()) {
            let life = (subscription.wish.topic, greeting.epoch.clone());
            return Some((life, first));
        }
        if subscription.wish.conflate.is_some() {
            return None;
        }
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
            let lost = self.lost(topic).count() as u64;
            assert!(
                unknown <= lost,
                "topic {topic}: {unknown} offsets are nobody's ({lost} lost)"
            );
        }
    }

    /// Publications of a topic of which nobody was told whether they were taken.
    fn lost(&self, topic: usize) -> impl Iterator<Item = usize> {
        let publications = self.model.publications.iter().zip(&self.places).enumerate();
        let lost = publications.filter(move |(_, (publication, place))| {
            let untold = publication.outcome == PostOutcome::Unknown;
            publication.topic == topic && untold && place.is_none()
        });
        lost.map(|(id, _)| id)
    }

    fn check_own_order(&self) {
        let mut newest: BTreeMap<(usize, TopicLife), u64> = BTreeMap::new();
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

    /// The publications of a life, in their order.
    fn life(&self, topic: usize, epoch: &str) -> impl Iterator<Item = (u64, usize)> {
        let life = self.lives.get(&(topic, epoch.to_owned()));
        life.into_iter()
            .flatten()
            .map(|(offset, id)| (*offset, *id))
    }
}
