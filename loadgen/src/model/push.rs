//! Push: WebSocket, server-sent events and streaming, which differ in a few bytes.

use super::cost::{EXCHANGE_SEGMENTS, PUSH_SEGMENTS};
use super::{Cost, Traffic};

/// One client of a server that pushes, and its place among all others.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Push {
    /// What is published.
    pub traffic: Traffic,
    /// N: clients that get each publication.
    pub clients: f64,
    /// d: from the publication to the first client, in seconds.
    pub delay: f64,
    /// μ: what the server sends in a second, to all clients together.
    pub sends_per_second: f64,
    /// The payload with its framing.
    pub publication: f64,
    /// What keeps a silent connection alive, both directions together.
    pub keepalive: Keepalive,
    /// At most one push in so many seconds.
    pub conflate: Option<f64>,
}

/// What keeps a silent connection alive.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Keepalive {
    /// From one to the next, in seconds.
    pub interval: f64,
    /// One of them, both ways.
    pub cost: Cost,
}

impl Keepalive {
    /// A ping of 2 bytes, its masked pong of 6, and the acknowledgement of that.
    #[must_use]
    pub const fn ping(interval: f64) -> Self {
        Self {
            interval,
            cost: Cost::new(8.0, EXCHANGE_SEGMENTS),
        }
    }

    /// So many bytes from the server, which nobody answers.
    #[must_use]
    pub const fn comment(interval: f64, bytes: f64) -> Self {
        Self {
            interval,
            cost: Cost::new(bytes, PUSH_SEGMENTS),
        }
    }
}

impl Push {
    /// Staleness at a quantile from 0 to 1: d and the place among all clients, q·N/μ.
    #[must_use]
    pub fn staleness(&self, quantile: f64) -> f64 {
        self.delay + quantile * self.drain()
    }

    /// Mean staleness: d + N/2μ.
    #[must_use]
    pub fn staleness_mean(&self) -> f64 {
        self.staleness(0.5)
    }

    /// From the first client to the last: N/μ.
    #[must_use]
    pub fn drain(&self) -> f64 {
        self.clients / self.sends_per_second
    }

    /// The share of time in which a client shows something old, while others are served:
    /// λN/2μ, at most 1.
    #[must_use]
    pub fn outdated_share(&self) -> f64 {
        (self.traffic.rate * self.drain() / 2.0).min(1.0)
    }

    /// How busy the server is: λN/μ. It is stable below 1.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        self.traffic.rate * self.drain()
    }

    /// Pushes a second to one client.
    #[must_use]
    pub fn pushes(&self) -> f64 {
        match self.conflate {
            Some(interval) => self.traffic.conflated(interval),
            None => self.traffic.rate,
        }
    }

    /// What a second of one client costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let push = Cost::new(self.publication, PUSH_SEGMENTS);
        push * self.pushes() + self.keepalive.cost * (1.0 / self.keepalive.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::SEGMENT_HEAD_BYTES;
    use super::super::traffic::Arrivals;
    use super::*;

    /// A WebSocket with 100 bytes and a ping every 25 s.
    pub(crate) fn example(rate: f64) -> Push {
        Push {
            traffic: Traffic {
                rate,
                arrivals: Arrivals::Poisson,
            },
            clients: 100_000.0,
            delay: 0.0,
            sends_per_second: 1_000_000.0,
            publication: 102.0,
            keepalive: Keepalive::ping(25.0),
            conflate: None,
        }
    }

    #[test]
    fn bytes_of_a_second_by_update_rate() {
        let bytes = |rate| (10.0 * example(rate).cost().wire(SEGMENT_HEAD_BYTES)).round() / 10.0;
        assert_eq!(bytes(10.0), 2066.6);
        assert_eq!(bytes(1.0), 212.6);
        assert_eq!(bytes(0.5), 109.6);
        assert_eq!(bytes(0.2), 47.8);
        assert_eq!(bytes(0.1), 27.2);
        assert_eq!(bytes(0.01), 8.6);
        assert_eq!(bytes(0.001), 6.8);
    }

    #[test]
    fn a_hundred_thousand_clients_at_a_million_sends_a_second() {
        let push = example(1.0);
        assert_eq!(push.drain(), 0.1);
        assert_eq!(push.staleness(0.5), 0.05);
        assert_eq!((push.utilization(), push.outdated_share()), (0.1, 0.05));
    }

    #[test]
    fn conflation_bounds_the_pushes() {
        let push = Push {
            conflate: Some(2.0),
            ..example(10.0)
        };
        assert!((push.pushes() - 0.5).abs() < 1e-6);
    }
}
