//! A client that reads one publication behind the other from an HTTP answer that does not end:
//! server-sent events, or lines of JSON.

use serde::Serialize;

use super::exchange::Exchange;
use super::output::Reader;
use super::{Action, Context, Outputs};
use crate::base::{Offset, Position, Time};
use crate::hub::Recovery;
use crate::metrics::CloseReason;
use crate::wire::close::CloseCode;
use crate::wire::form::Content;
use crate::wire::frame::Opcode;
use crate::wire::http::{LAST_CHUNK, Response};
use crate::wire::prepared::WireForm;
use crate::wire::{answer, events};

/// The media type of JSON lines.
const LINES: &str = "application/x-ndjson";
/// A line that says nothing but that the connection lives.
const EMPTY_LINE: &[u8] = b"{}\n";

/// A stream, from its head to its end.
#[derive(Debug)]
pub(super) struct StreamSession {
    form: WireForm,
    over: bool,
    /// The next sign of life.
    next: Time,
}

/// The head of a stream's answer.
pub(super) fn head(form: WireForm) -> Response {
    let content_type = match form.content() {
        Content::Line => LINES,
        _ => events::CONTENT_TYPE,
    };
    answer::untransformed(Response::stream(content_type))
}

impl StreamSession {
    /// Writes the head, and where the reader is. As with pings, the first sign of life comes at a
    /// random moment of the first interval.
    pub(super) fn begin(
        cx: &Context,
        exchange: &Exchange,
        form: WireForm,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Self {
        let head = exchange.dress.apply(head(form));
        head.write(&mut out.bytes, &cx.date, false, false, exchange.version);
        form.wrap(&mut out.bytes, Opcode::Text, &greeting(form, recovery));
        out.act(Action::Answered(head.status()));
        let reader = match form.content() {
            Content::Line => Reader::Lines,
            _ => Reader::Events,
        };
        out.act(Action::Reads(Some(reader)));
        Self {
            form,
            over: false,
            next: cx.now + cx.first_ping(),
        }
    }

    /// What a client sends behind its request is nothing to us: this was its last.
    pub(super) fn handle_bytes(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        if self.over || cx.now < self.next {
            return;
        }
        self.next = cx.now + cx.limits().ping_interval;
        // Where bytes wait already, more of them are no sign of life.
        if !cx.is_backed_up {
            self.say(self.sign_of_life(), out);
            out.act(Action::Pinged);
        }
    }

    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        self.finish(CloseReason::Eof, out);
    }

    pub(super) fn handle_slow(&mut self, out: &mut Outputs) {
        let reason = "too slow: more was waiting than an outbox holds";
        self.say_close(CloseCode::SLOW_CONSUMER, reason, None, out);
        self.finish(CloseReason::SlowConsumer, out);
    }

    pub(super) fn handle_drain(&mut self, retry_ms: u64, out: &mut Outputs) {
        let reason = format!("retry={retry_ms}");
        self.say_close(CloseCode::GOING_AWAY, &reason, Some(retry_ms), out);
        self.finish(CloseReason::Draining, out);
    }

    pub(super) fn deadline(&self) -> Time {
        if self.over { Time::NEVER } else { self.next }
    }

    fn sign_of_life(&self) -> &'static [u8] {
        match self.form.content() {
            Content::Line => EMPTY_LINE,
            _ => events::HEARTBEAT,
        }
    }

    /// Says why it ends, as a WebSocket's Close frame would.
    fn say_close(&self, code: CloseCode, reason: &str, retry: Option<u64>, out: &mut Outputs) {
        #[derive(Serialize)]
        struct Close<'a> {
            code: u16,
            reason: &'a str,
        }
        if self.over {
            return;
        }
        let close = Close {
            code: code.0,
            reason,
        };
        let json = serde_json::to_string(&close).unwrap_or_default();
        let content = match self.form.content() {
            Content::Line => [json.as_bytes(), b"\n"].concat(),
            _ => events::close(&json, retry),
        };
        self.say(&content, out);
    }

    fn say(&self, text: &[u8], out: &mut Outputs) {
        self.form.wrap(&mut out.bytes, Opcode::Text, text);
    }

    /// Ends the body and the connection.
    fn finish(&mut self, reason: CloseReason, out: &mut Outputs) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if self.form.is_chunked() {
            out.bytes.extend_from_slice(LAST_CHUNK);
        }
        out.act(Action::Finish(reason));
    }
}

/// What comes before the first publication.
fn greeting(form: WireForm, recovery: &Recovery) -> Vec<u8> {
    let (position, recovered) = (recovery.position, recovery.recovered);
    let json = answer::greeting(position, recovered);
    if form.content() == Content::Line {
        return [json.as_bytes(), b"\n"].concat();
    }
    // What follows counts from here: a client that loses the connection before the first
    // publication asks for all of it again.
    let replayed = recovery.publications.len() as u64;
    let begins = Position {
        offset: Offset(position.offset.0.saturating_sub(replayed)),
        ..position
    };
    events::greeting(begins, &json, recovered)
}
