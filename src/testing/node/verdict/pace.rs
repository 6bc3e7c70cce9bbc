//! How soon publications come, and how often: one in each interval of conflation at most, and to
//! whoever reads at once, everything within its time.

use super::PublicationOrder;
use crate::base::Time;
use crate::testing::node::model::{AskedPosition, ModelSubscription};
use crate::testing::node::plan::SLACK;
use crate::testing::node::report::{Milestone, Report};

impl PublicationOrder<'_> {
    pub(super) fn check_pace(&self, subscription: &ModelSubscription, report: &mut Report) {
        self.check_not_too_often(subscription);
        if subscription.wish.prompt && self.plan.is_prompt() {
            self.check_in_time(subscription, report);
        }
    }

    /// A publication was given away after it was published, and the next one an interval later;
    /// nobody can have read it before. The first one may have come from history.
    fn check_not_too_often(&self, subscription: &ModelSubscription) {
        let Some(interval) = subscription.wish.conflate else {
            return;
        };
        let from_history = usize::from(subscription.wish.asked != AskedPosition::Next);
        let mut earliest = Time::ZERO;
        for seen in subscription.seen.iter().skip(from_history) {
            earliest = earliest.max(self.model.publications[seen.publication].sent);
            assert!(
                seen.at >= earliest,
                "more than one in {interval:?}: {seen:?} of {subscription:?}"
            );
            earliest = earliest + interval;
        }
    }

    /// What was known of by then, and what it may have waited for.
    fn check_in_time(&self, subscription: &ModelSubscription, report: &mut Report) {
        let (Some(opened), Some(greeting)) = (subscription.opened, &subscription.greeting) else {
            return;
        };
        let gone = [subscription.left, subscription.ended];
        let gone = gone.into_iter().flatten().min().unwrap_or(Time::NEVER);
        let interval = subscription.wish.conflate.unwrap_or_default();
        let begins = greeting.begins.or(greeting.last).unwrap_or(0);
        let mut seen = subscription.seen.iter().peekable();
        for (offset, id) in self.life(subscription.wish.topic, &greeting.epoch) {
            let Some(known) = self.model.publications[id].known else {
                continue;
            };
            let by = known.max(opened) + interval + SLACK;
            if offset <= begins || by >= gone {
                continue;
            }
            while seen.next_if(|seen| seen.offset < Some(offset)).is_some() {}
            let came = seen.peek().map(|seen| seen.at);
            assert!(
                came.is_some_and(|came| came <= by),
                "{id}, known at {known:?}, came at {came:?}: {subscription:?}"
            );
            report.count(Milestone::InTime);
        }
    }
}
