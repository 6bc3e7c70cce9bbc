//! The arithmetic of others, so that it can stand beside what is measured.

use super::cost::{Cost, EXCHANGE_SEGMENTS, PUSH_SEGMENTS, SEGMENT_HEAD_BYTES};

/// Header bytes of one request and its answer that Lubbers and Greco counted (2010).
pub const LUBBERS_HEAD_BYTES: f64 = 871.0;

/// What they took for a WebSocket message: the head of its frame.
pub const LUBBERS_FRAME_BYTES: f64 = 2.0;

/// Their use cases: clients that poll once a second and get one update a second.
pub const LUBBERS_CLIENTS: [u32; 3] = [1_000, 10_000, 100_000];

/// Bits in their Mbit: 2^20.
const LUBBERS_MEGABIT: f64 = 1_048_576.0;

/// One of their cases, in Mbit/s.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Lubbers {
    /// Their figure for polling, heads alone.
    pub poll: f64,
    /// Their figure for WebSocket, frame heads alone.
    pub push: f64,
    /// Polling with TCP and IP under it, in decimal Mbit/s.
    pub poll_wire: f64,
    /// WebSocket with TCP and IP under it, in decimal Mbit/s.
    pub push_wire: f64,
}

/// Their arithmetic for so many clients, and the same with what carries the bytes.
#[must_use]
pub fn lubbers(clients: f64) -> Lubbers {
    let theirs = |bytes: f64| clients * bytes * 8.0 / LUBBERS_MEGABIT;
    let wire = |cost: Cost| clients * cost.wire(SEGMENT_HEAD_BYTES) * 8.0 / 1e6;
    Lubbers {
        poll: theirs(LUBBERS_HEAD_BYTES),
        push: theirs(LUBBERS_FRAME_BYTES),
        poll_wire: wire(Cost::new(LUBBERS_HEAD_BYTES, EXCHANGE_SEGMENTS)),
        push_wire: wire(Cost::new(LUBBERS_FRAME_BYTES, PUSH_SEGMENTS)),
    }
}

/// The seed's bytes of a polling request, from and to.
pub const SEED_POLL_BYTES: (f64, f64) = (200.0, 300.0);

/// The seed's bytes of a WebSocket message, from and to.
pub const SEED_PUSH_BYTES: (f64, f64) = (10.0, 20.0);

/// How many times dearer a delivered update is by polling than by push, from bytes at the
/// socket, with TCP and IP, when every poll finds one.
#[must_use]
pub fn wire_ratio(poll_bytes: f64, push_bytes: f64) -> f64 {
    let poll = Cost::new(poll_bytes, EXCHANGE_SEGMENTS);
    let push = Cost::new(push_bytes, PUSH_SEGMENTS);
    poll.wire(SEGMENT_HEAD_BYTES) / push.wire(SEGMENT_HEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounded to thousandths.
    fn milli(value: f64) -> f64 {
        (1000.0 * value).round() / 1000.0
    }

    #[test]
    fn the_three_cases_are_theirs() {
        let cases = LUBBERS_CLIENTS.map(|n| lubbers(f64::from(n)));
        let poll = cases.map(|case| milli(case.poll));
        assert_eq!(poll, [6.645, 66.452, 664.52]);
        assert_eq!(cases.map(|c| milli(c.push)), [0.015, 0.153, 1.526]);
        let ratio = cases[0].poll / cases[0].push;
        assert_eq!(ratio.round(), 436.0, "they say 435");
    }

    #[test]
    fn with_tcp_and_ip_it_is_ten_times_and_not_435() {
        let case = lubbers(1_000.0);
        assert_eq!(
            (milli(case.poll_wire), milli(case.push_wire)),
            (8.216, 0.848)
        );
        let ratio = case.poll_wire / case.push_wire;
        assert_eq!((10.0 * ratio).round(), 97.0);
    }

    #[test]
    fn the_seeds_bytes_make_a_factor_of_three_on_the_wire() {
        let middle = |(from, to)| f64::midpoint(from, to);
        let (poll, push) = (middle(SEED_POLL_BYTES), middle(SEED_PUSH_BYTES));
        assert_eq!((10.0 * poll / push).round(), 167.0);
        assert_eq!((10.0 * wire_ratio(poll, push)).round(), 34.0);
    }
}
