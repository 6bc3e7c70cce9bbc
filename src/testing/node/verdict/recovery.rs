//! What a reader is told when it comes, and what comes then: `recovered` is true if and only if
//! nothing is missing between the position asked for and the first publication behind it.

use super::PublicationOrder;
use crate::base::Time;
use crate::testing::node::model::{
    AskedPosition, ModelGreeting, ModelSubscription, PollAnswer, SeenPublication,
};
use crate::testing::node::report::{Milestone, Report};

/// What a reader asked for, and what it was told.
#[derive(Debug)]
pub(super) struct ToldReader<'a> {
    topic: usize,
    asked: &'a AskedPosition,
    requested: Time,
    /// Not later than this was it told.
    at: Time,
    epoch: &'a str,
    recovered: bool,
    /// From where it goes on, if that was said.
    begins: Option<u64>,
    /// Where the topic was, if that was said.
    last: Option<u64>,
    /// The first publication that it has got, or for which the first that it got stands.
    first: Option<u64>,
    seen: &'a [SeenPublication],
    /// Nothing more comes.
    is_all: bool,
}

impl<'a> ToldReader<'a> {
    pub(super) fn by_greeting(
        subscription: &'a ModelSubscription,
        greeting: &'a ModelGreeting,
    ) -> Self {
        Self {
            topic: subscription.wish.topic,
            asked: &subscription.wish.asked,
            requested: subscription.requested,
            at: greeting.at,
            epoch: &greeting.epoch,
            recovered: greeting.recovered,
            begins: greeting.begins,
            last: greeting.last,
            first: subscription.first(),
            seen: &subscription.seen,
            is_all: false,
        }
    }

    pub(super) fn by_poll(
        (topic, asked, requested): (usize, &'a AskedPosition, Time),
        answer: &'a PollAnswer,
    ) -> Self {
        Self {
            topic,
            asked,
            requested,
            at: answer.at,
            epoch: &answer.epoch,
            recovered: answer.recovered,
            begins: None,
            last: Some(answer.last),
            first: answer.seen.first().and_then(|seen| seen.offset),
            seen: &answer.seen,
            is_all: true,
        }
    }

    /// From where it goes on, if that is known.
    fn base(&self) -> Option<u64> {
        self.begins.or_else(|| Some(self.first? - 1))
    }
}

impl PublicationOrder<'_> {
    pub(super) fn check_recovery(&self, subscription: &ModelSubscription, report: &mut Report) {
        let Some(greeting) = &subscription.greeting else {
            self.check_plain_recovery(subscription);
            return;
        };
        let told = ToldReader::by_greeting(subscription, greeting);
        if let (Some(begins), Some(first)) = (greeting.begins, told.first) {
            assert_eq!(first, begins + 1, "not from there on: {subscription:?}");
        }
        if subscription.wish.asked == AskedPosition::Next {
            assert!(told.recovered, "nothing was asked for, nothing is missing");
            let last = told.last.or(told.begins).expect("one of them is said");
            let base = told.base().unwrap_or(last);
            assert_eq!(base, last, "{subscription:?}");
        }
        self.check_told(&told, report);
        let replayed = self.replayed(&told).count();
        report.add(Milestone::Replayed, replayed as u64);
        let is_reset = greeting.begins.is_some() && !greeting.recovered;
        report.add(Milestone::Resets, u64::from(is_reset));
        let for_many = told.seen.first().and_then(|seen| seen.stands_for) > Some(1);
        let stands_for_all = replayed > 0 && for_many;
        report.add(Milestone::ConflatedReplays, u64::from(stands_for_all));
    }

    /// The same for all readers who said from where on they want to read.
    pub(super) fn check_told(&self, told: &ToldReader<'_>, report: &mut Report) {
        match told.asked {
            AskedPosition::Next => {}
            AskedPosition::Earliest => {
                assert!(told.recovered, "what is kept is all that was asked for");
                self.check_all_kept(told);
            }
            AskedPosition::Position(epoch, offset) if told.recovered => {
                report.count(if told.is_all {
                    Milestone::PollsRecovered
                } else {
                    Milestone::Recovered
                });
                assert_eq!(epoch, told.epoch, "recovered from another life");
                assert!(Some(*offset) <= told.last.or(Some(u64::MAX)), "the future");
                let base = told.base().unwrap_or(*offset);
                assert_eq!(base, *offset, "a gap, or a repeat: {:?}", told.seen);
            }
            AskedPosition::Position(epoch, offset) => {
                report.add(Milestone::NotRecovered, u64::from(!told.is_all));
                self.check_loss(told, epoch, *offset, report);
                self.check_all_kept(told);
            }
        }
        self.check_not_too_old(told);
    }

