//! [`UringDriver`]: the driver contract over io_uring.
//!
//! Operations are queued and handed over some hundreds at a time; the kernel does them and says
//! what came of it. Connections live in tables of descriptors that belong to the rings, so they
//! are not counted against the process's limit. Who is behind a [`ConnId`], and what the bytes
//! mean, is left to others; so is every deadline.
//!
//! `rings` waits and chooses, `link` knows what follows what for a connection, `ring` is the only
//! one that meets the kernel. Everything `unsafe` is in `ring`, `buffers`, `memory`, and in two lines where
//! the kernel names a descriptor by its number.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use io_uring::opcode;
use io_uring::types::{Fd, Fixed};
use rustix::net;

use crate::base::{Address, ConnId, ListenerId, Part};

use super::driver::{Close, Driver, Event, Peer, SendStatus, Tables, Wake};
use super::sys::{self, ListenSocket};

use acceptor::UringAcceptor;
use connections::UringConnections;
use entry::UringFlags;
use memory::OperationMemory;
use operation::{Completion, OperationKind, Token};
use rings::Rings;
use socket::SocketToOpen;
use wake::{DroppedSocket, UringWaker};

pub use options::UringOptions;
pub use probe::probe;
pub use scarcity::Scarcity;
pub use socket::UringSocket;

mod acceptor;
mod agenda;
mod buffers;
mod calls;
mod connections;
mod entry;
mod link;
mod memory;
mod operation;
mod options;
mod places;
mod probe;
mod receipts;
mod ring;
mod rings;
mod scarcity;
mod sends;
mod socket;
mod volley;
mod wake;

/// `SOCKET_URING_OP_SIOCOUTQ` of `linux/io_uring.h`.
const ASK_UNSENT: u32 = 1;

/// Moves bytes by completion: operations go to the kernel in volleys and come back.
pub struct UringDriver {
    /// Asking for a connection's peer needs them too, and does not have the driver for itself.
    rings: RefCell<Rings>,
    connections: UringConnections,
    acceptors: Vec<UringAcceptor>,
    waker: UringWaker,
    /// Whether the poll of the waker is in flight.
    waking: bool,
    dropped: Receiver<DroppedSocket>,
    options: UringOptions,
}

impl UringDriver {
    /// A driver without connections, for the thread that polls it first.
    ///
    /// # Errors
    /// When the kernel has no io_uring or not what we need of it, or gives no memory: [`probe()`]
    /// says what is missing.
    pub fn new(options: UringOptions) -> io::Result<Self> {
        let (waker, dropped) = UringWaker::new()?;
        let (size, rings_max) = options.plan();
        Ok(Self {
            rings: RefCell::new(Rings::new(size, rings_max, waker.fd())?),
            connections: UringConnections::default(),
            acceptors: Vec::new(),
            waker,
            waking: false,
            dropped,
            options,
        })
    }

    /// What was short so far.
    #[must_use]
    pub fn scarcity(&self) -> Scarcity {
        self.rings.borrow().scarcity()
    }

    /// Queues what goes on by itself: accepts, the waker's poll, closes of unwanted sockets.
    fn arm(&mut self) {
        let rings = self.rings.get_mut();
        for (ring, file) in self.dropped.try_iter() {
            rings.at(ring).discard(file);
        }
        if !self.waking {
            self.waking = true;
            let events = libc::POLLIN.cast_unsigned().into();
            let poll = opcode::PollAdd::new(Fd(self.waker.fd()), events).multi(true);
            rings
                .at(0)
                .push(Token::new(OperationKind::Wake, 0), poll.build());
        }
        for acceptor in &mut self.acceptors {
            acceptor.arm(rings);
        }
    }

    /// How long the kernel may keep us waiting, given what is still to do.
    fn sleep(&self, timeout: Option<Duration>) -> Option<Duration> {
        if self.connections.has_queued() || self.rings.borrow().is_busy() {
            return Some(Duration::ZERO);
        }
        let looks = self.acceptors.iter().filter_map(UringAcceptor::next_look);
        let looks = looks.chain(self.connections.next_look());
        looks.chain(timeout).min()
    }

    fn handle(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) {
        let rings = self.rings.get_mut();
        let freed = match completion.token.kind {
            OperationKind::Ignored | OperationKind::Call => false,
            OperationKind::Wake => {
                self.waking &= completion.has_more();
                if self.waker.handle_woken() {
                    on_event(Event::Woken);
                }
                false
            }
            OperationKind::AcceptDirect | OperationKind::AcceptPlain => {
                let acceptor = self.acceptors.get_mut(completion.token.index as usize);
                if let Some(acceptor) = acceptor {
                    acceptor.handle(rings, completion, &self.waker);
                }
                false
            }
            _ => self.connections.handle(rings, completion, on_event),
        };
        if freed {
            self.handle_freed();
        }
    }

    /// Sends of volleys that did not go out whole, and closes that wait for others.
    fn care_for_sends(&mut self) {
        let rings = self.rings.get_mut();
        for ring in 0..rings.len() {
            let ring = u8::try_from(ring).unwrap_or(u8::MAX);
            if rings.at(ring).volley.has_rests() {
                self.connections.care_for_rests(rings, ring);
            }
        }
        self.connections.stop_lingering(rings);
    }

    fn handle_freed(&mut self) {
        self.acceptors
            .iter_mut()
            .for_each(UringAcceptor::handle_freed);
    }

