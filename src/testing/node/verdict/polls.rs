//! Polls and long polls: each answer is the truth of its moment, and together they are a walk
//! along positions.

use super::PublicationOrder;
use super::recovery::ToldReader;
use crate::testing::node::model::{AskedPosition, ModelPublication, Poll, PollAnswer, PostOutcome};
use crate::testing::node::plan::SLACK;
use crate::testing::node::report::{Milestone, Report};

impl PublicationOrder<'_> {
    pub(super) fn check_poll(&self, poll: &Poll, report: &mut Report) {
        let Some(answer) = &poll.answer else { return };
        self.check_fresh(poll, answer);
        if poll.head_only {
            return;
        }
        check_list(answer);
        check_condition(poll, answer);
        self.check_told(
            &ToldReader::by_poll((poll.topic, &poll.asked, poll.requested), answer),
            report,
        );
        if answer.recovered && answer.seen.is_empty() {
            if let AskedPosition::Position(_, offset) = poll.asked {
                assert_eq!(answer.last, offset, "something is missing: {poll:?}");
            }
            self.check_nothing_was_new(poll, answer);
        }
        if poll.asked == AskedPosition::Next {
            self.check_from_nowhere(poll, answer);
            let several = poll.held.is_some() && answer.seen.len() > 1;
            report.add(Milestone::LongPollsOfSeveral, u64::from(several));
        }
        if poll.prompt && self.plan.is_prompt() {
            self.check_held_not_too_long(poll, answer, report);
        }
    }

    /// What was known before the request is not news behind its answer.
    fn check_fresh(&self, poll: &Poll, answer: &PollAnswer) {
        for (offset, id) in self.life(poll.topic, &answer.epoch) {
            let publication = &self.model.publications[id];
            let known = publication.known.is_some_and(|at| at < poll.requested);
            assert!(
                !known || offset <= answer.last,
                "{id} was known, and is not in the answer: {poll:?}"
            );
            let before = publication.sent <= answer.at;
            assert!(before || offset > answer.last, "{id} came later: {poll:?}");
        }
    }

    /// Without a position a poll has the newest publication, and a long poll the next ones.
    fn check_from_nowhere(&self, poll: &Poll, answer: &PollAnswer) {
        assert!(
            answer.recovered,
            "nothing was asked for, nothing is missing"
        );
        if poll.held.is_none() {
            assert!(answer.seen.len() <= 1, "one is the newest: {poll:?}");
            self.check_newest(poll, answer);
            return;
        }
        let known = |publication: &ModelPublication| {
            let known = publication.known;
            known.is_some_and(|at| at < poll.requested)
        };
        for seen in &answer.seen {
            let publication = &self.model.publications[seen.publication];
            assert!(!known(publication), "not new: {seen:?} of {poll:?}");
        }
    }

    /// There is no newest one only if it is not kept.
    fn check_newest(&self, poll: &Poll, answer: &PollAnswer) {
        if answer.seen.is_empty() && answer.last > 0 {
            let told = ToldReader::by_poll((poll.topic, &poll.asked, poll.requested), answer);
            let kept = self.must_be_kept(&told, &answer.epoch, answer.last..=answer.last);
            assert!(!kept, "the newest was kept and not sent: {poll:?}");
        }
    }

    /// Where nothing is new the answer comes at the timeout or at a drain, and nothing was: what
    /// every shard has counted by then was given to all who waited.
    fn check_nothing_was_new(&self, poll: &Poll, answer: &PollAnswer) {
        let Some(timeout) = poll.held.filter(|_| !answer.draining) else {
            return;
        };
        let until = poll.requested + timeout;
        assert!(answer.at >= until, "answered before its time: {poll:?}");
        for (offset, id) in self.life(poll.topic, &answer.epoch) {
            let PostOutcome::Answered(told) = &self.model.publications[id].outcome else {
                continue;
            };
            let given = told.complete && told.at < until;
            assert!(
                !given || offset <= answer.last,
                "{id} was there, and the poll was held: {poll:?}"
            );
        }
    }

    /// A witness is answered as soon as there is something to say.
    fn check_held_not_too_long(&self, poll: &Poll, answer: &PollAnswer, report: &mut Report) {
        let by = poll.begun_by + poll.held.unwrap_or_default() + SLACK;
        assert!(answer.at <= by, "held too long: {poll:?}");
        if !answer.recovered {
            let by = poll.begun_by + SLACK;
            assert!(
                answer.at <= by,
                "held, though something is missing: {poll:?}"
            );
        }
        let first = answer.seen.first();
        let known = first.and_then(|seen| {
            let publication = &self.model.publications[seen.publication];
            match &publication.outcome {
                PostOutcome::Answered(told) => Some(told.at),
                _ => None,
            }
        });
        if let Some(known) = known {
            let by = known.max(poll.begun_by) + SLACK;
            assert!(answer.at <= by, "held, though there was news: {poll:?}");
            report.count(Milestone::LongPollsInTime);
        }
    }
}

/// One behind the other, up to the position that is told.
fn check_list(answer: &PollAnswer) {
    for (back, seen) in (0..).zip(answer.seen.iter().rev()) {
        let expected = answer.last.checked_sub(back);
        assert_eq!(seen.offset, expected, "a gap in {answer:?}");
    }
}

/// 304 if and only if the position came by `If-None-Match` and nothing is new.
fn check_condition(poll: &Poll, answer: &PollAnswer) {
    let nothing = answer.recovered && answer.seen.is_empty();
    assert_eq!(
        answer.not_modified,
        poll.conditional && nothing,
        "304: {poll:?}"
    );
    if let (true, AskedPosition::Position(epoch, offset)) = (answer.not_modified, &poll.asked) {
        assert_eq!((&answer.epoch, answer.last), (epoch, *offset), "{poll:?}");
    }
}
