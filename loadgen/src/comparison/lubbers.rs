//! The three cases of Lubbers and Greco: their arithmetic beside what was measured.

use serde::{Deserialize, Serialize};

use crate::model::claims;

/// One of their cases; all rates in decimal Mbit/s but theirs, whose Mbit is 2^20 bits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Clients.
    pub clients: u32,
    /// Clients that were measured; fewer than `clients` where the host does not hold them, and
    /// then the measured rates are extrapolated.
    pub measured_clients: u32,
    /// Their polling, heads alone.
    pub claimed_poll: f64,
    /// Their WebSocket, frame heads alone.
    pub claimed_push: f64,
    /// Their polling with TCP and IP under it, calculated.
    pub calculated_poll_wire: f64,
    /// Their WebSocket with TCP and IP under it, calculated.
    pub calculated_push_wire: f64,
    /// Ours, bytes at the socket.
    pub poll_app: Option<f64>,
    /// Ours, with TCP and IP.
    pub poll_wire: Option<f64>,
    /// Ours, bytes at the socket.
    pub push_app: Option<f64>,
    /// Ours, with TCP and IP.
    pub push_wire: Option<f64>,
}

impl Row {
    /// Their arithmetic for so many clients.
    #[must_use]
    pub(crate) fn new(clients: u32, measured_clients: u32) -> Self {
        let theirs = claims::lubbers(f64::from(clients));
        Self {
            clients,
            measured_clients,
            claimed_poll: theirs.poll,
            claimed_push: theirs.push,
            calculated_poll_wire: theirs.poll_wire,
            calculated_push_wire: theirs.push_wire,
            poll_app: None,
            poll_wire: None,
            push_app: None,
            push_wire: None,
        }
    }

    /// Whether the measured rates are of fewer clients, multiplied.
    #[must_use]
    pub(crate) fn is_extrapolated(&self) -> bool {
        self.measured_clients < self.clients
    }

    /// Mbit/s of all clients from the bytes of one client in a second.
    #[must_use]
    pub(crate) fn megabits(&self, bytes_per_client_second: f64) -> f64 {
        f64::from(self.clients) * bytes_per_client_second * 8.0 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_host_is_marked() {
        let row = Row::new(100_000, 10_000);
        assert!(row.is_extrapolated() && !Row::new(1_000, 1_000).is_extrapolated());
        assert_eq!(row.megabits(871.0).round(), 697.0);
        assert_eq!(row.claimed_poll.round(), 665.0);
    }
}
