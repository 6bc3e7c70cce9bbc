//! A client that speaks WebSocket messages, on a topic or on `/echo`.

use super::socket::{Socket, SocketMessage, Switch};
use super::{Action, Context, Outputs};
use crate::base::TopicName;
use crate::config::Limits;
use crate::hub::{PublishOutcome, Recovery};
use crate::metrics::CloseReason;
use crate::wire::answer;
use crate::wire::close::CloseCode;
use crate::wire::frame::{self, Opcode};
use crate::wire::message::MessageLimits;
use crate::wire::prepared::{Draft, PayloadKind, WireForm};

/// Wishes of one call, so that a buffer full of tiny frames is handled in steps.
const ACTIONS_PER_CALL_MAX: usize = 64;
/// Bytes of answers in one call, for the same reason.
const ANSWER_BYTES_PER_CALL_MAX: usize = 64 * 1024;
/// `/echo` is for conformance suites, which send more than a topic takes.
const ECHO_LIMITS: MessageLimits = MessageLimits {
    bytes_max: 32 * 1024 * 1024,
    fragments_max: 200_000,
};

/// A WebSocket for one topic: it gets what is published there, and what it says is published.
#[derive(Debug)]
pub(super) struct WebSocketSession {
    pub(super) socket: Socket,
    /// What it is for; `None` is the echo.
    topic: Option<TopicName>,
}

impl WebSocketSession {
    /// A subscriber is told where it is, if its form has positions. Its first ping comes at a
    /// random moment of the first interval.
    pub(super) fn subscriber(
        cx: &Context,
        switch: &Switch,
        (topic, form): (TopicName, WireForm),
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Self {
        let socket = switch.answer(cx, cx.first_ping(), out);
        if form.is_json() {
            let greeting = answer::greeting(recovery.position, recovery.recovered);
            form.wrap(&mut out.bytes, Opcode::Text, greeting.as_bytes());
        }
        Self {
            socket,
            topic: Some(topic),
        }
    }

    /// A client of `/echo`.
    pub(super) fn echo(cx: &Context, switch: &Switch, out: &mut Outputs) -> Self {
        Self {
            socket: switch.answer(cx, cx.limits().ping_interval, out),
            topic: None,
        }
    }

    pub(super) fn handle_bytes(
        &mut self,
        cx: &Context,
        bytes: &mut [u8],
        out: &mut Outputs,
    ) -> usize {
        let limits = self.message_limits(cx.limits());
        let mut taken = 0;
        while taken < bytes.len() && self.goes_on(cx.limits(), out) {
            let rest = &mut bytes[taken..];
            let (step, message) = self.socket.handle_bytes(&limits, rest, out);
            taken += step;
            if let Some(message) = message {
                self.handle_message(cx, message, out);
            }
        }
        if self.socket.is_over() {
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
        self.socket.was_answered();
        let text = match outcome {
            PublishOutcome::Published { .. } => return,
            PublishOutcome::Busy => "the node cannot take more publications now",
            PublishOutcome::TopicsFull => "the node has no room for another topic",
        };
        let (code, reason) = (CloseCode::TRY_AGAIN, CloseReason::TryAgain);
        self.socket.close(cx, code, text, reason, out);
    }

    /// Whether this call may handle one more frame.
    fn goes_on(&self, limits: &Limits, out: &Outputs) -> bool {
        !self.socket.is_over()
            && self.socket.takes_bytes(limits)
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

    fn handle_message(
        &mut self,
        cx: &Context,
        (opcode, payload): SocketMessage,
        out: &mut Outputs,
    ) {
        out.act(Action::MessageIn);
        let Some(topic) = &self.topic else {
            frame::encode(&mut out.bytes, opcode, &payload);
            return;
        };
        if !self.socket.may_speak {
            out.act(Action::NotAllowed);
            let (code, reason) = (CloseCode::POLICY, CloseReason::Policy);
            let text = "publishing is not allowed here";
            self.socket.close(cx, code, text, reason, out);
            return;
        }
        let kind = match opcode {
            Opcode::Text => PayloadKind::Text,
            _ => PayloadKind::Binary,
        };
        let draft = Draft {
            topic: topic.clone(),
            kind,
            payload,
            received: cx.now,
        };
        out.act(Action::Publish(self.socket.await_answer(), draft));
    }
}
