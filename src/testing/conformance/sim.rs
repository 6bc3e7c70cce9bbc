//! The simulated driver under test.

use crate::testing::{Profile, SimDriver, SimListener, SimNet, SimPeer, SimTarget};

use super::{Harness, RawPeer};

pub(super) struct SimHarness {
    net: SimNet,
    driver: SimDriver,
    listener: SimListener,
    target: SimTarget,
}

/// Everything at once.
pub(super) fn smooth() -> SimHarness {
    SimHarness::new(0, Profile::smooth())
}

/// Everything that the contract allows.
pub(super) fn rough(seed: u64) -> SimHarness {
    SimHarness::new(seed, Profile::rough())
}

impl SimHarness {
    fn new(seed: u64, profile: Profile) -> Self {
        use crate::io::Driver as _;
        let net = SimNet::new(seed, profile);
        let mut driver = SimDriver::new(&net);
        let listener = net.listener();
        driver.listen(listener).expect("listen");
        let target = net.target();
        Self {
            net,
            driver,
            listener,
            target,
        }
    }
}

impl Harness for SimHarness {
    type Driver = SimDriver;
    type Peer = PlayedPeer;

    const SLEEPS: bool = false;
    const RESETS: bool = true;

    fn driver(&mut self) -> &mut SimDriver {
        &mut self.driver
    }

    fn accepts_per_turn_max(&self) -> usize {
        usize::MAX
    }

    fn connect(&mut self) -> PlayedPeer {
        PlayedPeer::new(self.net.connect(self.listener))
    }

    fn target(&mut self) -> SimTarget {
        self.target
    }

    fn answer(&mut self) -> Option<PlayedPeer> {
        self.net.next_connected(self.target).map(PlayedPeer::new)
    }

    fn nobody(&mut self) -> SimTarget {
        SimTarget::NOBODY
    }

    fn step(&mut self) {
        if let Some(at) = self.net.next_event() {
            self.net.advance(at.since(self.net.now()));
        }
    }
}

pub(super) struct PlayedPeer {
    peer: SimPeer,
    reading: bool,
    received: Vec<u8>,
}

impl PlayedPeer {
    fn new(peer: SimPeer) -> Self {
        Self {
            peer,
            reading: true,
            received: Vec::new(),
        }
    }
}

impl RawPeer for PlayedPeer {
    fn write(&mut self, bytes: &[u8]) {
        self.peer.write(bytes);
    }

    fn unwritten(&self) -> usize {
        0
    }

    fn set_reading(&mut self, on: bool) {
        self.reading = on;
        self.peer.set_reading(on);
    }

    fn pump(&mut self) {
        if self.reading {
            self.received.extend(self.peer.read(usize::MAX));
        }
    }

    fn received(&self) -> &[u8] {
        &self.received
    }

    fn is_ended(&self) -> bool {
        self.peer.is_ended() && self.peer.readable() == 0
    }

    fn is_reset(&self) -> bool {
        self.peer.is_reset()
    }

    fn fin(&mut self) {
        self.peer.fin();
    }

    fn reset(&mut self) {
        self.peer.reset();
    }
}
