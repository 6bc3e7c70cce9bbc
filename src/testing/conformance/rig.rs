//! Drives a driver and its peers, and checks the rules that hold in every script.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crate::base::{Chunk, ConnId, Part, clock};
use crate::io::driver::{SEND_BATCH_BYTES_MAX, SEND_BATCH_PARTS_MAX};
use crate::io::{Close, Driver, Event, SendStatus};

use super::{Harness, RawPeer};

/// How long a script may wait for one condition.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// How long one `poll` sleeps at most while peers have to be pumped.
const NAP: Duration = Duration::from_millis(2);

/// What the rig knows of a connection.
#[derive(Debug)]
pub(super) struct RigConnection {
    pub(super) id: ConnId,
    pub(super) connected: bool,
    pub(super) received: Vec<u8>,
    pub(super) eof: bool,
    pub(super) closed: Option<Option<io::ErrorKind>>,
    pub(super) gone: bool,
    /// Bytes that were ever queued for sending.
    pub(super) offered: usize,
    outgoing: VecDeque<Part>,
    /// Bytes of the send in flight.
    pending: Option<usize>,
    blocked: bool,
    paused: bool,
    close_called: bool,
}

/// A driver under test, its peers, and what was seen.
pub(super) struct Rig<H: Harness> {
    pub(super) harness: H,
    pub(super) peers: Vec<H::Peer>,
    pub(super) conns: Vec<RigConnection>,
    pub(super) sockets: VecDeque<<H::Driver as Driver>::Socket>,
    pub(super) woken: usize,
    /// Connections accepted in the last `poll`.
    pub(super) accepted_last: usize,
    pub(super) accept_failures: usize,
}

impl<H: Harness> Rig<H> {
    pub(super) fn new(harness: H) -> Self {
        Self {
            harness,
            peers: Vec::new(),
            conns: Vec::new(),
            sockets: VecDeque::new(),
            woken: 0,
            accepted_last: 0,
            accept_failures: 0,
        }
    }

    /// A peer connects and its connection is opened; the index of both, and the id.
    pub(super) fn accepted(harness: H) -> (Self, ConnId) {
        let mut rig = Self::new(harness);
        let id = rig.accept();
        (rig, id)
    }

    /// One more of these, in a slot of its own.
    pub(super) fn accept(&mut self) -> ConnId {
        let id = ConnId {
            slot: u32::try_from(self.conns.len()).expect("few connections"),
            generation: 1,
        };
        self.accept_as(id);
        id
    }

    /// One more of these, with this id.
    pub(super) fn accept_as(&mut self, id: ConnId) {
        let peer = self.harness.connect();
        self.peers.push(peer);
        self.until("accepted", |rig| !rig.sockets.is_empty());
        self.open_as(id);
    }

    /// Opens the oldest accepted socket, in this slot.
    pub(super) fn open_next(&mut self, slot: usize) -> ConnId {
        let id = ConnId {
            slot: u32::try_from(slot).expect("few connections"),
            generation: 1,
        };
        self.open_as(id);
        id
    }

    fn open_as(&mut self, id: ConnId) {
        let socket = self.sockets.pop_front().expect("accepted");
        self.driver().open(id, socket).expect("open");
        self.add(id, true);
    }

    pub(super) fn connect(&mut self, id: ConnId, target: &<H::Driver as Driver>::Target) {
        self.driver().connect(id, target, None);
        self.add(id, false);
    }

    fn add(&mut self, id: ConnId, connected: bool) {
        self.conns.push(RigConnection {
            id,
            connected,
            received: Vec::new(),
            eof: false,
            closed: None,
            gone: false,
            offered: 0,
            outgoing: VecDeque::new(),
            pending: None,
            blocked: false,
            paused: false,
            close_called: false,
        });
    }

    pub(super) fn driver(&mut self) -> &mut H::Driver {
        self.harness.driver()
    }

    pub(super) fn conn(&mut self, id: ConnId) -> &mut RigConnection {
        find(&mut self.conns, id)
    }

    /// Queues bytes for sending in the turns to come.
    pub(super) fn send(&mut self, id: ConnId, bytes: &[u8]) {
        let chunk = Chunk::private(bytes.to_vec());
        let mut part = Part::whole(chunk);
        while part.len() as usize > SEND_BATCH_BYTES_MAX {
            let mut head = part.clone();
            head.end = head.start + u32::try_from(SEND_BATCH_BYTES_MAX).expect("64 KiB");
            part.start = head.end;
            self.send_part(id, head);
        }
        self.send_part(id, part);
    }

    pub(super) fn send_part(&mut self, id: ConnId, part: Part) {
        let conn = self.conn(id);
        conn.offered += part.len() as usize;
        conn.outgoing.push_back(part);
    }

    /// Whether all that was queued was taken.
    pub(super) fn is_flushed(&mut self, id: ConnId) -> bool {
        let conn = self.conn(id);
        conn.outgoing.is_empty() && conn.pending.is_none()
    }

    /// Whether the last send was short or has not come back: a system that waits by itself is
    /// never short.
    pub(super) fn is_held_up(&mut self, id: ConnId) -> bool {
        let conn = self.conn(id);
        conn.blocked || conn.pending.is_some()
    }

    pub(super) fn receive(&mut self, id: ConnId, on: bool) {
        self.conn(id).paused = !on;
        self.driver().receive(id, on);
    }

    pub(super) fn close(&mut self, id: ConnId, how: Close) {
        let conn = self.conn(id);
        conn.close_called = true;
        conn.outgoing.clear();
        self.driver().close(id, how);
    }

