//! The worker's driver, watched: what it hands out, byte by byte, and when.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use altavoz::base::{ConnId, ListenerId, Part, Time};
use altavoz::io::{Close, Driver, Event, Peer, SendStatus, Wake};
use altavoz::testing::{SimDriver, SimListener, SimNet, SimSocket, SimTarget};

/// What each look at the clock takes: handling an event is not for nothing, so that the moment of
/// a read is not that of its turn.
pub(crate) const TICK: Duration = Duration::from_micros(3);

/// Which connection of which worker.
pub(crate) type Name = (usize, ConnId);

/// What a worker was handed, or did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// It begins a connection.
    Connects,
    /// TCP is there.
    Connected,
    /// It was handed so many bytes.
    Received(usize),
    /// The server's direction ended.
    Eof,
    /// The connection is gone.
    Closed(Option<io::ErrorKind>),
    /// It ends the connection.
    Leaves,
}

/// One of these, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) name: Name,
    pub(crate) what: What,
    pub(crate) at: Time,
}

/// What all workers were handed; a handle, cheap to clone.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log(Rc<RefCell<Pages>>);

#[derive(Default, Debug)]
struct Pages {
    notes: Vec<Note>,
    /// Connections in the order in which they were begun, which is that of the server's backlog.
    begun: Vec<Name>,
}

impl Log {
    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.borrow_mut().notes)
    }

    /// Whose the connection is that was begun so many connections after the first.
    pub(crate) fn name(&self, number: usize) -> Name {
        self.0.borrow().begun[number]
    }

    fn note(&self, note: Note) {
        let mut pages = self.0.borrow_mut();
        if note.what == What::Connects {
            pages.begun.push(note.name);
        }
        pages.notes.push(note);
    }
}

/// A simulated driver that notes what passes through it.
pub(crate) struct Watched {
    driver: SimDriver,
    net: SimNet,
    worker: usize,
    log: Log,
    /// How long its last `poll` would have slept.
    asleep: Rc<RefCell<Duration>>,
}

impl Watched {
    pub(crate) fn new(
        net: &SimNet,
        worker: usize,
        log: &Log,
        asleep: &Rc<RefCell<Duration>>,
    ) -> Self {
        Self {
            driver: SimDriver::new(net),
            net: net.clone(),
            worker,
            log: log.clone(),
            asleep: asleep.clone(),
        }
    }

    fn note(&self, id: ConnId, what: What) {
        let (name, at) = ((self.worker, id), self.net.now());
        self.log.note(Note { name, what, at });
    }
}

impl Driver for Watched {
    type Socket = SimSocket;
    type Listener = SimListener;
    type Target = SimTarget;

    fn listen(&mut self, listener: SimListener) -> io::Result<ListenerId> {
        self.driver.listen(listener)
    }

    fn stop_listening(&mut self) {
        self.driver.stop_listening();
    }

    fn open(&mut self, id: ConnId, socket: SimSocket) -> io::Result<()> {
        self.driver.open(id, socket)
    }

    fn connect(&mut self, id: ConnId, target: &SimTarget, from: Option<IpAddr>) {
        self.note(id, What::Connects);
        self.driver.connect(id, target, from);
    }

    fn send(&mut self, id: ConnId, parts: &[Part]) -> SendStatus {
        self.driver.send(id, parts)
    }

    fn receive(&mut self, id: ConnId, on: bool) {
        self.driver.receive(id, on);
    }

    fn shutdown_write(&mut self, id: ConnId) {
        self.driver.shutdown_write(id);
    }

    fn close(&mut self, id: ConnId, how: Close) {
        self.note(id, What::Leaves);
        self.driver.close(id, how);
    }

    fn unsent(&self, id: ConnId) -> usize {
        self.driver.unsent(id)
    }

    fn peer(&self, id: ConnId) -> Option<Peer> {
        self.driver.peer(id)
    }

    fn waker(&self) -> Box<dyn Wake> {
        self.driver.waker()
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        mut on_event: impl FnMut(Event<'_, SimSocket>),
    ) -> io::Result<()> {
        *self.asleep.borrow_mut() = timeout.unwrap_or_default();
        let (net, log, worker) = (self.net.clone(), self.log.clone(), self.worker);
        self.driver.poll(timeout, |event| {
            let noted = match &event {
                Event::Received { id, bytes } => Some((*id, What::Received(bytes.len()))),
                Event::Connected { id } => Some((*id, What::Connected)),
                Event::Eof { id } => Some((*id, What::Eof)),
                Event::Closed { id, error } => Some((*id, What::Closed(*error))),
                _ => None,
            };
            if let Some((id, what)) = noted {
                // The worker looks at the clock as it takes this up, and that takes a tick.
                let (name, at) = ((worker, id), net.now() + TICK);
                log.note(Note { name, what, at });
            }
            on_event(event);
        })
    }
}
