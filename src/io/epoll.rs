//! [`EpollDriver`]: the driver contract over epoll, by mio.
//!
//! Owns the descriptors of its connections and listeners and one receive buffer for all of
//! them; an idle connection costs twelve bytes here. Who is behind a [`ConnId`], and what
//! the bytes mean, is left to others; so is every deadline.
//!
//! Traps:
//!
//! - Edge-triggered, both interests registered once, never changed. What is not drained is
//!   remembered (`EpollFlags::READABLE`) and continued by the queue; then `poll` does not sleep.
//! - A read shorter than the buffer means drained: what comes later is a new edge. Not so if
//!   the edge said that reading is closed (the end is behind the bytes, and no edge follows it),
//!   and not so for Unix sockets, whose reads also stop at passed descriptors.
//! - EPOLLOUT comes with every edge, so it means `Writable` only if a send was short. The kernel
//!   gives the edge after a short send because it marks the socket as out of space.
//! - Bytes before a reset can still be read, so an error edge is answered by reading up to it;
//!   only if nobody reads (receiving off, end seen) is the error asked for.
//! - Closing a TCP socket with unread input sends RST and drops what is still to be sent, so
//!   a graceful close ends our direction first and drains what has arrived. Input that comes
//!   after that still resets: who expects more input than that waits for `Eof` between
//!   `shutdown_write` and `close`.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, socket_error};
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use crate::base::{Address, ConnId, ListenerId, Part};

use super::driver::{
    Close, Driver, Event, Peer, SEND_BATCH_PARTS_MAX, SendStatus, TcpCounters, Wake,
};
use super::sys::{self, ListenSocket};

use acceptor::{AcceptorStep, EpollAcceptor};
use entry::{EpollEntry, EpollFlags, RESERVED_GENERATION, TokenOwner};
use wake::EpollWaker;

pub use socket::EpollSocket;

mod acceptor;
mod entry;
mod socket;
mod wake;

/// The bounds of an [`EpollDriver`].
#[derive(Clone, Debug)]
pub struct EpollOptions {
    /// The one receive buffer, in bytes; the most that one `Received` holds.
    pub receive_buffer_bytes: usize,
    /// Reads of one connection in one `poll`; the rest follows in the next one.
    pub reads_per_turn_max: usize,
    /// Connections accepted by one listener in one `poll`; the rest follows in the next one.
    pub accepts_per_turn_max: usize,
    /// Sockets that one `poll` asks the kernel about.
    pub events_per_turn_max: usize,
}

impl Default for EpollOptions {
    fn default() -> Self {
        Self {
            receive_buffer_bytes: 256 * 1024,
            reads_per_turn_max: 4,
            accepts_per_turn_max: 256,
            events_per_turn_max: 1024,
        }
    }
}

/// Moves bytes by readiness: system calls at once, the rest by edges of epoll.
#[derive(Debug)]
pub struct EpollDriver {
    epoll: Poll,
    events: Events,
    waker: EpollWaker,
    acceptors: Vec<Option<EpollAcceptor>>,
    connections: EpollConnections,
    options: EpollOptions,
}

impl EpollDriver {
    /// A driver without connections.
    ///
    /// # Errors
    /// When the system gives no epoll or eventfd descriptor.
    pub fn new(options: EpollOptions) -> io::Result<Self> {
        let epoll = Poll::new()?;
        let waker = EpollWaker::new(epoll.registry(), TokenOwner::Waker.token())?;
        Ok(Self {
            epoll,
            events: Events::with_capacity(options.events_per_turn_max),
            waker,
            acceptors: Vec::new(),
            connections: EpollConnections::new(&options),
            options,
        })
    }

    /// How long the kernel may keep us waiting, given what is still to do.
    fn sleep(&self, timeout: Option<Duration>) -> Option<Duration> {
        if !self.connections.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let looks = self.acceptors.iter().flatten();
        looks
            .filter_map(EpollAcceptor::next_look)
            .chain(timeout)
            .min()
    }

