//! A WebSocket as RFC 6455 has it, whatever it is for: its 101, messages, pings, and the closing
//! handshake.
//!
//! Owns what every WebSocket needs; what its messages mean is its owner's. How long what follows
//! the 101 waits behind a proxy is the shard's.

use std::time::Duration;

use super::{Action, Context, Outputs, Reader};
use crate::base::{Tag, Time};
use crate::config::Limits;
use crate::http::Upgrade;
use crate::metrics::CloseReason;
use crate::wire::close::CloseCode;
use crate::wire::frame::{self, Opcode};
use crate::wire::handshake;
use crate::wire::http::RequestHead;
use crate::wire::message::{Decoder, Incoming, MessageLimits, ProtocolError, Role};

/// A WebSocket, from its 101 to its close.
#[derive(Debug)]
pub(super) struct Socket {
    decoder: Decoder,
    /// The next ping, the pong's deadline, or the end of the closing handshake.
    next: Time,
    phase: SocketPhase,
    /// Whether its client's messages are taken; the owner's, kept here where it costs no memory.
    pub(super) may_speak: bool,
    /// Messages that wait for an answer, and what the last one of them is called.
    unanswered: u16,
    tag: Tag,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SocketPhase {
    /// Messages go both ways, and a ping goes out at `next`.
    Open,
    /// A ping went out, and its answer is due at `next`.
    Pinged,
    /// The same, and something has come in since.
    Heard,
    /// We have said our close and wait for the peer's until `next`.
    Closing(CloseReason),
    /// Everything is said.
    Over,
}

/// A WebSocket that is to be, until its 101.
#[derive(Debug)]
pub(super) struct Switch {
    upgrade: Upgrade,
    behind_proxy: bool,
}

impl Switch {
    pub(super) fn new(cx: &Context, head: &RequestHead, upgrade: Upgrade) -> Self {
        Self {
            upgrade,
            behind_proxy: cx.is_behind_proxy(head),
        }
    }

    /// Answers with the 101; the first ping goes out after so long. Proxies read to the end of a
    /// 101 and hand that on; Apache, with HTTP/2 in front, holds what it has read with it back
    /// until more comes. So there it leaves by itself.
    pub(super) fn answer(&self, cx: &Context, first_ping: Duration, out: &mut Outputs) -> Socket {
        let Upgrade { key, protocol, .. } = &self.upgrade;
        handshake::write_response(&mut out.bytes, &cx.date, key, protocol.as_deref());
        if self.behind_proxy {
            out.apart = out.bytes.len();
        }
        out.act(Action::Upgraded);
        out.act(Action::Reads(Some(Reader::WebSocket)));
        Socket {
            decoder: Decoder::default(),
            next: cx.now + first_ping,
            phase: SocketPhase::Open,
            may_speak: self.upgrade.may_speak,
            unanswered: 0,
            tag: Tag::default(),
        }
    }
}

/// A whole message: text or binary, and its payload.
pub(super) type SocketMessage = (Opcode, Vec<u8>);

impl Socket {
    /// Takes bytes up to the end of a message at most; says how many, and which it was.
    pub(super) fn handle_bytes(
        &mut self,
        limits: &MessageLimits,
        bytes: &mut [u8],
        out: &mut Outputs,
    ) -> (usize, Option<SocketMessage>) {
        if self.phase == SocketPhase::Pinged {
            self.phase = SocketPhase::Heard;
        }
        let len = bytes.len();
        match self.decoder.handle_bytes(Role::Server, limits, bytes) {
            Ok(step) => {
                let incoming = step.incoming;
                let message = incoming.and_then(|incoming| self.handle_incoming(incoming, out));
                (step.consumed, message)
            }
            Err(error) => {
                self.fail(&error, out);
                (len, None)
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
            SocketPhase::Open => {
                frame::encode(&mut out.bytes, Opcode::Ping, b"");
                out.act(Action::Pinged);
                self.phase = SocketPhase::Pinged;
                self.next = cx.now + pong_timeout;
            }
            // Whatever comes in shows that the peer lives, a pong or anything else.
            SocketPhase::Heard => {
                self.phase = SocketPhase::Open;
                self.next = cx.now + ping_interval.saturating_sub(pong_timeout);
            }
            // The node stood still a moment ago, and perhaps its whole host with it: the pong may
            // be on its way still.
            SocketPhase::Pinged if cx.resumed.is_some_and(|at| cx.now < at + pong_timeout) => {
                self.next = cx.resumed.map_or(cx.now, |at| at + pong_timeout);
            }
            // Its pong may wait behind messages that we do not take now.
            SocketPhase::Pinged if !self.takes_bytes(cx.limits()) => {
                self.next = cx.now + pong_timeout
            }
            SocketPhase::Pinged => {
                let reason = "no pong in time";
                self.close(cx, CloseCode::NO_PONG, reason, CloseReason::NoPong, out);
            }
            SocketPhase::Closing(reason) => {
                self.phase = SocketPhase::Over;
                out.act(Action::Abort(reason));
            }
            SocketPhase::Over => {}
        }
    }

    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        let reason = match self.phase {
            SocketPhase::Closing(reason) => reason,
            SocketPhase::Open | SocketPhase::Pinged | SocketPhase::Heard | SocketPhase::Over => {
                CloseReason::Eof
            }
        };
        self.phase = SocketPhase::Over;
        out.act(Action::Finish(reason));
    }

