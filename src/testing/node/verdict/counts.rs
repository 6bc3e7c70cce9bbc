//! What publishers were told: how many subscribers there were, and to how many it went.

use std::time::Duration;

use super::PublicationOrder;
use crate::testing::node::model::{
    AskedPosition, ModelPublication, ModelSubscription, Poll, PostAnswer,
};
use crate::testing::node::plan::RunPlan;
use crate::testing::node::report::{Milestone, Report};

/// A reader that is gone for so long is not counted by the node any more.
fn forgotten(plan: &RunPlan) -> Duration {
    if plan.limits.mesh_credits_per_pair < 64 {
        // Its leave may wait for a credit.
        Duration::from_secs(8)
    } else {
        Duration::from_secs(2)
    }
}

impl PublicationOrder<'_> {
    /// Those who have read it as it happened were counted, and nobody who was not there.
    pub(super) fn check_counts(
        &self,
        id: usize,
        publication: &ModelPublication,
        answer: &PostAnswer,
        report: &mut Report,
    ) {
        assert!(
            answer.queued + answer.dropped <= answer.subscribers,
            "{answer:?}"
        );
        if !answer.complete {
            report.count(Milestone::IncompleteCounts);
            return;
        }
        let topic = publication.topic;
        let subscriptions = self.model.subscriptions.iter();
        let subscriptions = || subscriptions.clone().filter(|s| s.wish.topic == topic);
        let polls = self.model.polls.iter();
        let polls = || polls.clone().filter(|poll| poll.topic == topic);
        let live = subscriptions().filter(|s| reads_live(s, id, publication));
        let live = live.count() + polls().filter(|poll| waited_for(poll, id)).count();
        let there = subscriptions().filter(|s| self.may_be_there(s, publication, answer));
        let held = polls().filter(|poll| self.may_be_held(poll, publication, answer));
        let there = there.count() + held.count();
        let counts = [live as u64, answer.queued, answer.subscribers, there as u64];
        assert!(
            counts.is_sorted(),
            "read, queued, subscribers, there: {counts:?} of {id}: {answer:?}"
        );
        if live == there {
            report.count(Milestone::ExactCounts);
        }
    }

    /// Whether it may have been subscribed while a publication was under way.
    fn may_be_there(
        &self,
        subscription: &ModelSubscription,
        publication: &ModelPublication,
        answer: &PostAnswer,
    ) -> bool {
        let ended = subscription.ended;
        let gone = ended.is_some_and(|at| at + forgotten(self.plan) < publication.sent);
        !subscription.refused && !gone && subscription.requested <= answer.at
    }

    fn may_be_held(
        &self,
        poll: &Poll,
        publication: &ModelPublication,
        answer: &PostAnswer,
    ) -> bool {
        let ended = poll.ended;
        let gone = ended.is_some_and(|at| at + forgotten(self.plan) < publication.sent);
        poll.held.is_some() && !poll.refused && !gone && poll.requested <= answer.at
    }
}

/// Whether a subscriber has certainly read it as it happened, not from history, nor in the place
/// of others.
fn reads_live(subscription: &ModelSubscription, id: usize, publication: &ModelPublication) -> bool {
    let wish = &subscription.wish;
    let mut seen = subscription.seen.iter();
    let Some(seen) = seen.find(|seen| seen.publication == id) else {
        return false;
    };
    if wish.conflate.is_some() {
        return false;
    }
    let later = subscription.opened.is_some_and(|at| publication.sent >= at);
    match &subscription.greeting {
        _ if wish.asked == AskedPosition::Next || later => true,
        Some(greeting) => greeting.last.is_some_and(|last| seen.offset > Some(last)),
        None => false,
    }
}

/// Whether a long poll without a position was answered with it: that has nothing from history.
fn waited_for(poll: &Poll, id: usize) -> bool {
    let Some(answer) = &poll.answer else {
        return false;
    };
    let has_it = answer.seen.iter().any(|seen| seen.publication == id);
    poll.held.is_some() && poll.asked == AskedPosition::Next && has_it
}
