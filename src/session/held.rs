//! A long poll that is held until there is something behind its position.
//!
//! Kept small: there may be as many of them as idle WebSockets.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::Exchange;
use super::output::Reader;
use super::{Action, Context, Outputs};
use crate::base::{Position, Time};
use crate::http::Known;
use crate::hub::Recovery;
use crate::metrics::{CloseReason, PollAnswer};
use crate::wire::prepared::PreparedMessage;

/// A long poll without an answer.
#[derive(Debug)]
pub(super) struct HeldSession {
    /// Then the answer is that nothing is new; [`Time::NEVER`] once it is answered.
    until: Time,
    /// Where the topic was when it began, and is as long as nothing is published.
    position: Position,
    /// What is not the same for most; `None` for a [common](Exchange::COMMON) one.
    special: Option<Box<Exchange>>,
}

/// An answer, and what it has to look like.
pub(super) type HeldAnswer = (Exchange, Recovery);

impl HeldSession {
    pub(super) fn begin(
        cx: &Context,
        exchange: Exchange,
        position: Position,
        timeout: Duration,
        out: &mut Outputs,
    ) -> Self {
        out.act(Action::Reads(Some(Reader::Held)));
        Self {
            until: cx.now + timeout,
            position,
            special: (exchange != Exchange::COMMON).then(|| Box::new(exchange)),
        }
    }

    /// Whether its answer is [the one](crate::wire::answer::shared) that most others get too.
    pub(super) fn takes_shared_answer(&self) -> bool {
        self.special.is_none() && !self.is_over()
    }

    /// It was sent the answer that most others got too, and awaits the next request.
    pub(super) fn was_answered(out: &mut Outputs) {
        out.act(Action::Reads(None));
        out.act(Action::Polled(PollAnswer::News));
        out.act(Action::Answered(200));
    }

    /// These publications are new.
    pub(super) fn handle_publications(
        &mut self,
        publications: &[Arc<PreparedMessage>],
        out: &mut Outputs,
    ) -> Option<HeldAnswer> {
        let last = publications.last()?;
        let recovery = Recovery {
            position: last.position(),
            recovered: true,
            publications: publications.to_vec(),
        };
        self.answer(recovery, out)
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) -> Option<HeldAnswer> {
        if cx.now < self.until {
            return None;
        }
        self.answer_nothing(out)
    }

    /// The node goes away: what there is to say is said now.
    pub(super) fn handle_drain(&mut self, out: &mut Outputs) -> Option<HeldAnswer> {
        self.answer_nothing(out)
    }

    /// A client that does not wait for the answer has gone.
    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        self.until = Time::NEVER;
        out.act(Action::Finish(CloseReason::Eof));
    }

    /// Answers that it has not read fill its outbox.
    pub(super) fn handle_slow(&mut self, out: &mut Outputs) {
        self.until = Time::NEVER;
        out.act(Action::Abort(CloseReason::SlowConsumer));
    }

    pub(super) fn deadline(&self) -> Time {
        self.until
    }

    fn is_over(&self) -> bool {
        self.until == Time::NEVER
    }

    fn answer_nothing(&mut self, out: &mut Outputs) -> Option<HeldAnswer> {
        let recovery = Recovery {
            position: self.position,
            recovered: true,
            publications: Vec::new(),
        };
        self.answer(recovery, out)
    }

    fn answer(&mut self, recovery: Recovery, out: &mut Outputs) -> Option<HeldAnswer> {
        if self.is_over() {
            return None;
        }
        self.until = Time::NEVER;
        let special = self.special.take();
        let mut exchange = special.map_or(Exchange::COMMON, |special| *special);
        // What came while it was held the client cannot have had, whatever tags it has made up.
        if !recovery.publications.is_empty() {
            exchange.known = Known::NOTHING;
        }
        out.act(Action::Reads(None));
        Some((exchange, recovery))
    }
}
