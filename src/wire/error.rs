//! What a WebSocket peer can do wrong, one variant a mistake.
//!
//! Owns the words and the close code of each; the checks stand where the bytes are read,
//! in `frame` and `message`.

use std::error::Error;
use std::fmt;

use super::close::CloseCode;

/// A mistake of the peer. The connection is closed with [`ProtocolError::close_code`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// RFC 6455 §5.2: RSV1 to RSV3 are 0 unless an extension says otherwise; we agreed on none.
    ReservedBits,
    /// RFC 6455 §5.2: opcodes 3 to 7 and 11 to 15 mean nothing yet.
    ReservedOpcode(u8),
    /// RFC 6455 §5.5: control frames are never fragmented.
    FragmentedControl,
    /// RFC 6455 §5.5: a control frame's payload is at most 125 bytes long.
    ControlTooLong,
    /// RFC 6455 §5.1: a server closes when a frame of a client is not masked.
    Unmasked,
    /// RFC 6455 §5.1: a client closes when a frame of a server is masked.
    Masked,
    /// RFC 6455 §5.2: the shortest form of the length must be used.
    LengthNotMinimal,
    /// RFC 6455 §5.2: the most significant bit of a 64-bit length is 0.
    LengthOverflow,
    /// RFC 6455 §5.4: a continuation frame continues something.
    UnexpectedContinuation,
    /// RFC 6455 §5.4: the fragments of one message are not mixed with those of another.
    InterruptedMessage,
    /// RFC 6455 §5.5.1: a close frame's payload is empty or begins with two bytes of code.
    CloseTooShort,
    /// RFC 6455 §7.4: a code that is never sent, or that nobody has registered.
    CloseCodeNotAllowed(CloseCode),
    /// RFC 6455 §5.5.1 and §8.1: the reason of a close is UTF-8.
    InvalidCloseReason,
    /// RFC 6455 §8.1: a text message is UTF-8.
    InvalidText,
    /// The message is longer than [`MessageLimits::bytes_max`](super::message::MessageLimits).
    TooBig,
    /// The message has more than [`MessageLimits::fragments_max`](super::message::MessageLimits)
    /// fragments.
    TooManyFragments,
}

impl ProtocolError {
    /// The code to close with: 1002, 1007 or 1009 (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::Unmasked
            | Self::Masked
            | Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::InterruptedMessage
            | Self::CloseTooShort
            | Self::CloseCodeNotAllowed(_) => CloseCode::PROTOCOL,
            Self::InvalidCloseReason | Self::InvalidText => CloseCode::INVALID_DATA,
            Self::TooBig | Self::TooManyFragments => CloseCode::TOO_BIG,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("reserved bits are set without an extension"),
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Self::FragmentedControl => f.write_str("control frame is fragmented"),
            Self::ControlTooLong => f.write_str("control frame payload is longer than 125 bytes"),
            Self::Unmasked => f.write_str("frame of a client is not masked"),
            Self::Masked => f.write_str("frame of a server is masked"),
            Self::LengthNotMinimal => f.write_str("payload length is not in its shortest form"),
            Self::LengthOverflow => f.write_str("payload length is 2^63 or more"),
            Self::UnexpectedContinuation => f.write_str("continuation frame without a message"),
            Self::InterruptedMessage => f.write_str("new message inside a fragmented message"),
            Self::CloseTooShort => f.write_str("close frame payload is one byte long"),
            Self::CloseCodeNotAllowed(code) => write!(f, "close code {code} may not be sent"),
            Self::InvalidCloseReason => f.write_str("close reason is not valid utf-8"),
            Self::InvalidText => f.write_str("text message is not valid utf-8"),
            Self::TooBig => f.write_str("message is longer than the limit"),
            Self::TooManyFragments => f.write_str("message has more fragments than the limit"),
        }
    }
}

impl Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_closes_with_the_code_of_the_rfc() {
        assert_eq!(ProtocolError::Masked.close_code().0, 1002);
        assert_eq!(ProtocolError::InvalidText.close_code().0, 1007);
        assert_eq!(ProtocolError::InvalidCloseReason.close_code().0, 1007);
        assert_eq!(ProtocolError::TooManyFragments.close_code().0, 1009);
    }

    #[test]
    fn a_mistake_reads_as_a_lower_case_clause() {
        let error = ProtocolError::CloseCodeNotAllowed(CloseCode(1005));
        assert_eq!(error.to_string(), "close code 1005 may not be sent");
    }
}
