//! A client that speaks WebSocket frames (RFC 6455), on a topic or on `/echo`.

use super::{Action, Context, Outputs};
use crate::base::{Time, TopicName};
use crate::config::Limits;
use crate::hub::PublishOutcome;
use crate::metrics::CloseReason;
use crate::wire::close::CloseCode;
use crate::wire::frame::{self, Opcode};
use crate::wire::message::{Decoder, Incoming, MessageLimits, ProtocolError, Role};
use crate::wire::prepared::{Draft, PayloadKind};

/// Wishes of one call, so that a buffer full of tiny frames is handled in steps.
const ACTIONS_PER_CALL_MAX: usize = 64;
/// Bytes of answers in one call, for the same reason.
const ANSWER_BYTES_PER_CALL_MAX: usize = 64 * 1024;
/// `/echo` is for conformance suites, which send more than a topic takes.
const ECHO_LIMITS: MessageLimits = MessageLimits {
    bytes_max: 32 * 1024 * 1024,
    fragments_max: 200_000,
};

/// A WebSocket, from its 101 to its close.
#[derive(Debug)]
pub(super) struct WebSocketSession {
    decoder: Decoder,
    /// What it is for; `None` is the echo.
    topic: Option<TopicName>,
    /// The next ping, the pong's deadline, or the end of the closing handshake.
    next: Time,
    phase: Phase,
    /// Publishes without an answer.
    in_flight: u16,
    may_publish: bool,
    /// Something came in since the last ping.
    heard: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Messages go both ways, and a ping goes out at `next`.
    Open,
    /// A ping went out, and its answer is due at `next`.
    Pinged,
    /// We have said our close and wait for the peer's until `next`.
    Closing(CloseReason),
    /// Everything is said.
    Over,
}

impl WebSocketSession {
    /// A subscriber. Its first ping comes at a random moment of the first interval.
    pub(super) fn subscriber(cx: &Context, topic: TopicName, may_publish: bool) -> Self {
        Self::new(Some(topic), cx.now + cx.first_ping(), may_publish)
    }

    /// A client of `/echo`.
    pub(super) fn echo(cx: &Context) -> Self {
        Self::new(None, cx.now + cx.limits().ping_interval, false)
    }

    fn new(topic: Option<TopicName>, next: Time, may_publish: bool) -> Self {
        let (decoder, phase) = (Decoder::default(), Phase::Open);
        Self {
            decoder,
            topic,
            next,
            phase,
            in_flight: 0,
            may_publish,
            heard: true,
        }
    }

    pub(super) fn handle_bytes(
        &mut self,
        cx: &Context,
        bytes: &mut [u8],
        out: &mut Outputs,
    ) -> usize {
        self.heard = true;
        let limits = self.message_limits(cx.limits());
        let mut taken = 0;
        while taken < bytes.len() && self.goes_on(cx.limits(), out) {
            match self
                .decoder
                .handle_bytes(Role::Server, &limits, &mut bytes[taken..])
            {
                Ok(step) => {
                    taken += step.consumed;
                    if let Some(incoming) = step.incoming {
                        self.handle_incoming(cx, incoming, out);
                    }
                }
                Err(error) => self.fail(&error, out),
            }
        }
        if self.phase == Phase::Over {
            bytes.len()
        } else {
            taken
        }
    }

    pub(super) fn handle_published(
        &mut self,
        cx: &Context,
        outcome: &PublishOutcome,
        out: &mut Outputs,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            PublishOutcome::Published { .. } => {}
            PublishOutcome::Busy => {
                let reason = "the node cannot take more publications now";
                self.close(cx, CloseCode::TRY_AGAIN, reason, CloseReason::TryAgain, out);
            }
            PublishOutcome::TopicsFull => {
                let reason = "the node has no room for another topic";
                self.close(cx, CloseCode::TRY_AGAIN, reason, CloseReason::TryAgain, out);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        if cx.now < self.next {
            return;
        }
        let Limits {
            ping_interval,
            pong_timeout,
            ..
        } = *cx.limits();
        match self.phase {
            Phase::Open => {
                frame::encode(&mut out.bytes, Opcode::Ping, b"");
                out.act(Action::Pinged);
                (self.phase, self.heard) = (Phase::Pinged, false);
                self.next = cx.now + pong_timeout;
            }
            // Whatever comes in shows that the peer lives, a pong or anything else.
            Phase::Pinged if self.heard => {
                self.phase = Phase::Open;
                self.next = cx.now + ping_interval.saturating_sub(pong_timeout);
            }
            // The node stood still a moment ago, and perhaps its whole host with it: the pong may
            // be on its way still.
            Phase::Pinged if cx.resumed.is_some_and(|at| cx.now < at + pong_timeout) => {
                self.next = cx.resumed.map_or(cx.now, |at| at + pong_timeout);
            }
            // Its pong may wait behind messages that we do not take now.
            Phase::Pinged if !self.takes_bytes(cx.limits()) => self.next = cx.now + pong_timeout,
            Phase::Pinged => {
                let reason = "no pong in time";
                self.close(cx, CloseCode::NO_PONG, reason, CloseReason::NoPong, out);
            }
            Phase::Closing(reason) => {
                self.phase = Phase::Over;
                out.act(Action::Abort(reason));
            }
            Phase::Over => {}
        }
    }

    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        let reason = match self.phase {
            Phase::Closing(reason) => reason,
            Phase::Open | Phase::Pinged | Phase::Over => CloseReason::Eof,
        };
        self.phase = Phase::Over;
        out.act(Action::Finish(reason));
    }

