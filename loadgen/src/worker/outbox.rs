//! What waits to be sent on one connection, and TLS, through which it goes.
//!
//! Nothing is kept while nothing waits: of thousands of idle connections most have none.

use std::io::{Read, Write};

use altavoz::base::{Chunk, ConnId, Part};
use altavoz::io::driver::SEND_BATCH_BYTES_MAX;
use altavoz::io::{Driver, SendStatus};
use rustls::ClientConnection;

use crate::base::num::id;

use crate::speak::tls;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub struct Outbox(Option<Box<OutboxBytes>>);

#[derive(Debug, Default)]
struct OutboxBytes {
    /// Plain bytes that the driver or TLS has not taken.
    queue: Vec<u8>,
    /// What the driver has, or has given back in part.
    head: Option<Part>,
    state: OutboxState,
    tls: Option<Box<ClientConnection>>,
    /// Plain bytes that left the queue since they were last asked for.
    taken: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum OutboxState {
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
        self.0.get_or_insert_default().tls = Some(Box::new(tls));
    }

    /// Whether there is TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.tls.is_some())
    }

    /// Whether TLS is not there yet.
    #[must_use]
    pub fn is_shaking_hands(&self) -> bool {
        let tls = self.0.as_ref().and_then(|waiting| waiting.tls.as_ref());
        tls.is_some_and(|tls| tls.is_handshaking())
    }

    /// Where to append what is to be sent.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        &mut self.0.get_or_insert_default().queue
    }

    /// Appends what another one queued.
    pub fn take_over(&mut self, other: Self) {
        if let Some(other) = other.0 {
            self.queue().extend_from_slice(&other.queue);
        }
    }

    /// Bytes that wait here and not in the kernel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| {
            let head = waiting.head.as_ref().map_or(0, |part| part.len() as usize);
            waiting.queue.len() + head
        })
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
        let tls = self.0.as_mut().and_then(|waiting| waiting.tls.as_mut());
        let Some(tls) = tls else {
            return Ok(());
        };
        let mut plain = [0; 16 * 1024];
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)
                .map_err(|e| format!("TLS failed: {e}"))?;
            tls.process_new_packets().map_err(|e| tls::in_words(&e))?;
            while let Ok(count @ 1..) = tls.reader().read(&mut plain) {
                on_plain(&mut plain[..count]);
            }
        }
        Ok(())
    }

    /// Hands the driver what it takes, and says how many plain bytes left the queue.
    pub fn flush(&mut self, driver: &mut impl Driver, conn: ConnId) -> usize {
        let Some(waiting) = &mut self.0 else {
            return 0;
        };
        waiting.flush(driver, conn);
        let taken = std::mem::take(&mut waiting.taken);
        if waiting.is_empty() {
            self.0 = None;
        }
        taken
    }

    /// A pending send came back.
    pub fn handle_sent(&mut self, count: usize) {
        let Some(waiting) = &mut self.0 else {
            return;
        };
        if let Some(part) = waiting.head.take() {
            waiting.state = OutboxState::Idle;
            waiting.took(part, count);
        }
    }

    /// There is room again.
    pub fn handle_writable(&mut self) {
        if let Some(waiting) = &mut self.0
            && waiting.state == OutboxState::Blocked
        {
            waiting.state = OutboxState::Idle;
        }
    }
}

impl OutboxBytes {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.head.is_none() && self.tls.is_none()
    }

    fn flush(&mut self, driver: &mut impl Driver, conn: ConnId) {
        while self.state == OutboxState::Idle {
            let Some(part) = self.next_part() else {
                return;
            };
            match driver.send(conn, std::slice::from_ref(&part)) {
                SendStatus::Sent(count) => self.took(part, count),
                SendStatus::Pending => {
                    self.head = Some(part);
                    self.state = OutboxState::Pending;
                }
                // Its `Closed` follows.
                SendStatus::Gone => return,
            }
        }
    }

    fn took(&mut self, mut part: Part, count: usize) {
        part.start += id(count);
        if !part.is_empty() {
            self.head = Some(part);
            self.state = OutboxState::Blocked;
        }
    }

    fn next_part(&mut self) -> Option<Part> {
        if let Some(part) = self.head.take() {
            return Some(part);
        }
        let before = self.queue.len();
        let bytes = match &mut self.tls {
            Some(tls) => encrypt(tls, &mut self.queue),
            None if self.queue.len() > SEND_BATCH_BYTES_MAX => {
                let rest = self.queue.split_off(SEND_BATCH_BYTES_MAX);
                std::mem::replace(&mut self.queue, rest)
            }
            None => std::mem::take(&mut self.queue),
        };
        self.taken += before - self.queue.len();
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
