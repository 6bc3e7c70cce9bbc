//! Close codes (RFC 6455 §7.4) and the payload of close frames.
//!
//! Owns the numbers and which of them a peer may send; when we close with which one is the
//! session's business.

use std::fmt;

use super::error::ProtocolError;

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

/// Reads the unmasked payload of a whole close frame: nothing, or a code and a reason.
///
/// # Errors
/// When the code or the reason is one that may not be sent (RFC 6455 §5.5.1).
pub(super) fn parse(payload: &[u8]) -> Result<Option<(CloseCode, String)>, ProtocolError> {
    check_start(payload)?;
    let Some((code, reason)) = split(payload) else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(ProtocolError::CloseTooShort)
        };
    };
    let reason = str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
    Ok(Some((code, reason.to_owned())))
}

/// Checks as much of a close frame's payload as has arrived, so that a mistake is found with
/// the byte that makes it.
///
/// # Errors
/// When no further bytes can make it right.
pub(super) fn check_start(payload: &[u8]) -> Result<(), ProtocolError> {
    let Some((code, reason)) = split(payload) else {
        return Ok(());
    };
    if !code.may_be_received() {
        return Err(ProtocolError::CloseCodeNotAllowed(code));
    }
    match str::from_utf8(reason) {
        // No error length: a character has only begun.
        Err(error) if error.error_len().is_some() => Err(ProtocolError::InvalidCloseReason),
        _ => Ok(()),
    }
}

fn split(payload: &[u8]) -> Option<(CloseCode, &[u8])> {
    let (code, reason) = payload.split_first_chunk::<2>()?;
    Some((CloseCode(u16::from_be_bytes(*code)), reason))
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

    #[test]
    fn a_close_has_no_payload_or_a_code_and_a_reason() {
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(
            parse(b"\x03\xe8"),
            Ok(Some((CloseCode::NORMAL, String::new())))
        );
        assert_eq!(
            parse(b"\x03\xe9bye"),
            Ok(Some((CloseCode::GOING_AWAY, "bye".into())))
        );
    }

    #[test]
    fn a_close_is_refused_with_half_a_code_a_local_code_or_a_broken_reason() {
        let local = CloseCode(1005);
        assert_eq!(parse(b"\x03"), Err(ProtocolError::CloseTooShort));
        assert_eq!(
            parse(b"\x03\xed"),
            Err(ProtocolError::CloseCodeNotAllowed(local))
        );
        assert_eq!(
            parse(b"\x03\xe8\xff"),
            Err(ProtocolError::InvalidCloseReason)
        );
        assert_eq!(
            parse(b"\x03\xe8\xe2\x82"),
            Err(ProtocolError::InvalidCloseReason)
        );
    }

    #[test]
    fn a_reason_that_ends_inside_a_character_may_still_become_right() {
        assert_eq!(check_start(b"\x03\xe8\xe2\x82"), Ok(()));
        assert_eq!(
            check_start(b"\x03\xe8\xe2\x28"),
            Err(ProtocolError::InvalidCloseReason)
        );
    }
}
