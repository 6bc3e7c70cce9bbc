//! Close codes (RFC 6455 §7.4).
//!
//! Owns the numbers and which of them a peer may send; when we close with which one is the
//! session's business.

use std::fmt;

/// Why a WebSocket is closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// Asked for; all is well.
    pub const NORMAL: Self = Self(1000);
    /// The node drains, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// Text or a close reason was not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A policy: publish not allowed, token expired.
    pub const POLICY: Self = Self(1008);
    /// A message was longer than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// Our own error.
    pub const INTERNAL: Self = Self(1011);
    /// Full, or no more publications can be taken now.
    pub const TRY_AGAIN: Self = Self(1013);
    /// The connection's outbox was full.
    pub const SLOW_CONSUMER: Self = Self(4008);
    /// The reader's position cannot be kept any more: reconnect and recover.
    pub const POSITION_LOST: Self = Self(4010);
    /// No pong in time.
    pub const NO_PONG: Self = Self(4012);

    /// Whether a peer may send it (RFC 6455 §7.4): registered and not one of those that only
    /// describe what happened locally (1005, 1006, 1015), or free for applications.
    #[must_use]
    pub const fn may_be_received(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_send_registered_and_application_codes_only() {
        let refused = [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ];
        let allowed = [
            1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4999,
        ];
        for code in refused {
            assert!(!CloseCode(code).may_be_received(), "{code}");
        }
        for code in allowed {
            assert!(CloseCode(code).may_be_received(), "{code}");
        }
    }
}
