//! WebSocket frames (RFC 6455 §5.2): headers read and written, whole frames written.
//!
//! Owns the rules that a header alone can break; how frames follow one another and how long a
//! message may be is checked in `message`. Nothing here allocates by a declared length.
//!
//! Trap: a header may arrive byte by byte, and which mistake is reported must not depend on
//! that. So each rule is checked with the byte that breaks it, in the order of the bytes.

use super::close::CloseCode;
use super::error::ProtocolError;
use super::mask;

/// RFC 6455 §5.5: the longest payload of a control frame, in bytes.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// The longest header: two bytes, eight of length, four of mask.
pub const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// A further fragment of the message under way.
    Continuation,
    /// A text message, or the first fragment of one.
    Text,
    /// A binary message, or the first fragment of one.
    Binary,
    /// The peer closes.
    Close,
    /// The peer asks for a pong.
    Ping,
    /// The answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// Whether it stands alone and may come between the fragments of a message (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn from_bits(bits: u8) -> Result<Self, ProtocolError> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            other => return Err(ProtocolError::ReservedOpcode(other)),
        })
    }
}

/// Which end of the connection reads, and so whether frames must be masked (§5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Every frame that arrives must be masked.
    Server,
    /// No frame that arrives may be masked.
    Client,
}

/// What the first byte of a frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameStart {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
}

/// What the bytes behind the first one say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameExtent {
    /// The header is not whole; the payload has at least so many bytes.
    AtLeast(u64),
    /// The header is whole.
    Known {
        /// Bytes of the payload, less than 2^63.
        payload_len: u64,
        /// The mask, if the frame has one.
        mask: Option<[u8; 4]>,
        /// Bytes of the header, with the first one.
        header_len: usize,
    },
}

impl FrameStart {
    /// Reads the first byte of a frame.
    ///
    /// # Errors
    /// For reserved bits and opcodes (§5.2) and for fragmented control frames (§5.5).
    #[inline]
    pub const fn parse(byte: u8) -> Result<Self, ProtocolError> {
        if byte & RESERVED != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let opcode = match Opcode::from_bits(byte & 0x0f) {
            Ok(opcode) => opcode,
            Err(error) => return Err(error),
        };
        let fin = byte & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        Ok(Self { fin, opcode })
    }

    /// Reads what there is of the header behind its first byte; `rest` may go on beyond it.
    ///
    /// # Errors
    /// For a mask where none belongs and the reverse (§5.1), for a control frame that is too
    /// long (§5.5), a close with half a code (§5.5.1), and a length that is not in its shortest
    /// form or too large (§5.2), each as soon as it is certain.
    #[inline]
    pub fn extent(self, role: Role, rest: &[u8]) -> Result<FrameExtent, ProtocolError> {
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(FrameExtent::AtLeast(0));
        };
        self.check_second(role, second)?;
        let (len, width) = match payload_len(second & !MASKED, rest)? {
            PayloadLength::AtLeast(len) => return Ok(FrameExtent::AtLeast(len)),
            PayloadLength::Known { len, width } => (len, width),
        };
        let mask = match (role, rest[width..].first_chunk::<4>()) {
            (Role::Client, _) => None,
            (Role::Server, Some(mask)) => Some(*mask),
            (Role::Server, None) => return Ok(FrameExtent::AtLeast(len)),
        };
        let header_len = 2 + width + mask.map_or(0, |mask| mask.len());
        Ok(FrameExtent::Known {
            payload_len: len,
            mask,
            header_len,
        })
    }

    #[inline]
    fn check_second(self, role: Role, second: u8) -> Result<(), ProtocolError> {
        let short = usize::from(second & !MASKED);
        match (role, second & MASKED != 0) {
            (Role::Server, false) => Err(ProtocolError::Unmasked),
            (Role::Client, true) => Err(ProtocolError::Masked),
            _ if self.opcode.is_control() && short > CONTROL_PAYLOAD_BYTES_MAX => {
                Err(ProtocolError::ControlTooLong)
            }
            _ if self.opcode == Opcode::Close && short == 1 => Err(ProtocolError::CloseTooShort),
            _ => Ok(()),
        }
    }
}

/// A payload length of which perhaps not every byte has arrived.
enum PayloadLength {
    AtLeast(u64),
    Known { len: u64, width: usize },
}

#[inline]
fn payload_len(short: u8, rest: &[u8]) -> Result<PayloadLength, ProtocolError> {
    match short {
        126 => extended_len::<2>(126, rest),
        127 => extended_len::<8>(1 << 16, rest),
        _ => Ok(PayloadLength::Known {
            len: u64::from(short),
            width: 0,
        }),
    }
}

