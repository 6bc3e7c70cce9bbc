//! [`SimDriver`]: the driver contract over the simulated network. `poll` never sleeps; time is
//! the net's, and whoever runs the simulation advances it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::base::{ConnId, ListenerId, Part};
use crate::io::{Close, Driver, Event, Peer, SendStatus, Wake};

use super::event::OwnedEvent;
use super::net::{SimListener, SimNet, SimTarget};
use super::socket::SimSocket;

/// One shard's end of the network.
#[derive(Debug)]
pub struct SimDriver {
    net: SimNet,
    /// Its number in the net.
    index: usize,
    woken: Arc<AtomicBool>,
}

impl SimDriver {
    /// A further driver of the net.
    #[must_use]
    pub fn new(net: &SimNet) -> Self {
        let (index, woken) = net.0.borrow_mut().add_driver();
        Self {
            net: net.clone(),
            index,
            woken,
        }
    }
}

impl Driver for SimDriver {
    type Socket = SimSocket;
    type Listener = SimListener;
    type Target = SimTarget;

    fn listen(&mut self, listener: SimListener) -> io::Result<ListenerId> {
        Ok(self.net.0.borrow_mut().listen(self.index, listener))
    }

    fn stop_listening(&mut self) {
        self.net.0.borrow_mut().stop_listening(self.index);
    }

    fn open(&mut self, id: ConnId, socket: SimSocket) -> io::Result<()> {
        self.net.0.borrow_mut().open(self.index, id, socket.link());
        Ok(())
    }

    fn connect(&mut self, id: ConnId, target: &SimTarget, _from: Option<IpAddr>) {
        self.net.0.borrow_mut().connect(self.index, id, *target);
    }

    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus {
        self.net.0.borrow_mut().send(self.index, id, parts)
    }

    fn receive(&mut self, id: ConnId, on: bool) {
        self.net.0.borrow_mut().receive(self.index, id, on);
    }

    fn shutdown_write(&mut self, id: ConnId) {
        self.net.0.borrow_mut().shutdown_write(self.index, id);
    }

    fn close(&mut self, id: ConnId, how: Close) {
        self.net.0.borrow_mut().close(self.index, id, how);
    }

    fn unsent(&self, id: ConnId) -> usize {
        self.net.0.borrow().unsent(self.index, id)
    }

    fn held(&self) -> usize {
        self.net.0.borrow().held
    }

    fn peer(&self, id: ConnId) -> Option<Peer> {
        let number = self.net.0.borrow().link_number(self.index, id)?;
        // 10/8 in order, so that a trace tells connections apart.
        let host =
            u32::from(Ipv4Addr::new(10, 0, 0, 0)) | (u32::try_from(number).ok()? & 0xff_ffff);
        let address = SocketAddr::new(Ipv4Addr::from(host).into(), 40_000);
        Some(Peer::Inet(address))
    }

    fn waker(&self) -> Box<dyn Wake> {
        Box::new(SimWaker(self.woken.clone()))
    }

    fn poll(
        &mut self,
        _timeout: Option<Duration>,
        mut on_event: impl FnMut(Event<'_, SimSocket>),
    ) -> io::Result<()> {
        // The net is not borrowed while the handler runs, so that a test may act from there.
        let mut first = true;
        loop {
            let next = self.net.0.borrow_mut().next_happening(self.index, first);
            first = false;
            match next {
                Some(happening) => hand_out(happening, &mut on_event),
                None => return Ok(()),
            }
        }
    }
}

fn hand_out(happening: OwnedEvent, on_event: &mut impl FnMut(Event<'_, SimSocket>)) {
    on_event(match happening {
        OwnedEvent::Accepted(listener, socket) => Event::Accepted { listener, socket },
        OwnedEvent::AcceptFailed(listener, error) => Event::AcceptFailed { listener, error },
        OwnedEvent::Connected(id) => Event::Connected { id },
        OwnedEvent::Sent(id, bytes) => Event::Sent { id, bytes },
        OwnedEvent::Writable(id) => Event::Writable { id },
        OwnedEvent::Eof(id) => Event::Eof { id },
        OwnedEvent::Closed(id, error) => Event::Closed { id, error },
        OwnedEvent::Woken => Event::Woken,
        OwnedEvent::Received(id, mut bytes) => {
            let bytes = &mut bytes;
            return on_event(Event::Received { id, bytes });
        }
    });
}

#[derive(Debug)]
struct SimWaker(Arc<AtomicBool>);

impl Wake for SimWaker {
    fn wake(&self) {
        // Release pairs with the acquire where the poll takes it.
        self.0.store(true, Ordering::Release);
    }
}