    pub(super) fn handle_slow(&mut self, cx: &Context, out: &mut Outputs) {
        let (code, reason) = (CloseCode::SLOW_CONSUMER, CloseReason::SlowConsumer);
        let text = "too slow: more was waiting than an outbox holds";
        self.close(cx, code, text, reason, out);
    }

    pub(super) fn handle_drain(&mut self, cx: &Context, retry_ms: u64, out: &mut Outputs) {
        let (code, reason) = (CloseCode::GOING_AWAY, CloseReason::Draining);
        let text = format!("retry={retry_ms}");
        self.close(cx, code, &text, reason, out);
    }

    /// A message that was taken waits for an answer by this name.
    pub(super) fn await_answer(&mut self) -> Tag {
        self.unanswered += 1;
        self.tag = self.tag.next();
        self.tag
    }

    /// One of them has its answer.
    pub(super) fn was_answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    pub(super) fn takes_bytes(&self, limits: &Limits) -> bool {
        usize::from(self.unanswered) < limits.publishes_in_flight_max
    }

    /// Whether everything is said.
    pub(super) fn is_over(&self) -> bool {
        self.phase == SocketPhase::Over
    }

    pub(super) fn deadline(&self) -> Time {
        if self.is_over() {
            Time::NEVER
        } else {
            self.next
        }
    }

    /// Says our close and waits for the peer's.
    pub(super) fn close(
        &mut self,
        cx: &Context,
        code: CloseCode,
        text: &str,
        reason: CloseReason,
        out: &mut Outputs,
    ) {
        if self.is_over() || self.is_closing() {
            return;
        }
        frame::encode_close(&mut out.bytes, code, text);
        self.phase = SocketPhase::Closing(reason);
        self.next = cx.now + cx.limits().close_linger;
        out.act(Action::Leave(reason));
    }

    fn is_closing(&self) -> bool {
        matches!(self.phase, SocketPhase::Closing(_))
    }

    fn handle_incoming(
        &mut self,
        incoming: Incoming<'_>,
        out: &mut Outputs,
    ) -> Option<SocketMessage> {
        match incoming {
            Incoming::Close(close) => self.closed_by_peer(close.map(|(code, _)| code), out),
            // RFC 6455 §5.5.1: after our close only the peer's close matters.
            _ if self.is_closing() => {}
            Incoming::Text(text) => return Some((Opcode::Text, text.into_owned().into_bytes())),
            Incoming::Binary(bytes) => return Some((Opcode::Binary, bytes.into_owned())),
            Incoming::Ping(payload) => frame::encode(&mut out.bytes, Opcode::Pong, &payload),
            Incoming::Pong(_) => {}
        }
        None
    }

    /// The peer's close: an answer to ours, or the first of the two, which is echoed
    /// (RFC 6455 §5.5.1). The server closes the connection then (§7.1.1).
    fn closed_by_peer(&mut self, code: Option<CloseCode>, out: &mut Outputs) {
        let reason = match self.phase {
            SocketPhase::Closing(reason) => reason,
            SocketPhase::Open | SocketPhase::Pinged | SocketPhase::Heard | SocketPhase::Over => {
                match code {
                    Some(code) => frame::encode_close(&mut out.bytes, code, ""),
                    None => frame::encode(&mut out.bytes, Opcode::Close, b""),
                }
                CloseReason::Client
            }
        };
        self.phase = SocketPhase::Over;
        out.act(Action::Finish(reason));
    }

    /// The peer broke the protocol: say so and close at once (RFC 6455 §7.1.7).
    fn fail(&mut self, error: &ProtocolError, out: &mut Outputs) {
        let code = error.close_code();
        let reason = match (self.phase, code) {
            (SocketPhase::Closing(reason), _) => reason,
            (_, CloseCode::INVALID_DATA) => CloseReason::InvalidData,
            (_, CloseCode::TOO_BIG) => CloseReason::TooBig,
            _ => CloseReason::Protocol,
        };
        if !self.is_closing() {
            frame::encode_close(&mut out.bytes, code, &error.to_string());
        }
        self.phase = SocketPhase::Over;
        out.act(Action::Finish(reason));
    }
}
