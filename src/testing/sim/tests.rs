//! The simulator itself: the same seed is the same run, and nothing is lost or left over.

use std::time::Duration;

use fastrand::Rng;

use crate::base::{Chunk, ConnId, Part};
use crate::io::{Close, Driver, Event, SendStatus};

use super::{Profile, SimDriver, SimListener, SimNet, SimPeer, SimSocket};

/// What a connection of the echo has in hand.
#[derive(Default)]
struct Echo {
    waiting: Vec<u8>,
    /// A send is pending, or short.
    busy: bool,
    /// What the pending send offered.
    offered: Vec<u8>,
    ended: bool,
    closed: bool,
}

/// A shard in small: echoes everything and closes after the peer's end.
struct EchoWorld {
    net: SimNet,
    listener: SimListener,
    driver: SimDriver,
    connections: Vec<Echo>,
    sockets: Vec<SimSocket>,
    trace: Vec<String>,
}

fn id(slot: usize) -> ConnId {
    ConnId {
        slot: u32::try_from(slot).expect("few connections"),
        generation: 1,
    }
}

impl EchoWorld {
    fn new(seed: u64, profile: Profile) -> Self {
        let net = SimNet::new(seed, profile);
        let listener = net.listener();
        let mut driver = SimDriver::new(&net);
        driver.listen(listener).expect("listen");
        Self {
            net,
            listener,
            driver,
            connections: Vec::new(),
            sockets: Vec::new(),
            trace: Vec::new(),
        }
    }

    /// Runs until nothing happens any more.
    fn run(&mut self) {
        while let Some(at) = self.net.next_event() {
            self.net.advance(at.since(self.net.now()));
            self.turn();
        }
    }

    fn turn(&mut self) {
        let Self {
            driver,
            connections,
            sockets,
            trace,
            ..
        } = self;
        driver
            .poll(None, |event| {
                trace.push(format!("{event:?}"));
                handle(connections, sockets, event);
            })
            .expect("poll");
        for socket in sockets.drain(..) {
            driver.open(id(connections.len()), socket).expect("open");
            connections.push(Echo::default());
        }
        for (slot, echo) in connections.iter_mut().enumerate() {
            flush(driver, id(slot), echo);
        }
    }
}

fn handle(connections: &mut [Echo], sockets: &mut Vec<SimSocket>, event: Event<'_, SimSocket>) {
    match event {
        Event::Accepted { socket, .. } => sockets.push(socket),
        Event::AcceptFailed { .. } | Event::Woken | Event::Connected { .. } => {}
        Event::Received { id, bytes } => connections[id.index()].waiting.extend_from_slice(bytes),
        Event::Writable { id } => connections[id.index()].busy = false,
        Event::Eof { id } => connections[id.index()].ended = true,
        Event::Closed { id, .. } => {
            assert!(!connections[id.index()].closed, "closed twice");
            connections[id.index()].closed = true;
        }
        Event::Sent { id, bytes } => {
            let echo = &mut connections[id.index()];
            let offered = std::mem::take(&mut echo.offered);
            echo.busy = bytes < offered.len();
            echo.waiting.splice(..0, offered[bytes..].iter().copied());
        }
    }
}

fn flush(driver: &mut SimDriver, id: ConnId, echo: &mut Echo) {
    if echo.closed || echo.busy {
        return;
    }
    if echo.waiting.is_empty() {
        if echo.ended {
            driver.close(id, Close::Graceful);
        }
        return;
    }
    let count = echo.waiting.len().min(10_000);
    let bytes: Vec<u8> = echo.waiting.drain(..count).collect();
    match driver.send(id, &[Part::whole(Chunk::private(bytes.clone()))]) {
        SendStatus::Sent(sent) => {
            echo.busy = sent < bytes.len();
            echo.waiting.splice(..0, bytes[sent..].iter().copied());
        }
        SendStatus::Pending => {
            echo.busy = true;
            echo.offered = bytes;
        }
        SendStatus::Gone => echo.busy = true,
    }
}

/// Twenty peers send random bytes; gives what each sent with its peer, and the trace.
fn echo_run(seed: u64, profile: Profile) -> (Vec<(Vec<u8>, SimPeer)>, EchoWorld) {
    let mut world = EchoWorld::new(seed, profile);
    let mut rng = Rng::with_seed(seed);
    let mut peers = Vec::new();
    for _ in 0..20 {
        let bytes: Vec<u8> = (0..rng.usize(0..30_000)).map(|_| rng.u8(..)).collect();
        let peer = world.net.connect(world.listener);
        peer.write(&bytes);
        peer.fin();
        peers.push((bytes, peer));
        world.net.advance(Duration::from_millis(rng.u64(0..5)));
        world.turn();
    }
    world.run();
    (peers, world)
}

#[test]
fn every_byte_comes_back_in_order_and_every_connection_ends() {
    for seed in 0..32 {
        let (peers, world) = echo_run(seed, Profile::rough());
        for (sent, peer) in peers {
            assert!(peer.read(usize::MAX) == sent, "seed {seed}");
            assert!(peer.is_ended() && !peer.is_reset(), "seed {seed}");
        }
        assert_eq!(world.net.connections(), 0, "seed {seed}");
    }
}

#[test]
fn a_lossy_network_gives_a_prefix_and_exactly_one_end() {
    for seed in 0..32 {
        let (peers, world) = echo_run(seed, Profile::lossy());
        for (sent, peer) in peers {
            assert!(sent.starts_with(&peer.read(usize::MAX)), "seed {seed}");
        }
        assert!(world.connections.iter().all(|c| c.closed), "seed {seed}");
        assert_eq!(world.net.connections(), 0, "seed {seed}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| echo_run(seed, Profile::lossy()).1.trace;
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}

#[test]
fn a_peer_that_does_not_read_fills_its_window_and_reading_opens_it() {
    let mut world = EchoWorld::new(1, Profile::smooth());
    let peer = world.net.connect(world.listener);
    peer.set_reading(false);
    let window = Profile::smooth().window_bytes;
    peer.write(&vec![7; window + 1000]);
    world.run();
    assert_eq!(peer.readable(), window);
    assert_eq!(peer.read(600).len(), 600);
    world.run();
    assert_eq!(peer.readable(), window);
}

#[test]
fn a_dropped_socket_is_closed() {
    let mut world = EchoWorld::new(1, Profile::smooth());
    let peer = world.net.connect(world.listener);
    world.driver.poll(None, |event| drop(event)).expect("poll");
    world.net.advance(Duration::ZERO);
    assert!(peer.is_ended());
    assert_eq!(world.net.connections(), 0);
}