    /// Something is missing, or the topic was collected since.
    fn check_loss(&self, told: &ToldReader<'_>, epoch: &str, offset: u64, report: &mut Report) {
        if epoch != told.epoch {
            report.count(Milestone::OtherLives);
            self.check_life_is_over(told, epoch);
            return;
        }
        let last = told.last.expect("who has missed something is told where");
        let missing = offset > last || !self.must_be_kept(told, epoch, offset + 1..=last);
        assert!(missing, "nothing was missing behind {offset} of {last}");
        report.add(Milestone::Futures, u64::from(offset > last));
    }

    /// A life whose newest publication is still kept goes on.
    fn check_life_is_over(&self, told: &ToldReader<'_>, epoch: &str) {
        let Some((newest, _)) = self.life(told.topic, epoch).last() else {
            return;
        };
        // Behind it there may be others, which nobody knows, and which have left it no room.
        if self.lost(told.topic).next().is_none() {
            let goes_on = self.must_be_kept(told, epoch, newest..=newest);
            assert!(!goes_on, "{epoch}:{newest} is kept, but not its life");
        }
    }

    /// Without a greeting only the publications tell.
    fn check_plain_recovery(&self, subscription: &ModelSubscription) {
        let AskedPosition::Position(epoch, offset) = &subscription.wish.asked else {
            return;
        };
        let Some((life, first)) = self.first_place(subscription) else {
            return;
        };
        let newest = self.lives[&life].keys().next_back();
        if &life.1 == epoch && newest >= Some(offset) && first <= *offset {
            let id = self.lives[&life].get(offset);
            let known = id.and_then(|id| self.model.publications[*id].known);
            let future = known.is_none_or(|known| known >= subscription.requested);
            assert!(future, "read again what was known: {subscription:?}");
        }
    }

    /// The first that was read is the oldest that was kept.
    fn check_all_kept(&self, told: &ToldReader<'_>) {
        let begins = match (told.base(), told.last) {
            (Some(base), _) => base,
            // If nothing more comes, nothing was kept.
            (None, Some(last)) if told.is_all => last,
            (None, _) => return,
        };
        if told.last.is_none() && self.may_be_lost_before(told) {
            return;
        }
        let last = told.last;
        let last = last.unwrap_or_else(|| self.newest_before(told).max(begins));
        assert!(begins <= last, "a gap behind the greeting: {:?}", told.seen);
        if begins > 0 {
            let skipped = self.must_be_kept(told, told.epoch, begins..=last);
            assert!(
                !skipped,
                "{begins} of {last} was kept and not sent: {told:?}"
            );
        }
    }

    /// Whether there may have been newer ones by then, which nobody knows, and which have left older
    /// ones no room.
    fn may_be_lost_before(&self, told: &ToldReader<'_>) -> bool {
        let mut lost = self.lost(told.topic);
        lost.any(|id| self.model.publications[id].sent <= told.at)
    }

    /// The newest publication that can have been there when a reader was told something.
    fn newest_before(&self, told: &ToldReader<'_>) -> u64 {
        let life = self.life(told.topic, told.epoch);
        let before = life.filter(|(_, id)| self.model.publications[*id].sent <= told.at);
        before.map(|(offset, _)| offset).last().unwrap_or(0)
    }

    /// Whether number, bytes and age all say that history had all of these when the reader was
    /// told. What the model does not know is not asserted.
    pub(super) fn must_be_kept(
        &self,
        told: &ToldReader<'_>,
        epoch: &str,
        offsets: std::ops::RangeInclusive<u64>,
    ) -> bool {
        let limits = &self.plan.limits;
        let Some(slots) = self.lives.get(&(told.topic, epoch.to_owned())) else {
            return offsets.is_empty();
        };
        let (mut bytes, mut count) = (0, 0);
        for offset in offsets {
            let Some(&id) = slots.get(&offset) else {
                return false;
            };
            let publication = &self.model.publications[id];
            bytes += publication.payload.len();
            count += 1;
            if told.at.since(publication.sent) > limits.history_age_max {
                return false;
            }
        }
        bytes <= limits.history_bytes_max && count <= limits.history_publications_max
    }

    /// What came from history for certain.
    fn replayed<'t>(&self, told: &'t ToldReader<'_>) -> impl Iterator<Item = &'t SeenPublication> {
        told.seen.iter().filter(move |seen| match told.last {
            Some(last) if !told.is_all => seen.offset <= Some(last),
            _ => {
                let known = self.model.publications[seen.publication].known;
                known.is_some_and(|known| known < told.requested)
            }
        })
    }

    /// Nothing is replayed beyond the number, or older than the age.
    fn check_not_too_old(&self, told: &ToldReader<'_>) {
        let limits = &self.plan.limits;
        for (n, seen) in self.replayed(told).enumerate() {
            assert!(
                n < limits.history_publications_max,
                "more than history holds"
            );
            let known = self.model.publications[seen.publication].known;
            let age = told.requested.since(known.expect("it was read"));
            assert!(
                age <= limits.history_age_max,
                "{age:?} is older than history keeps: {seen:?}"
            );
        }
    }
}
