//! The far end of a simulated connection, as a test plays it.

use super::link::LinkId;
use super::net::SimNet;

/// A handle of a peer, cheap to clone; dropping it does nothing to the connection.
#[derive(Clone, Debug)]
pub struct SimPeer {
    net: SimNet,
    link: LinkId,
}

impl SimPeer {
    pub(super) fn new(net: SimNet, link: LinkId) -> Self {
        Self { net, link }
    }

    /// Sends bytes; they wait in the peer's system as long as the driver does not receive.
    pub fn write(&self, bytes: &[u8]) {
        let mut net = self.net.0.borrow_mut();
        let link = net.link_mut(self.link);
        if !link.peer_reset && !link.inbound_fin {
            link.inbound.extend(bytes);
            net.kick_delivery(self.link);
        }
    }

    /// Ends the direction to the driver.
    pub fn fin(&self) {
        let mut net = self.net.0.borrow_mut();
        net.link_mut(self.link).inbound_fin = true;
        net.kick_delivery(self.link);
    }

    /// Cuts the connection.
    pub fn reset(&self) {
        self.net.0.borrow_mut().reset_by_peer(self.link);
    }

    /// Whether the peer reads by itself whatever arrives, as it does at first. If not, its window
    /// fills up and only [`SimPeer::read`] makes room.
    pub fn set_reading(&self, on: bool) {
        let mut net = self.net.0.borrow_mut();
        let link = net.link_mut(self.link);
        link.peer_reads = on;
        if on {
            let arrived = std::mem::take(&mut link.arrived);
            link.taken.extend(arrived);
            net.kick_writable(self.link);
        }
    }

    /// What has arrived and was not asked for, at most `max` bytes of it.
    #[must_use]
    pub fn read(&self, max: usize) -> Vec<u8> {
        let mut net = self.net.0.borrow_mut();
        let link = net.link_mut(self.link);
        let first = link.taken.len().min(max);
        let mut bytes: Vec<u8> = link.taken.drain(..first).collect();
        let second = link.arrived.len().min(max - first);
        bytes.extend(link.arrived.drain(..second));
        net.kick_writable(self.link);
        bytes
    }

    /// How many bytes [`SimPeer::read`] could give.
    #[must_use]
    pub fn readable(&self) -> usize {
        let net = self.net.0.borrow();
        let link = net.link(self.link);
        link.taken.len() + link.arrived.len()
    }

    /// Bytes it has written that the driver has not handed out.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.net.0.borrow().link(self.link).inbound.len()
    }

    /// Whether the driver's end has sent its FIN and all before it has arrived.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.net.0.borrow().link(self.link).peer_eof
    }

    /// Whether the connection was reset, by whomever.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.net.0.borrow().link(self.link).peer_reset
    }
}
