//! A driver whose system takes every byte at once, so that only our own work is measured.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::base::{ConnId, ListenerId, Part};
use crate::io::{Close, Driver, Event, Peer, SendStatus, Wake};

/// Hands out what it is told, takes what it is given.
#[derive(Clone, Debug, Default)]
pub(super) struct GreedyDriver(Rc<Script>);

/// What happens at the driver, seen from both sides.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// Sockets that will be accepted next.
    pub(super) arrivals: Cell<usize>,
    /// Bytes that will be received next.
    pub(super) received: RefCell<VecDeque<(ConnId, Vec<u8>)>>,
    /// Sends so far.
    pub(super) sends: Cell<u64>,
}

impl GreedyDriver {
    pub(super) fn new(script: Rc<Script>) -> Self {
        Self(script)
    }
}

struct NoWaker;

impl Wake for NoWaker {
    fn wake(&self) {}
}

impl Driver for GreedyDriver {
    type Socket = ();
    type Listener = ();
    type Target = ();

    fn listen(&mut self, (): ()) -> io::Result<ListenerId> {
        Ok(ListenerId(0))
    }

    fn stop_listening(&mut self) {}

    fn open(&mut self, _: ConnId, (): ()) -> io::Result<()> {
        Ok(())
    }

    fn connect(&mut self, _: ConnId, (): &(), _: Option<IpAddr>) {}

    fn send(&mut self, _: ConnId, parts: &[Part]) -> SendStatus {
        let bytes = parts.iter().map(|part| part.len() as usize).sum();
        self.0.sends.set(self.0.sends.get() + 1);
        SendStatus::Sent(bytes)
    }

    fn receive(&mut self, _: ConnId, _: bool) {}

    fn shutdown_write(&mut self, _: ConnId) {}

    fn close(&mut self, _: ConnId, _: Close) {}

    fn unsent(&self, _: ConnId) -> usize {
        0
    }

    fn peer(&self, _: ConnId) -> Option<Peer> {
        Some(Peer::Unix)
    }

    fn waker(&self) -> Box<dyn Wake> {
        Box::new(NoWaker)
    }

    fn poll(
        &mut self,
        _: Option<Duration>,
        mut on_event: impl FnMut(Event<'_, ()>),
    ) -> io::Result<()> {
        for _ in 0..self.0.arrivals.take() {
            on_event(Event::Accepted {
                listener: ListenerId(0),
                socket: (),
            });
        }
        for (id, mut bytes) in self.0.received.take() {
            on_event(Event::Received {
                id,
                bytes: &mut bytes,
            });
        }
        Ok(())
    }
}