    fn hand_out_accepted(&mut self, on_event: &mut impl FnMut(Event<'_, UringSocket>)) {
        for (index, acceptor) in (0..).zip(&mut self.acceptors) {
            let listener = ListenerId(index);
            for _ in 0..self.options.accepts_per_turn_max {
                match acceptor.next() {
                    Some(Ok(socket)) => on_event(Event::Accepted { listener, socket }),
                    Some(Err(error)) => on_event(Event::AcceptFailed { listener, error }),
                    None => break,
                }
            }
        }
    }

    fn begin(&mut self, id: ConnId, target: &Address, from: Option<IpAddr>) -> io::Result<()> {
        let rings = self.rings.get_mut();
        let socket = sys::unconnected(target, from)?;
        let address = OperationMemory::address(target)?;
        let ring = rings.with_place()?;
        let place = (ring, rings.at(ring).install(&socket)?);
        let flags = match target {
            Address::Inet(_) => 0,
            Address::Unix(_) => UringFlags::UNIX,
        };
        self.connections.join(rings, id, place, flags, address);
        Ok(())
    }
}

impl Driver for UringDriver {
    type Socket = UringSocket;
    type Listener = ListenSocket;
    type Target = Address;

    fn listen(&mut self, listener: ListenSocket) -> io::Result<ListenerId> {
        let index = u16::try_from(self.acceptors.len())
            .map_err(|_| io::Error::other("a driver has at most 65,536 listeners"))?;
        self.acceptors.push(UringAcceptor::new(listener, index)?);
        Ok(ListenerId(index))
    }

    fn stop_listening(&mut self) {
        let rings = self.rings.get_mut();
        for acceptor in &mut self.acceptors {
            acceptor.stop(rings);
        }
        // Nobody gets in from now on, not only from the next poll.
        rings.submit();
    }

    fn open(&mut self, id: ConnId, socket: UringSocket) -> io::Result<()> {
        let rings = self.rings.get_mut();
        let (place, flags) = match socket.take(&self.waker) {
            None => return Err(io::Error::other("this socket is in another driver's table")),
            Some(SocketToOpen::Direct(ring, file)) => ((ring, file), 0),
            Some(SocketToOpen::Plain { fd, is_unix }) => {
                let ring = rings.with_place()?;
                let file = rings.at(ring).install(&fd)?;
                ((ring, file), if is_unix { UringFlags::UNIX } else { 0 })
            }
        };
        self.connections.open(rings, id, place, flags);
        Ok(())
    }

    fn connect(&mut self, id: ConnId, target: &Address, from: Option<IpAddr>) {
        if let Err(error) = self.begin(id, target, from) {
            self.connections.fail(self.rings.get_mut(), id, &error);
        }
    }

    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus {
        self.connections.send(self.rings.get_mut(), id, parts)
    }

    fn receive(&mut self, id: ConnId, on: bool) {
        if let Some(mut link) = self.connections.live(self.rings.get_mut(), id) {
            link.receive(on);
        }
    }

    fn shutdown_write(&mut self, id: ConnId) {
        if let Some(mut link) = self.connections.live(self.rings.get_mut(), id) {
            link.shutdown_write();
        }
    }

    fn close(&mut self, id: ConnId, how: Close) {
        if let Some(mut link) = self.connections.live(self.rings.get_mut(), id) {
            link.close(how);
        }
    }

    fn unsent(&self, id: ConnId) -> usize {
        let Some(entry) = self.connections.entry(id) else {
            return 0;
        };
        let mut rings = self.rings.borrow_mut();
        let ring = rings.at(entry.ring);
        let rest = if entry.flags.has(UringFlags::TAKEN) {
            ring.memory_bytes(entry.memory)
        } else {
            0
        };
        let kernels = if entry.flags.has(UringFlags::UNIX) {
            ring.export(entry.file).map_or(0, sys::unacknowledged)
        } else {
            let ask = opcode::UringCmd16::new(Fixed(entry.file), ASK_UNSENT).build();
            ring.call(ask).map_or(0, |bytes| bytes as usize)
        };
        rest + kernels
    }

    fn held(&self) -> usize {
        self.rings.borrow().held()
    }

    fn peer(&self, id: ConnId) -> Option<Peer> {
        let entry = self.connections.entry(id)?;
        if entry.flags.has(UringFlags::UNIX) {
            return Some(Peer::Unix);
        }
        let mut rings = self.rings.borrow_mut();
        let socket = rings.at(entry.ring).export(entry.file).ok()?;
        let name = net::getpeername(&socket).ok()??;
        name.try_into().ok().map(Peer::Inet)
    }

    fn tables(&self) -> Tables {
        self.rings.borrow().tables()
    }

    fn waker(&self) -> Box<dyn Wake> {
        Box::new(self.waker.clone())
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        mut on_event: impl FnMut(Event<'_, UringSocket>),
    ) -> io::Result<()> {
        self.arm();
        // Those that were found since the last wait: nothing else would end the next one for them.
        self.care_for_sends();
        let timeout = self.sleep(timeout);
        self.rings.get_mut().wait(timeout)?;
        self.care_for_sends();
        self.connections.serve(self.rings.get_mut(), &mut on_event);
        for ring in 0..self.rings.get_mut().len() {
            let ring = u8::try_from(ring).unwrap_or(u8::MAX);
            // What an enter in between brings is for the next turn.
            for _ in 0..self.rings.get_mut().at(ring).completions() {
                let Some(completion) = self.rings.get_mut().at(ring).next() else {
                    break;
                };
                if completion.token.kind == OperationKind::Discard {
                    self.rings.get_mut().at(ring).places.free();
                    self.handle_freed();
                } else {
                    self.handle(completion, &mut on_event);
                }
            }
        }
        self.hand_out_accepted(&mut on_event);
        Ok(())
    }
}