    pub(super) fn handle_slow(&mut self, cx: &Context, out: &mut Outputs) {
        let reason = "too slow: more was waiting than an outbox holds";
        self.close(
            cx,
            CloseCode::SLOW_CONSUMER,
            reason,
            CloseReason::SlowConsumer,
            out,
        );
    }

    pub(super) fn handle_drain(&mut self, cx: &Context, retry_ms: u64, out: &mut Outputs) {
        let reason = format!("retry={retry_ms}");
        self.close(
            cx,
            CloseCode::GOING_AWAY,
            &reason,
            CloseReason::Draining,
            out,
        );
    }

    pub(super) fn takes_bytes(&self, limits: &Limits) -> bool {
        usize::from(self.in_flight) < limits.publishes_in_flight_max
    }

    pub(super) fn deadline(&self) -> Time {
        if self.phase == Phase::Over {
            Time::NEVER
        } else {
            self.next
        }
    }

    /// Whether this call may handle one more frame.
    fn goes_on(&self, limits: &Limits, out: &Outputs) -> bool {
        self.phase != Phase::Over
            && self.takes_bytes(limits)
            && out.actions.len() < ACTIONS_PER_CALL_MAX
            && out.bytes.len() < ANSWER_BYTES_PER_CALL_MAX
    }

    fn message_limits(&self, limits: &Limits) -> MessageLimits {
        if self.topic.is_none() {
            return ECHO_LIMITS;
        }
        MessageLimits {
            bytes_max: limits.message_bytes_max,
            fragments_max: limits.fragments_max,
        }
    }

    fn handle_incoming(&mut self, cx: &Context, incoming: Incoming<'_>, out: &mut Outputs) {
        if let Incoming::Close(close) = incoming {
            self.closed_by_peer(close.map(|(code, _)| code), out);
            return;
        }
        if matches!(self.phase, Phase::Closing(_)) {
            // RFC 6455 §5.5.1: after our close only the peer's close matters.
            return;
        }
        match incoming {
            Incoming::Text(text) => {
                self.message(cx, Opcode::Text, text.into_owned().into_bytes(), out);
            }
            Incoming::Binary(bytes) => self.message(cx, Opcode::Binary, bytes.into_owned(), out),
            Incoming::Ping(payload) => frame::encode(&mut out.bytes, Opcode::Pong, &payload),
            Incoming::Pong(_) | Incoming::Close(_) => {}
        }
    }

    fn message(&mut self, cx: &Context, opcode: Opcode, payload: Vec<u8>, out: &mut Outputs) {
        out.act(Action::MessageIn);
        let Some(topic) = &self.topic else {
            frame::encode(&mut out.bytes, opcode, &payload);
            return;
        };
        if !self.may_publish {
            out.act(Action::NotAllowed);
            let reason = "publishing is not allowed here";
            self.close(cx, CloseCode::POLICY, reason, CloseReason::Policy, out);
            return;
        }
        let kind = match opcode {
            Opcode::Text => PayloadKind::Text,
            _ => PayloadKind::Binary,
        };
        self.in_flight += 1;
        out.act(Action::Publish(Draft {
            topic: topic.clone(),
            kind,
            payload,
            received: cx.now,
        }));
    }

    /// The peer's close: an answer to ours, or the first of the two, which is echoed
    /// (RFC 6455 §5.5.1). The server closes the connection then (§7.1.1).
    fn closed_by_peer(&mut self, code: Option<CloseCode>, out: &mut Outputs) {
        let reason = match self.phase {
            Phase::Closing(reason) => reason,
            Phase::Open | Phase::Pinged | Phase::Over => {
                match code {
                    Some(code) => frame::encode_close(&mut out.bytes, code, ""),
                    None => frame::encode(&mut out.bytes, Opcode::Close, b""),
                }
                CloseReason::Client
            }
        };
        self.phase = Phase::Over;
        out.act(Action::Finish(reason));
    }

    /// Says our close and waits for the peer's.
    fn close(
        &mut self,
        cx: &Context,
        code: CloseCode,
        text: &str,
        reason: CloseReason,
        out: &mut Outputs,
    ) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Over) {
            return;
        }
        frame::encode_close(&mut out.bytes, code, text);
        self.phase = Phase::Closing(reason);
        self.next = cx.now + cx.limits().close_linger;
        out.act(Action::Leave(reason));
    }

    /// The peer broke the protocol: say so and close at once (RFC 6455 §7.1.7).
    fn fail(&mut self, error: &ProtocolError, out: &mut Outputs) {
        let code = error.close_code();
        let reason = match (self.phase, code) {
            (Phase::Closing(reason), _) => reason,
            (_, CloseCode::INVALID_DATA) => CloseReason::InvalidData,
            (_, CloseCode::TOO_BIG) => CloseReason::TooBig,
            _ => CloseReason::Protocol,
        };
        if !matches!(self.phase, Phase::Closing(_)) {
            frame::encode_close(&mut out.bytes, code, &error.to_string());
        }
        self.phase = Phase::Over;
        out.act(Action::Finish(reason));
    }
}
