//! The contract between an event loop and the system that moves its bytes.
//!
//! It is shaped like completion: `send` hands bytes over, and what became of them comes back.
//! A readiness system (epoll) often knows at once and says so in the [`SendStatus`]; a completion
//! system (io_uring) says [`SendStatus::Pending`] and [`Event::Sent`] follows. Both are legal at
//! any time, and the simulator does both at random.
//!
//! The rules, which the conformance scripts of `testing` hold every driver to:
//!
//! - A connection begins with [`Driver::open`] or [`Driver::connect`], whose id the caller
//!   chooses, and ends with exactly one [`Event::Closed`], after its last operation has come
//!   back. Until then its slot must not be used again. Nothing is said of an id after its
//!   `Closed`, and every command for an id that is unknown or gone does nothing.
//! - At most one send of a connection is in flight: after `Pending` no further `send` until
//!   `Sent`; after fewer bytes than offered (also 0) none until `Writable`.
//! - Bytes arrive in order and only while receiving is on, which it is from the start. What
//!   arrived before `receive(id, false)` may still be handed out once, within the same `poll`.
//! - `Eof` comes once, after the last byte; sending is still possible. A reset, or any other
//!   failure of the connection, is a `Closed` with its error, without a call of `close`.
//! - `close(Graceful)` ends both directions after what the kernel already took is out;
//!   `close(Reset)` drops it (RST). No `Received`, `Sent` or `Writable` follows a `close`,
//!   but the memory of a send in flight stays alive until `Closed`.
//! - What was told as sent and still waits in the driver's memory for room at the system counts in
//!   `held`: as long as some of it waits, and no longer than its connection lives. What the next
//!   `poll` hands over before it waits does not count.
//! - A wake from any thread makes the next (or the running) `poll` return with one `Woken`;
//!   wakes before that coalesce.
//! - `poll(Some(0))` never sleeps; `poll(None)` sleeps until something happens; a spurious
//!   return with no event is legal.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{ConnId, ListenerId, Part};

/// Moves bytes between connections and the outside, for one thread.
pub trait Driver {
    /// An accepted socket that is not a connection yet; it may move to another thread's driver.
    type Socket: Send + 'static;
    /// A bound, listening socket as `listen` takes it.
    type Listener;
    /// Where `connect` goes to.
    type Target: Clone;

    /// Begins to accept on a listening socket.
    ///
    /// # Errors
    /// When the system does not take it.
    fn listen(&mut self, listener: Self::Listener) -> io::Result<ListenerId>;

    /// Stops accepting on every listener; sockets that wait in the backlog are reset.
    /// Only for the end of the process: see decision 11 in docs/architecture.md.
    fn stop_listening(&mut self);

    /// Makes an accepted socket the connection `id`.
    ///
    /// # Errors
    /// When the system does not take it; there is no connection then and no `Closed`.
    fn open(&mut self, id: ConnId, socket: Self::Socket) -> io::Result<()>;

    /// Opens the connection `id` to `target`, from the source address `from` if one is given.
    /// `Connected` follows, or `Closed` with the error.
    fn connect(&mut self, id: ConnId, target: &Self::Target, from: Option<IpAddr>);

    /// Hands bytes over, all parts in order, without waiting.
    ///
    /// The parts hold at least one byte and at most `SEND_BATCH_BYTES_MAX` in at most
    /// `SEND_BATCH_PARTS_MAX` parts. A driver that needs the bytes after the call keeps handles
    /// of its own.
    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus;

    /// Switches receiving on or off; off, the peer is held back by the transport's own window.
    fn receive(&mut self, id: ConnId, on: bool);

    /// Ends the direction to the peer (FIN) after what was sent.
    fn shutdown_write(&mut self, id: ConnId);

    /// Ends the connection; `Closed` follows in a later `poll`.
    fn close(&mut self, id: ConnId, how: Close);

    /// Bytes that the system took from us and the peer's system has not acknowledged or that are
    /// not sent yet; 0 where it cannot tell.
    fn unsent(&self, id: ConnId) -> usize;

    /// Memory, in bytes, of what was told as sent and waits here, on all connections; 0 where the
    /// system has everything that was told as sent.
    fn held(&self) -> usize {
        0
    }

