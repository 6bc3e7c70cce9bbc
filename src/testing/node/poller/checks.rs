//! What is asserted of a poller's answers as they come, and of those that do not.

use std::time::Duration;

use super::{PollKind, Poller, PollerRequest};
use crate::testing::node::line::{ClientContext, ResponseHead};
use crate::testing::node::plan::SLACK;

/// Who reads, and has so long no answer when nobody publishes any more, has lost it.
const PATIENCE: Duration = Duration::from_secs(12);

impl Poller {
    /// An answer is the last one of its connection only for a reason.
    pub(super) fn check_closing(
        &self,
        cx: &ClientContext<'_>,
        head: &ResponseHead,
        request: PollerRequest,
    ) {
        let met_full = cx.plan.connections_max < 1_000;
        let explained = self.asked_to_close && self.waiting.is_empty()
            || cx.is_draining
            || self.line.has_finned()
            || met_full
            || head.status == 408;
        assert!(
            !self.closing || explained,
            "{request:?} was the last: {}",
            head.text
        );
        assert!(
            self.closing || !request.draining,
            "the node goes away, and {request:?} was not the last"
        );
    }

    /// A long poll is not held for a client that has gone.
    pub(super) fn check_let_go(&self, cx: &ClientContext<'_>) {
        let Some(at) = self.gave_up.filter(|_| cx.plan.is_prompt()) else {
            return;
        };
        let until = self.ended.unwrap_or(cx.now);
        assert!(until <= at + SLACK, "held for nobody since {at:?}");
    }

    /// Whoever listens is answered: a witness in time, and everybody in the end.
    pub(super) fn check_patience(&self, cx: &ClientContext<'_>) {
        let Some(request) = self.waiting.front() else {
            return;
        };
        let held = match request.what {
            PollKind::Poll(id) => cx.model.polls[id].held.unwrap_or_default(),
            PollKind::Health | PollKind::StreamHead => Duration::ZERO,
        };
        let waited = cx.now.since(request.begun_by);
        let listens = !self.left && !self.line.is_over() && self.line.hears(cx.now);
        let most = if self.temper.witness && cx.plan.is_prompt() {
            held + SLACK
        } else if cx.is_judged {
            held + PATIENCE
        } else {
            return;
        };
        assert!(
            !listens || waited <= most,
            "client {}: no answer to {request:?} for {waited:?}",
            self.name
        );
    }

    /// Only who was slow is told so.
    pub(super) fn check_late(cx: &ClientContext<'_>, request: PollerRequest) {
        let waited = cx.now.since(request.written);
        let limits = &cx.plan.limits;
        let is_late = waited >= limits.handshake_timeout.min(limits.body_timeout);
        assert!(is_late, "too slow, though all was written: {request:?}");
    }

    /// Every answer says how long it is, what it is, and that nobody keeps it.
    pub(super) fn check_head(head: &ResponseHead) {
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        let json = (head.status == 200).then_some("application/json");
        assert_eq!(head.header("content-type"), json);
        assert_eq!(head.header("content-length").is_some(), head.status == 200);
    }
}
