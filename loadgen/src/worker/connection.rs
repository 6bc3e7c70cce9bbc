//! One connection of the generator: its state, what waits to be sent on it, TLS above it.

use std::io::{Read, Write};

use altavoz::base::{Chunk, ConnId, Part};
use altavoz::io::driver::SEND_BATCH_BYTES_MAX;
use altavoz::io::{Driver, SendStatus};
use altavoz::wire::client::ResponseParser;
use altavoz::wire::message::Decoder;
use rustls::ClientConnection;

use crate::num::id;

use super::answers::Answers;

/// What a connection is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It is in the ledger.
    Subscriber,
    /// It subscribes and does not read.
    Slow,
    /// It is only there.
    Crowd,
    /// It publishes on a WebSocket; what it receives itself is not measured.
    Publisher,
    /// It publishes by POST.
    Poster,
}

/// Where a connection is in its life.
#[derive(Debug)]
pub enum State {
    /// Not begun, or over.
    Idle,
    /// Waits for TCP.
    Connecting,
    /// Waits for 101.
    Upgrading(Box<ResponseParser>),
    /// A WebSocket.
    Open,
    /// An HTTP connection that publishes.
    Posting(Box<Answers>),
    /// We or the server have ended it; `Closed` follows.
    Closing,
}

/// One connection; about 200 bytes while nothing is under way on it.
#[derive(Debug)]
pub struct Connection {
    /// What it is there for.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: State,
    /// How many connections were in this place before.
    pub generation: u32,
    /// Which topic of the plan.
    pub topic: u32,
    /// When the attempt began, and then when the request was sent, in nanoseconds.
    pub since: u64,
    /// When TCP was there, in nanoseconds.
    pub tcp_since: u64,
    /// What of a message has arrived.
    pub decoder: Decoder,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// The code of the server's Close, once it came; 1005 for one without.
    pub close_code: Option<u16>,
}

impl Connection {
    /// One that is not begun.
    #[must_use]
    pub fn new(kind: Kind, topic: u32) -> Self {
        Self {
            kind,
            state: State::Idle,
            generation: 0,
            topic,
            since: 0,
            tcp_since: 0,
            decoder: Decoder::default(),
            outbox: Outbox::default(),
            close_code: None,
        }
    }

    /// Its name at the driver.
    #[must_use]
    pub fn id(&self, slot: usize) -> ConnId {
        ConnId {
            slot: id(slot),
            generation: self.generation,
        }
    }

    /// Whether it is through with its opening handshake and not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Posting(_))
    }

    /// Makes the place ready for another connection.
    pub fn reset(&mut self) {
        self.generation = self.generation.wrapping_add(1) % (u32::MAX - 1);
        self.state = State::Idle;
        self.decoder = Decoder::default();
        self.outbox = Outbox::default();
        self.close_code = None;
    }
}

/// Bytes on their way out, and TLS, through which they go.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Plain bytes that the driver or TLS has not taken.
    queue: Vec<u8>,
    /// What the driver has, or has given back in part.
    head: Option<Part>,
    state: Sending,
    tls: Option<Box<ClientConnection>>,
    /// Whether the connection is to be ended when all is out.
    pub ends: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Sending {
    #[default]
    Idle,
    /// `Sent` follows.
    Pending,
    /// `Writable` follows.
    Blocked,
}

impl Outbox {
    /// Sends through TLS from now on.
    pub fn encrypt(&mut self, mut tls: ClientConnection) {
        // The bound is the publisher's own, on `waiting`.
        tls.set_buffer_limit(None);
        self.tls = Some(Box::new(tls));
    }

    /// Whether there is TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Where to append what is to be sent.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        &mut self.queue
    }

    /// Appends what another one queued.
    pub fn take_over(&mut self, other: Self) {
        self.queue.extend_from_slice(&other.queue);
        self.ends |= other.ends;
    }

    /// Bytes that wait here and not in the kernel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.head.as_ref().map_or(0, |part| part.len() as usize)
    }

    /// Takes received bytes through TLS and hands out what they carry.
    ///
    /// # Errors
    /// When TLS failed: the library's words.
    pub fn decrypt(
        &mut self,
        mut bytes: &[u8],
        mut on_plain: impl FnMut(&mut [u8]),
    ) -> Result<(), String> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        let mut plain = [0; 16 * 1024];
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).map_err(|e| e.to_string())?;
            tls.process_new_packets().map_err(|e| e.to_string())?;
            while let Ok(count @ 1..) = tls.reader().read(&mut plain) {
                on_plain(&mut plain[..count]);
            }
        }
        Ok(())
    }

    /// Hands the driver what it takes. `false` when the connection is gone.
    pub fn flush(&mut self, driver: &mut impl Driver, conn: ConnId) -> bool {
        while self.state == Sending::Idle {
            let Some(part) = self.next_part() else {
                return true;
            };
            match driver.send(conn, std::slice::from_ref(&part)) {
                SendStatus::Sent(count) => self.took(part, count),
                SendStatus::Pending => {
                    self.head = Some(part);
                    self.state = Sending::Pending;
                }
                SendStatus::Gone => return false,
            }
        }
        true
    }

    /// A pending send came back.
    pub fn handle_sent(&mut self, count: usize) {
        if let Some(part) = self.head.take() {
            self.state = Sending::Idle;
            self.took(part, count);
        }
    }

    /// There is room again.
    pub fn handle_writable(&mut self) {
        if self.state == Sending::Blocked {
            self.state = Sending::Idle;
        }
    }

    fn took(&mut self, mut part: Part, count: usize) {
        part.start += id(count);
        if !part.is_empty() {
            self.head = Some(part);
            self.state = Sending::Blocked;
        }
    }

    fn next_part(&mut self) -> Option<Part> {
        if let Some(part) = self.head.take() {
            return Some(part);
        }
        let bytes = match &mut self.tls {
            Some(tls) => encrypt(tls, &mut self.queue),
            None if self.queue.len() > SEND_BATCH_BYTES_MAX => {
                let rest = self.queue.split_off(SEND_BATCH_BYTES_MAX);
                std::mem::replace(&mut self.queue, rest)
            }
            None => std::mem::take(&mut self.queue),
        };
        (!bytes.is_empty()).then(|| Part::whole(Chunk::private(bytes)))
    }
}

/// The records that TLS wants to send, with the queue in them; at most one batch.
fn encrypt(tls: &mut ClientConnection, queue: &mut Vec<u8>) -> Vec<u8> {
    // Half of a batch: records are a little longer than what they carry.
    let count = queue.len().min(SEND_BATCH_BYTES_MAX / 2);
    let taken = tls.writer().write(&queue[..count]).unwrap_or(0);
    queue.drain(..taken);
    let mut bytes = Vec::new();
    while tls.wants_write() && bytes.len() < SEND_BATCH_BYTES_MAX / 2 {
        if tls.write_tls(&mut bytes).is_err() {
            break;
        }
    }
    debug_assert!(bytes.len() <= SEND_BATCH_BYTES_MAX);
    bytes
}