    fn accept(&mut self, on_event: &mut impl FnMut(Event<'_, EpollSocket>)) {
        for (index, acceptor) in (0..).zip(&mut self.acceptors) {
            let listener = ListenerId(index);
            let Some(acceptor) = acceptor.as_mut().filter(|a| a.is_due()) else {
                continue;
            };
            for _ in 0..self.options.accepts_per_turn_max {
                match acceptor.accept() {
                    AcceptorStep::Accepted(socket) => {
                        on_event(Event::Accepted { listener, socket })
                    }
                    AcceptorStep::Failed(error) => {
                        on_event(Event::AcceptFailed { listener, error });
                        break;
                    }
                    AcceptorStep::Done => break,
                }
            }
        }
    }

    fn handle_freed(&mut self) {
        let acceptors = self.acceptors.iter_mut().flatten();
        acceptors.for_each(EpollAcceptor::handle_freed);
    }
}

impl Driver for EpollDriver {
    type Socket = EpollSocket;
    type Listener = ListenSocket;
    type Target = Address;

    fn listen(&mut self, listener: ListenSocket) -> io::Result<ListenerId> {
        let index = u16::try_from(self.acceptors.len())
            .map_err(|_| io::Error::other("a driver has at most 65,536 listeners"))?;
        self.epoll.registry().register(
            &mut SourceFd(&listener.as_fd().as_raw_fd()),
            TokenOwner::Listener(index.into()).token(),
            Interest::READABLE,
        )?;
        self.acceptors.push(Some(EpollAcceptor::new(listener)));
        Ok(ListenerId(index))
    }

    fn stop_listening(&mut self) {
        self.acceptors.iter_mut().for_each(|a| *a = None);
    }

    fn open(&mut self, id: ConnId, socket: EpollSocket) -> io::Result<()> {
        let flags = if socket.is_unix { EpollFlags::UNIX } else { 0 };
        let registry = self.epoll.registry();
        self.connections.insert(registry, id, socket.fd, flags)
    }

    fn connect(&mut self, id: ConnId, target: &Address, from: Option<IpAddr>) {
        let flags = match target {
            Address::Inet(_) => EpollFlags::CONNECTING,
            Address::Unix(_) => EpollFlags::CONNECTING | EpollFlags::UNIX,
        };
        let registry = self.epoll.registry();
        let connections = &mut self.connections;
        let begun = sys::connect(target, from)
            .and_then(|socket| connections.insert(registry, id, socket, flags));
        if let Err(error) = begun {
            connections.insert_failed(id, &error);
        }
    }

    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus {
        self.connections.send(id, parts)
    }

    fn receive(&mut self, id: ConnId, on: bool) {
        self.connections.receive(id, on);
    }

    fn shutdown_write(&mut self, id: ConnId) {
        if let Some((socket, _)) = self.connections.live(id) {
            // A failure is the connection's own; its edge comes or has come.
            let _ = net::shutdown(socket, Shutdown::Write);
        }
    }

    fn close(&mut self, id: ConnId, how: Close) {
        self.connections.close(id, how);
        self.handle_freed();
    }

    fn unsent(&self, id: ConnId) -> usize {
        let socket = self
            .connections
            .entry(id)
            .and_then(|entry| entry.socket.as_ref());
        socket.map_or(0, sys::unacknowledged)
    }

    fn tcp_counters(&self, id: ConnId) -> Option<TcpCounters> {
        let socket = self.connections.entry(id)?.socket.as_ref()?;
        sys::tcp_counters(socket)
    }

    fn peer(&self, id: ConnId) -> Option<Peer> {
        let entry = self.connections.entry(id)?;
        let socket = entry.socket.as_ref()?;
        if entry.flags.has(EpollFlags::UNIX) {
            return Some(Peer::Unix);
        }
        let name = net::getpeername(socket).ok()??;
        name.try_into().ok().map(Peer::Inet)
    }

    fn waker(&self) -> Box<dyn Wake> {
        Box::new(self.waker.clone())
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        mut on_event: impl FnMut(Event<'_, EpollSocket>),
    ) -> io::Result<()> {
        let timeout = self.sleep(timeout);
        match self.epoll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            match TokenOwner::of(event.token()) {
                TokenOwner::Waker => {
                    self.waker.handle_woken();
                    on_event(Event::Woken);
                }
                TokenOwner::Listener(index) => {
                    if let Some(Some(acceptor)) = self.acceptors.get_mut(index as usize) {
                        acceptor.handle_readable();
                    }
                }
                TokenOwner::Connection(id) => self.connections.handle_edge(id, event),
            }
        }
        if self.connections.serve(&mut on_event) {
            self.handle_freed();
        }
        self.accept(&mut on_event);
        Ok(())
    }
}

/// The connections and what is to be done for them.
#[derive(Debug)]
struct EpollConnections {
    /// Indexed by `ConnId::slot`.
    table: Vec<EpollEntry>,
    /// Connections for the next turn, each once.
    queue: Vec<ConnId>,
    /// The queue of the turn under way; empty between polls.
    turn: Vec<ConnId>,
    buffer: Box<[u8]>,
    reads_per_turn_max: usize,
}

/// What serving a connection for one turn came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionProgress {
    /// There is nothing to do until the next edge or command.
    Idle,
    /// There is more to do than one turn allows.
    Again,
    /// The connection broke.
    Broken(io::ErrorKind),
}