/// Reads a length of `WIDTH` bytes that must be at least `len_min`.
// Apart, so that the header of a small frame stays a few instructions.
#[inline(never)]
fn extended_len<const WIDTH: usize>(
    len_min: u64,
    rest: &[u8],
) -> Result<PayloadLength, ProtocolError> {
    // What has not arrived may still be anything from all zeros to all ones.
    let (mut at_least, mut at_most) = (0_u64, 0_u64);
    for i in 0..WIDTH {
        at_least = at_least << 8 | u64::from(rest.get(i).copied().unwrap_or(0));
        at_most = at_most << 8 | u64::from(rest.get(i).copied().unwrap_or(0xff));
    }
    if at_least >> 63 == 1 {
        return Err(ProtocolError::LengthOverflow);
    }
    if at_most < len_min {
        return Err(ProtocolError::LengthNotMinimal);
    }
    if rest.len() < WIDTH {
        return Ok(PayloadLength::AtLeast(at_least));
    }
    Ok(PayloadLength::Known {
        len: at_least,
        width: WIDTH,
    })
}

/// Bytes of the header of an unmasked frame with so long a payload.
#[must_use]
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// Appends a whole frame as a server sends it: one fragment, not masked.
///
/// ```
/// use altavoz::wire::frame::{Opcode, encode};
///
/// let mut out = Vec::new();
/// encode(&mut out, Opcode::Text, b"Hello");
/// assert_eq!(out, b"\x81\x05Hello"); // RFC 6455 §5.7
/// ```
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.reserve(header_len(payload.len()) + payload.len());
    encode_header(out, opcode, 0, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a whole frame as a client sends it: one fragment, masked.
///
/// The caller draws `mask` at random for each frame (§5.3).
pub fn encode_masked(out: &mut Vec<u8>, opcode: Opcode, mask: [u8; 4], payload: &[u8]) {
    out.reserve(header_len(payload.len()) + mask.len() + payload.len());
    encode_header(out, opcode, MASKED, payload.len());
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(mask, 0, &mut out[start..]);
}

/// Appends a close frame as a server sends it; the reason is cut to what fits, 123 bytes, at
/// the end of a character.
pub fn encode_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut buffer = [0; CONTROL_PAYLOAD_BYTES_MAX];
    encode(out, Opcode::Close, close_payload(&mut buffer, code, reason));
}