    /// Closes and waits for the end, which is ours and no error.
    pub(super) fn close_and_wait(&mut self, id: ConnId, how: Close) {
        self.close(id, how);
        self.until("closed", |rig| rig.conn(id).closed.is_some());
        assert_eq!(self.conn(id).closed, Some(None));
    }

    /// Runs until the condition holds.
    pub(super) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = clock::now() + DEADLINE;
        while !holds(self) {
            assert!(clock::now() < deadline, "never {what}");
            self.turn(Some(NAP));
        }
    }

    /// Runs until everything that other connections have caused has happened: one that is made
    /// after it has been echoed.
    pub(super) fn settle(&mut self) {
        let id = self.accept();
        let peer = self.peers.len() - 1;
        self.peers[peer].write(b"fence");
        self.until("received behind the fence", |rig| {
            rig.conn(id).received == b"fence"
        });
    }

    /// One turn: peers act, the driver is polled, what can be sent is sent.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) {
        self.harness.step();
        self.peers.iter_mut().for_each(RawPeer::pump);
        self.poll(timeout);
        for conn in &mut self.conns {
            flush(self.harness.driver(), conn);
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) {
        let Self {
            harness,
            conns,
            sockets,
            woken,
            accepted_last,
            accept_failures,
            ..
        } = self;
        *accepted_last = 0;
        let polled = harness.driver().poll(timeout, |event| match event {
            Event::Accepted { socket, .. } => {
                *accepted_last += 1;
                sockets.push_back(socket);
            }
            Event::AcceptFailed { .. } => *accept_failures += 1,
            Event::Woken => *woken += 1,
            Event::Connected { id }
            | Event::Received { id, .. }
            | Event::Sent { id, .. }
            | Event::Writable { id }
            | Event::Eof { id }
            | Event::Closed { id, .. } => find(conns, id).handle(event),
        });
        polled.expect("poll");
    }
}

fn find(conns: &mut [RigConnection], id: ConnId) -> &mut RigConnection {
    let found = conns.iter_mut().find(|conn| conn.id == id);
    found.unwrap_or_else(|| panic!("there was never a connection {id}"))
}

impl RigConnection {
    /// Bytes that were not taken.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.outgoing.iter().map(|part| part.len() as usize).sum()
    }

    /// Takes an event in, and holds it to the contract.
    fn handle<S>(&mut self, event: Event<'_, S>) {
        assert!(self.closed.is_none(), "something after Closed");
        let is_end = matches!(event, Event::Closed { .. });
        assert!(is_end || !self.close_called, "something after close");
        assert!(
            is_end || self.connected || matches!(event, Event::Connected { .. }),
            "something before Connected"
        );
        match event {
            Event::Connected { .. } => {
                assert!(!self.connected, "Connected twice");
                self.connected = true;
            }
            Event::Received { bytes, .. } => self.handle_received(bytes),
            Event::Eof { .. } => {
                assert!(!self.eof, "Eof twice");
                self.eof = true;
            }
            Event::Sent { bytes, .. } => self.handle_sent(bytes),
            Event::Writable { .. } => {
                assert!(self.blocked, "Writable without a short send");
                self.blocked = false;
            }
            Event::Closed { error, .. } => self.closed = Some(error),
            Event::Accepted { .. } | Event::AcceptFailed { .. } | Event::Woken => {}
        }
    }

    fn handle_received(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "Received nothing");
        assert!(!self.eof, "Received after Eof");
        assert!(!self.paused, "Received while receiving is off");
        self.received.extend_from_slice(bytes);
    }

    fn handle_sent(&mut self, bytes: usize) {
        let offered = self.pending.take().expect("Sent without a pending send");
        self.handle_taken(bytes, offered);
    }

    fn handle_taken(&mut self, bytes: usize, offered: usize) {
        assert!(bytes <= offered, "more sent than offered");
        self.blocked = bytes < offered;
        let mut left = u32::try_from(bytes).expect("a batch is small");
        while left > 0 {
            let part = self.outgoing.front_mut().expect("offered");
            let taken = left.min(part.len());
            part.start += taken;
            left -= taken;
            if part.is_empty() {
                self.outgoing.pop_front();
            }
        }
    }
}

/// Sends of the connection what the contract allows to be sent now.
fn flush<D: Driver>(driver: &mut D, conn: &mut RigConnection) {
    let can_send = |conn: &RigConnection| {
        let ended = conn.closed.is_some() || conn.close_called || conn.gone;
        conn.connected && !ended && !conn.blocked && conn.pending.is_none()
    };
    while can_send(conn) && !conn.outgoing.is_empty() {
        let mut bytes = 0;
        let fits = |part: &&Part| {
            bytes += part.len() as usize;
            bytes <= SEND_BATCH_BYTES_MAX
        };
        let parts = conn.outgoing.iter().take(SEND_BATCH_PARTS_MAX);
        let batch: Vec<Part> = parts.take_while(fits).cloned().collect();
        let offered = batch.iter().map(|part| part.len() as usize).sum();
        match driver.send(conn.id, &batch) {
            SendStatus::Sent(sent) => conn.handle_taken(sent, offered),
            SendStatus::Pending => conn.pending = Some(offered),
            SendStatus::Gone => conn.gone = true,
        }
    }
}

/// `count` bytes that tell a lost, doubled or moved one.
pub(super) fn pattern(count: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(count as u64);
    (0..count).map(|_| rng.u8(..)).collect()
}