impl EpollConnections {
    fn new(options: &EpollOptions) -> Self {
        Self {
            table: Vec::new(),
            queue: Vec::new(),
            turn: Vec::new(),
            buffer: vec![0; options.receive_buffer_bytes].into(),
            reads_per_turn_max: options.reads_per_turn_max,
        }
    }

    fn insert(
        &mut self,
        registry: &Registry,
        id: ConnId,
        socket: OwnedFd,
        flags: u16,
    ) -> io::Result<()> {
        if id.generation == RESERVED_GENERATION {
            return Err(io::Error::other("this generation is reserved"));
        }
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            TokenOwner::Connection(id).token(),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let entry = self.occupy(id);
        entry.flags.set(flags);
        entry.socket = Some(socket);
        Ok(())
    }

    /// A connection that broke before it had a socket.
    fn insert_failed(&mut self, id: ConnId, error: &io::Error) {
        self.occupy(id).error = Some(error.kind());
        self.end(id);
    }

    fn occupy(&mut self, id: ConnId) -> &mut EpollEntry {
        if self.table.len() <= id.index() {
            self.table.resize_with(id.index() + 1, EpollEntry::default);
        }
        let entry = &mut self.table[id.index()];
        debug_assert!(entry.is_free(), "slot of {id} used before its Closed");
        *entry = EpollEntry {
            generation: id.generation,
            ..EpollEntry::default()
        };
        entry
    }

    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus {
        let Some((socket, flags)) = self.live(id) else {
            return SendStatus::Gone;
        };
        debug_assert!(!flags.has(EpollFlags::BLOCKED), "send before Writable");
        match send_parts(socket, parts) {
            Ok((sent, true)) => SendStatus::Sent(sent),
            Ok((sent, false)) => {
                flags.set(EpollFlags::BLOCKED);
                SendStatus::Sent(sent)
            }
            Err(error) => {
                self.table[id.index()].error = Some(io::Error::from(error).kind());
                self.end(id);
                SendStatus::Gone
            }
        }
    }

    fn receive(&mut self, id: ConnId, on: bool) {
        let Some((_, flags)) = self.live(id) else {
            return;
        };
        if !on {
            flags.set(EpollFlags::PAUSED);
            return;
        }
        flags.clear(EpollFlags::PAUSED);
        if flags.has(EpollFlags::READABLE) {
            self.enqueue(id);
        }
    }

    fn close(&mut self, id: ConnId, how: Close) {
        let Some(socket) = self.entry(id).and_then(|e| e.socket.as_ref()) else {
            return;
        };
        if how == Close::Reset {
            // Without effect on a Unix socket, where only unread input resets. Elsewhere a
            // failure means that the connection is gone already.
            let _ = set_socket_linger(socket, Some(Duration::ZERO));
        } else if let Some(socket) = self.table[id.index()].socket.take() {
            finish(&socket, &mut self.buffer);
        }
        self.end(id);
    }

    /// Lets the socket go; `Closed` follows in the next turn.
    fn end(&mut self, id: ConnId) {
        let entry = &mut self.table[id.index()];
        entry.socket = None;
        entry.flags.set(EpollFlags::ENDING);
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: ConnId) {
        let flags = &mut self.table[id.index()].flags;
        if !flags.has(EpollFlags::QUEUED) {
            flags.set(EpollFlags::QUEUED);
            self.queue.push(id);
        }
    }

