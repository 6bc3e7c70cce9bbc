//! Clients on WebSockets: what arrives on them, and how they end.

use altavoz::base::Time;
use altavoz::io::Close;
use altavoz::wire::close::CloseCode;
use altavoz::wire::frame::{Opcode, encode_close_masked, encode_masked};
use altavoz::wire::message::{Decoder, Incoming, MessageLimits, Role};

use crate::base::failure::advice;
use crate::measure::stamp::Stamp;

use super::super::connection::{ClientId, ClientKind, ConnectionState};
use super::super::courier::asked_ms;
use super::WorkerCore;

/// What a measured server may send; a bound against nonsense, not a test of it.
const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 64 * 1024 * 1024,
    fragments_max: u32::MAX,
};

impl WorkerCore {
    /// Takes the answer to an upgrade, and the frames behind it.
    pub(super) fn handle_upgrade(&mut self, client: ClientId, bytes: &mut [u8], now: Time) {
        let ConnectionState::Upgrading(parser) = &mut self.clients[client].state else {
            return;
        };
        match parser.handle_bytes(bytes) {
            Ok(None) => {}
            Ok(Some(consumed)) => {
                self.clients[client].state = ConnectionState::Socket(Decoder::default());
                self.note_open(client, now);
                // Nothing has been asked yet that could be late.
                let conn = &mut self.clients[client];
                conn.since = conn.since.max(conn.tcp_since);
                self.handle_frames(client, &mut bytes[consumed..], now);
            }
            Err(error) => {
                let advice = match error.status() {
                    Some(200..=299) => " (it speaks plain HTTP there: see --path and --transports)",
                    Some(status) => advice(status),
                    // The record of an alert or of a handshake.
                    None if matches!(bytes.first(), Some(0x15 | 0x16)) => {
                        " (it speaks TLS: use wss://)"
                    }
                    None => "",
                };
                let why = format!("{error}{advice}");
                if self.clients[client].is_in {
                    self.refuse_publisher(client, error.status(), &why);
                } else {
                    self.fail(client, why);
                }
            }
        }
    }

    pub(super) fn handle_frames(&mut self, client: ClientId, mut bytes: &mut [u8], now: Time) {
        let reader = self.reader_of(client);
        let mut asked = Vec::new();
        let conn = &mut self.clients[client];
        let ConnectionState::Socket(decoder) = &mut conn.state else {
            return;
        };
        if conn.is_mute {
            return;
        }
        while !bytes.is_empty() {
            let step = match decoder.handle_bytes(Role::Client, &LIMITS, bytes) {
                Ok(step) => step,
                Err(error) => {
                    let why = format!("protocol error: {error}");
                    return self.break_off(client, &why);
                }
            };
            let consumed = step.consumed;
            let message: &[u8] = match &step.incoming {
                Some(Incoming::Text(text)) => text.as_bytes(),
                Some(Incoming::Binary(binary)) => binary,
                Some(Incoming::Ping(payload)) => {
                    let mask = self.random.u32(..).to_ne_bytes();
                    encode_masked(conn.outbox.queue(), Opcode::Pong, mask, payload);
                    self.dirty.push(client);
                    &[]
                }
                Some(Incoming::Close(close)) => {
                    let code = close.as_ref().map(|(code, _)| *code);
                    let asked = close.as_ref().map_or(0, |(_, reason)| asked_ms(reason));
                    return self.handle_close(client, code, asked);
                }
                Some(Incoming::Pong(_)) | None => &[],
            };
            if !message.is_empty() {
                match conn.kind {
                    ClientKind::Subscriber => {
                        let carried = self.meter.deliver(reader, message, now);
                        self.windows.running(conn.arm).deliver(carried.fresh);
                    }
                    ClientKind::Asker => asked.push(Stamp::read(message).map_or(0, |s| s.intended)),
                    ClientKind::Slow if self.resumed => self.finished.slow_messages += 1,
                    ClientKind::Slow
                    | ClientKind::Crowd
                    | ClientKind::Publisher
                    | ClientKind::Poster => {}
                }
            }
            bytes = &mut bytes[consumed..];
        }
        for due in asked {
            self.enter_reply(client, Time::from_nanos(due), now);
        }
    }

    /// The server closes: echo its code and end.
    fn handle_close(&mut self, client: ClientId, code: Option<CloseCode>, asked_ms: u64) {
        let mask = self.random.u32(..).to_ne_bytes();
        let conn = &mut self.clients[client];
        let echo = code.unwrap_or(CloseCode::NORMAL);
        encode_close_masked(conn.outbox.queue(), echo, "", mask);
        // A server that said goodbye gets to read our answer.
        conn.ending = Some(Close::Graceful);
        self.note_close(client, &code.map_or(1005, |code| code.0).to_string());
        if self.clients[client].kind == ClientKind::Publisher {
            self.handle_publisher_close(client, code, asked_ms);
        }
        self.dirty.push(client);
    }
}