    /// What TCP has counted on the connection so far; `None` where the system cannot tell, and
    /// for an id that is gone.
    fn tcp_counters(&self, id: ConnId) -> Option<TcpCounters> {
        let _ = id;
        None
    }

    /// The other end of the connection; `None` for an id that is gone.
    fn peer(&self, id: ConnId) -> Option<Peer>;

    /// What the driver keeps in the kernel that does not count as the process's descriptors.
    fn tables(&self) -> Tables {
        Tables::default()
    }

    /// A handle that wakes this driver's `poll` from any thread.
    fn waker(&self) -> Box<dyn Wake>;

    /// Waits up to `timeout` (`None`: for ever) and hands out what happened.
    ///
    /// # Errors
    /// Only when the system itself is broken; an interrupted wait is no error.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        on_event: impl FnMut(Event<'_, Self::Socket>),
    ) -> io::Result<()>;
}

/// Ends the sleep of a driver's `poll`.
pub trait Wake: Send + Sync {
    /// Wakes it; cheap to call again before it has woken.
    fn wake(&self);
}

/// What `poll` hands out.
#[derive(Debug)]
pub enum Event<'a, S> {
    /// A socket was accepted; dropping it closes it.
    Accepted {
        /// Where it was accepted.
        listener: ListenerId,
        /// The socket, to be given to `open` of this or another driver of the same kind.
        socket: S,
    },
    /// Accepting failed for lack of something (descriptors, memory); the driver tries again
    /// by itself, without spinning.
    AcceptFailed {
        /// Where.
        listener: ListenerId,
        /// Why.
        error: io::Error,
    },
    /// A connection begun by `connect` is there.
    Connected {
        /// Which.
        id: ConnId,
    },
    /// Bytes from the peer, in the driver's memory: gone when the call returns.
    Received {
        /// From whom.
        id: ConnId,
        /// At least one byte; mutable, so that unmasking is done in place.
        bytes: &'a mut [u8],
    },
    /// A send that was `Pending` has come back.
    Sent {
        /// Whose.
        id: ConnId,
        /// How many bytes were taken; if fewer than offered, `Writable` follows.
        bytes: usize,
    },
    /// After a short send: there is room again.
    Writable {
        /// Where.
        id: ConnId,
    },
    /// The peer will send no more.
    Eof {
        /// Which.
        id: ConnId,
    },
    /// The connection is gone and its slot is free.
    Closed {
        /// Which.
        id: ConnId,
        /// Why, if it was not our `close`: reset, refused, timed out, unreachable.
        error: Option<io::ErrorKind>,
    },
    /// Somebody used the waker.
    Woken,
}

/// What became of a `send` at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendStatus {
    /// So many bytes were taken. If fewer than offered, `Writable` follows.
    Sent(usize),
    /// The system has them; `Sent` follows.
    Pending,
    /// There is no such connection any more, or it broke and its `Closed` follows.
    Gone,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// FIN: what the system has taken is still delivered.
    Graceful,
    /// RST: what is not delivered is dropped.
    Reset,
}

/// What TCP counted on one connection, from its first segment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpCounters {
    /// Bytes that we sent and the peer acknowledged.
    pub bytes_acknowledged: u64,
    /// Bytes that we received.
    pub bytes_received: u64,
    /// Segments that we sent, acknowledgements included.
    pub segments_sent: u64,
    /// Segments that we received.
    pub segments_received: u64,
    /// Of those that we sent, segments with data.
    pub data_segments_sent: u64,
    /// Of those that we received, segments with data.
    pub data_segments_received: u64,
}

/// Rings and their tables; nothing where the system has no such thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tables {
    /// Rings, of which a further one is made when a table is nearly full.
    pub rings: usize,
    /// Entries of their tables that are in use: connections, and accepted sockets on their way.
    pub direct_descriptors: usize,
}

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Address and port.
    Inet(SocketAddr),
    /// A process on this host, over a Unix-domain socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The most bytes that one `send` offers: beyond it nothing can be dropped any more for a
/// slow consumer, since the system already has it.
pub const SEND_BATCH_BYTES_MAX: usize = 64 * 1024;

/// The most parts that one `send` offers. Beyond a few, the gather costs more than it saves:
/// a turn's publications lie in one chunk already.
pub const SEND_BATCH_PARTS_MAX: usize = 16;