/// Appends a close frame as a client sends it; see [`encode_close`] and [`encode_masked`].
pub fn encode_close_masked(out: &mut Vec<u8>, code: CloseCode, reason: &str, mask: [u8; 4]) {
    let mut buffer = [0; CONTROL_PAYLOAD_BYTES_MAX];
    let payload = close_payload(&mut buffer, code, reason);
    encode_masked(out, Opcode::Close, mask, payload);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm has checked the length"
)]
fn encode_header(out: &mut Vec<u8>, opcode: Opcode, masked: u8, payload_len: usize) {
    debug_assert!(!opcode.is_control() || payload_len <= CONTROL_PAYLOAD_BYTES_MAX);
    let first = FIN | opcode.bits();
    match payload_len {
        0..=125 => out.extend_from_slice(&[first, masked | payload_len as u8]),
        126..=0xffff => {
            out.extend_from_slice(&[first, masked | 126]);
            out.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

fn close_payload<'a>(
    buffer: &'a mut [u8; CONTROL_PAYLOAD_BYTES_MAX],
    code: CloseCode,
    reason: &str,
) -> &'a [u8] {
    let (head, tail) = buffer.split_at_mut(2);
    head.copy_from_slice(&code.0.to_be_bytes());
    let fits = (0..=reason.len().min(tail.len()))
        .rev()
        .find(|&at| reason.is_char_boundary(at));
    let len = fits.unwrap_or(0);
    tail[..len].copy_from_slice(&reason.as_bytes()[..len]);
    &buffer[..2 + len]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header means, and that it means the same, or fails the same, byte by byte.
    fn check(role: Role, bytes: &[u8]) -> Result<Option<FrameExtent>, ProtocolError> {
        let whole = parse(role, bytes);
        let prefixes = (1..=bytes.len()).map(|n| parse(role, &bytes[..n]));
        let first_answer = prefixes
            .into_iter()
            .find(|it| *it != Ok(None))
            .unwrap_or(Ok(None));
        assert_eq!(first_answer, whole);
        whole
    }

    fn parse(role: Role, bytes: &[u8]) -> Result<Option<FrameExtent>, ProtocolError> {
        match FrameStart::parse(bytes[0])?.extent(role, &bytes[1..])? {
            FrameExtent::AtLeast(_) => Ok(None),
            known @ FrameExtent::Known { .. } => Ok(Some(known)),
        }
    }

    /// With how many bytes a header fails.
    fn fails_at(role: Role, bytes: &[u8]) -> Option<(usize, ProtocolError)> {
        (1..=bytes.len()).find_map(|n| parse(role, &bytes[..n]).err().map(|error| (n, error)))
    }

    fn known(payload_len: u64, mask: Option<[u8; 4]>, header_len: usize) -> Option<FrameExtent> {
        Some(FrameExtent::Known {
            payload_len,
            mask,
            header_len,
        })
    }

    #[test]
    fn a_header_is_read_in_all_three_lengths() {
        assert_eq!(check(Role::Client, b"\x82\x05"), Ok(known(5, None, 2)));
        assert_eq!(
            check(Role::Client, b"\x82\x7e\x00\x7e"),
            Ok(known(126, None, 4))
        );
        let long = b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00";
        assert_eq!(check(Role::Client, long), Ok(known(65536, None, 10)));
        let largest = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(
            check(Role::Client, largest),
            Ok(known(u64::MAX >> 1, None, 10))
        );
    }

    #[test]
    fn a_masked_header_is_whole_with_its_mask() {
        assert_eq!(check(Role::Server, b"\x81\x85abc"), Ok(None));
        assert_eq!(
            check(Role::Server, b"\x81\x85abcd"),
            Ok(known(5, Some(*b"abcd"), 6))
        );
        let longest = b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00abcd";
        assert_eq!(
            check(Role::Server, longest),
            Ok(known(65536, Some(*b"abcd"), 14))
        );
    }

    #[test]
    fn reserved_bits_and_opcodes_fail_with_the_first_byte() {
        for bits in [0x10, 0x20, 0x40, 0x70] {
            assert_eq!(
                FrameStart::parse(0x81 | bits),
                Err(ProtocolError::ReservedBits)
            );
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(
                FrameStart::parse(FIN | opcode),
                Err(ProtocolError::ReservedOpcode(opcode))
            );
        }
    }

    #[test]
    fn a_fragmented_control_frame_fails_with_the_first_byte() {
        for opcode in [8, 9, 10] {
            assert_eq!(
                FrameStart::parse(opcode),
                Err(ProtocolError::FragmentedControl)
            );
        }
    }

    #[test]
    fn a_control_frame_longer_than_125_bytes_fails_with_the_second_byte() {
        let error = Some((2, ProtocolError::ControlTooLong));
        assert_eq!(fails_at(Role::Client, b"\x89\x7e\x00\xff"), error);
        assert_eq!(fails_at(Role::Client, b"\x8a\x7f\x00"), error);
        assert_eq!(check(Role::Client, b"\x88\x7d"), Ok(known(125, None, 2)));
    }

    #[test]
    fn a_close_with_half_a_code_fails_with_the_second_byte() {
        let error = Some((2, ProtocolError::CloseTooShort));
        assert_eq!(fails_at(Role::Client, b"\x88\x01\x03"), error);
    }

    #[test]
    fn each_role_insists_on_its_mask() {
        assert_eq!(
            fails_at(Role::Server, b"\x81\x05"),
            Some((2, ProtocolError::Unmasked))
        );
        assert_eq!(
            fails_at(Role::Client, b"\x81\x85"),
            Some((2, ProtocolError::Masked))
        );
    }

    #[test]
    fn a_length_that_is_not_minimal_fails_as_soon_as_it_is_certain() {
        let error = ProtocolError::LengthNotMinimal;
        assert_eq!(
            fails_at(Role::Client, b"\x82\x7e\x00\x7d"),
            Some((4, error))
        );
        // Six zero bytes: whatever follows fits 16 bits.
        let long = b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff";
        assert_eq!(fails_at(Role::Client, long), Some((8, error)));
        assert_eq!(check(Role::Client, long), Err(error));
    }

    #[test]
    fn a_length_of_2_to_the_63_fails_with_its_first_byte() {
        let huge = b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(
            fails_at(Role::Client, huge),
            Some((3, ProtocolError::LengthOverflow))
        );
    }

    #[test]
    fn an_encoded_frame_is_as_long_as_its_header_says() {
        for len in [0, 1, 125, 126, 127, 65535, 65536, 70000] {
            let payload = vec![7; len];
            let (mut plain, mut masked) = (Vec::new(), Vec::new());
            encode(&mut plain, Opcode::Binary, &payload);
            encode_masked(&mut masked, Opcode::Binary, *b"abcd", &payload);
            let head = header_len(len);
            assert_eq!(plain.len(), head + len);
            assert_eq!(
                parse(Role::Client, &plain),
                Ok(known(len as u64, None, head))
            );
            let mask = Some(*b"abcd");
            assert_eq!(
                parse(Role::Server, &masked),
                Ok(known(len as u64, mask, head + 4))
            );
        }
    }

    #[test]
    fn a_masked_frame_is_the_one_of_the_rfc() {
        let mut out = Vec::new();
        encode_masked(&mut out, Opcode::Text, [0x37, 0xfa, 0x21, 0x3d], b"Hello");
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // §5.7
    }

    #[test]
    fn a_close_reason_is_cut_at_the_end_of_a_character() {
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::GOING_AWAY, &"€".repeat(50));
        assert_eq!(out[..4], [0x88, 125, 0x03, 0xe9]);
        assert_eq!(out[4..], *"€".repeat(41).as_bytes());
        out.clear();
        encode_close(
            &mut out,
            CloseCode::GOING_AWAY,
            &format!("a{}", "€".repeat(50)),
        );
        assert_eq!(out[4..], *format!("a{}", "€".repeat(40)).as_bytes());
    }

    #[test]
    fn a_masked_close_is_a_close() {
        let mut out = Vec::new();
        encode_close_masked(&mut out, CloseCode::NORMAL, "bye", [0; 4]);
        assert_eq!(out, b"\x88\x85\0\0\0\0\x03\xe8bye");
    }
}
