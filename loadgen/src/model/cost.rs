//! Bytes as a program writes them, and the segments that carry them.

use std::ops::{Add, Mul};

/// H of a segment on this host and on most of the Internet: IPv4 20, TCP 20, time stamps 12.
pub const SEGMENT_HEAD_BYTES: f64 = 52.0;

/// What Ethernet adds to a segment: preamble 8, head 14, checksum 4, gap 12.
pub const ETHERNET_BYTES: f64 = 38.0;

/// A request, its answer, and the acknowledgement of the answer.
pub const EXCHANGE_SEGMENTS: f64 = 3.0;

/// A publication that is pushed, and its acknowledgement.
pub const PUSH_SEGMENTS: f64 = 2.0;

/// What a connection for one request alone adds: three to open it, four to close it.
pub const CONNECTION_SEGMENTS: f64 = 7.0;

/// What something costs: an exchange, a push, or all of a second.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// Bytes at the socket, both directions.
    pub app: f64,
    /// Segments, both directions, acknowledgements included.
    pub segments: f64,
}

impl Cost {
    /// Of so many bytes in so many segments.
    #[must_use]
    pub const fn new(app: f64, segments: f64) -> Self {
        Self { app, segments }
    }

    /// Bytes on the wire with so many a segment.
    #[must_use]
    pub fn wire(self, segment_head: f64) -> f64 {
        self.app + self.segments * segment_head
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.app + other.app, self.segments + other.segments)
    }
}

impl Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self::new(self.app * times, self.segments * times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_and_a_push_of_a_hundred_bytes() {
        let poll = Cost::new(180.0 + 100.0 + 100.0, EXCHANGE_SEGMENTS);
        let push = Cost::new(2.0 + 100.0, PUSH_SEGMENTS);
        assert_eq!(poll.wire(SEGMENT_HEAD_BYTES), 536.0);
        assert_eq!(push.wire(SEGMENT_HEAD_BYTES), 206.0);
    }
}
