//! The payload of close frames (RFC 6455 §5.5.1).
//!
//! Owns what a peer may say with a close; the codes are `wire::close`'s.

use super::close::CloseCode;
use super::error::ProtocolError;

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