    fn handle_edge(&mut self, id: ConnId, event: &mio::event::Event) {
        let Some((_, flags)) = self.live(id) else {
            return;
        };
        if event.is_readable() {
            flags.set(EpollFlags::READABLE);
        }
        if event.is_read_closed() {
            flags.set(EpollFlags::READABLE | EpollFlags::READ_ON);
        }
        if event.is_error() {
            flags.set(EpollFlags::READABLE | EpollFlags::READ_ON | EpollFlags::ERROR);
        }
        // Kept only for who waits for it: nobody takes it back when the room is used up.
        if event.is_writable() && flags.has(EpollFlags::BLOCKED | EpollFlags::CONNECTING) {
            flags.set(EpollFlags::WRITABLE);
        }
        if flags.has(EpollFlags::READABLE | EpollFlags::WRITABLE) {
            self.enqueue(id);
        }
    }

    /// Does one turn's work for all that are queued; says whether a socket was let go.
    fn serve(&mut self, on_event: &mut impl FnMut(Event<'_, EpollSocket>)) -> bool {
        let mut freed = false;
        std::mem::swap(&mut self.queue, &mut self.turn);
        for i in 0..self.turn.len() {
            let id = self.turn[i];
            self.table[id.index()].flags.clear(EpollFlags::QUEUED);
            match self.serve_one(id, on_event) {
                ConnectionProgress::Idle => {}
                ConnectionProgress::Again => self.enqueue(id),
                ConnectionProgress::Broken(error) => {
                    self.table[id.index()] = EpollEntry::default();
                    freed = true;
                    let error = Some(error);
                    on_event(Event::Closed { id, error });
                }
            }
        }
        self.turn.clear();
        freed
    }

    fn serve_one(
        &mut self,
        id: ConnId,
        on_event: &mut impl FnMut(Event<'_, EpollSocket>),
    ) -> ConnectionProgress {
        let entry = &mut self.table[id.index()];
        if entry.flags.has(EpollFlags::ENDING) {
            let error = entry.error;
            *entry = EpollEntry::default();
            on_event(Event::Closed { id, error });
            return ConnectionProgress::Idle;
        }
        let Some(socket) = &entry.socket else {
            return ConnectionProgress::Idle;
        };
        let flags = &mut entry.flags;
        let writable = flags.take(EpollFlags::WRITABLE);
        let nobody_reads = flags.has(EpollFlags::PAUSED | EpollFlags::EOF | EpollFlags::CONNECTING);
        if flags.take(EpollFlags::ERROR)
            && nobody_reads
            && let Some(error) = pending_error(socket)
        {
            return ConnectionProgress::Broken(error);
        }
        if writable && flags.take(EpollFlags::CONNECTING) {
            on_event(Event::Connected { id });
        }
        if writable && flags.take(EpollFlags::BLOCKED) {
            on_event(Event::Writable { id });
        }
        self.read(id, on_event)
    }

    fn read(
        &mut self,
        id: ConnId,
        on_event: &mut impl FnMut(Event<'_, EpollSocket>),
    ) -> ConnectionProgress {
        let EpollEntry { socket, flags, .. } = &mut self.table[id.index()];
        let Some(socket) = socket else {
            return ConnectionProgress::Idle;
        };
        let waits = flags.has(EpollFlags::PAUSED | EpollFlags::EOF | EpollFlags::CONNECTING);
        if waits || !flags.has(EpollFlags::READABLE) {
            return ConnectionProgress::Idle;
        }
        for _ in 0..self.reads_per_turn_max {
            match net::recv(&*socket, &mut *self.buffer, RecvFlags::empty()) {
                Ok((_, 0)) => {
                    flags.clear(EpollFlags::READABLE);
                    flags.set(EpollFlags::EOF);
                    on_event(Event::Eof { id });
                    return ConnectionProgress::Idle;
                }
                Ok((_, n)) => {
                    let bytes = &mut self.buffer[..n];
                    on_event(Event::Received { id, bytes });
                    let is_short = n < self.buffer.len();
                    if is_short && !flags.has(EpollFlags::READ_ON | EpollFlags::UNIX) {
                        flags.clear(EpollFlags::READABLE);
                        return ConnectionProgress::Idle;
                    }
                }
                Err(Errno::AGAIN) => {
                    flags.clear(EpollFlags::READABLE | EpollFlags::READ_ON);
                    return ConnectionProgress::Idle;
                }
                Err(Errno::INTR) => {}
                Err(error) => return ConnectionProgress::Broken(io::Error::from(error).kind()),
            }
        }
        ConnectionProgress::Again
    }

    /// The socket and the flags of a connection that has not ended.
    fn live(&mut self, id: ConnId) -> Option<(&OwnedFd, &mut EpollFlags)> {
        match self.table.get_mut(id.index())? {
            EpollEntry {
                socket: Some(socket),
                generation,
                flags,
                ..
            } if *generation == id.generation => Some((socket, flags)),
            _ => None,
        }
    }

    fn entry(&self, id: ConnId) -> Option<&EpollEntry> {
        let entry = self.table.get(id.index())?;
        (entry.generation == id.generation).then_some(entry)
    }
}

/// Sends what the kernel takes: how many bytes, and whether that is all of them.
fn send_parts(socket: &OwnedFd, parts: &[Part]) -> Result<(usize, bool), Errno> {
    const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
    loop {
        let (sent, offered) = match parts {
            [part] => {
                let bytes = part.bytes();
                (net::send(socket, bytes, FLAGS), bytes.len())
            }
            _ => gather(socket, parts, FLAGS),
        };
        match sent {
            Ok(sent) => return Ok((sent, sent == offered)),
            Err(Errno::AGAIN) => return Ok((0, false)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn gather(socket: &OwnedFd, parts: &[Part], flags: SendFlags) -> (Result<usize, Errno>, usize) {
    debug_assert!((1..=SEND_BATCH_PARTS_MAX).contains(&parts.len()));
    let mut slices = [IoSlice::new(&[]); SEND_BATCH_PARTS_MAX];
    let mut offered = 0;
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part.bytes());
        offered += slice.len();
    }
    let count = parts.len().min(SEND_BATCH_PARTS_MAX);
    let control = &mut SendAncillaryBuffer::default();
    let sent = net::sendmsg(socket, &slices[..count], control, flags);
    (sent, offered)
}

/// The most reads that throw unread input away before a graceful close: with the buffer's
/// 256 KiB they hold more than the kernel's largest receive window by default, 6 MiB.
const DRAIN_READS_MAX: usize = 32;

/// Ends our direction and throws away what has arrived, so that closing sends no RST.
fn finish(socket: &OwnedFd, buffer: &mut [u8]) {
    if net::shutdown(socket, Shutdown::Write).is_err() {
        return;
    }
    for _ in 0..DRAIN_READS_MAX {
        match net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, n)) if n > 0 => {}
            _ => return,
        }
    }
}

/// The error that the socket holds; asking takes it away.
fn pending_error(socket: &OwnedFd) -> Option<io::ErrorKind> {
    match socket_error(socket) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(io::Error::from(error).kind()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use crate::base::Chunk;

    use super::*;

    #[test]
    fn an_accepted_connection_echoes_and_ends() {
        let listener = sys::bind(
            &"127.0.0.1:0".parse().expect("an address"),
            &sys::ListenOptions::default(),
        )
        .expect("bind");
        let address = listener.address().to_string();
        let mut driver = EpollDriver::new(EpollOptions::default()).expect("driver");
        driver.listen(listener).expect("listen");
        let mut peer = TcpStream::connect(address).expect("connect");
        peer.write_all(b"hello").expect("write");
        let id = ConnId {
            slot: 3,
            generation: 9,
        };
        let mut socket = None;
        while socket.is_none() {
            let keep = |event: Event<'_, EpollSocket>| {
                if let Event::Accepted { socket: s, .. } = event {
                    socket = Some(s);
                }
            };
            driver.poll(None, keep).expect("poll");
        }
        driver.open(id, socket.expect("accepted")).expect("open");
        let mut received = Vec::new();
        while received.len() < 5 {
            let keep = |event: Event<'_, EpollSocket>| {
                if let Event::Received { bytes, .. } = event {
                    received.extend_from_slice(bytes);
                }
            };
            driver.poll(None, keep).expect("poll");
        }
        let parts = [Part::whole(Chunk::private(received))];
        assert_eq!(driver.send(id, &parts), SendStatus::Sent(5));
        driver.close(id, Close::Graceful);
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).expect("read");
        assert_eq!(answer, b"hello");
        let mut closed = 0;
        let count = |event: Event<'_, EpollSocket>| {
            closed += i32::from(matches!(event, Event::Closed { error: None, .. }));
        };
        driver.poll(None, count).expect("poll");
        assert_eq!(closed, 1);
    }
}
