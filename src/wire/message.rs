//! Messages out of received bytes (RFC 6455 §5.4 to §5.6), with limits.
//!
//! Owns what of a frame or message has arrived and is not whole. Sends nothing: answering a ping
//! or a close is the session's business, and so is to stop reading after a mistake or a close.
//!
//! What comes out does not depend on how the bytes were cut into pieces, and neither does which
//! mistake is found: each is reported with the byte that makes it.

use std::borrow::Cow;
use std::ops::Range;

use super::close::CloseCode;
use super::frame::{FrameExtent, FrameStart, HEADER_BYTES_MAX, Opcode};
use super::mask;
use super::utf8::Utf8;

pub use super::error::ProtocolError;
use super::farewell;
pub use super::frame::Role;

/// The bounds of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageLimits {
    /// Bytes of payload, over all fragments.
    pub bytes_max: usize,
    /// Fragments, empty ones too.
    pub fragments_max: u32,
}

/// Reads the frames of one connection.
///
/// An idle connection keeps one, so it is a single pointer, which is null between messages.
///
/// ```
/// use altavoz::wire::message::{Decoder, Incoming, MessageLimits, Role};
///
/// let limits = MessageLimits { bytes_max: 64 * 1024, fragments_max: 1024 };
/// let mut bytes = *b"\x81\x05Hello\x89\x00";
/// let mut decoder = Decoder::default();
/// let step = decoder.handle_bytes(Role::Client, &limits, &mut bytes)?;
/// assert_eq!(step.incoming, Some(Incoming::Text("Hello".into())));
/// assert_eq!(step.consumed, 7); // the ping is taken by the next call
/// # Ok::<(), altavoz::wire::message::ProtocolError>(())
/// ```
#[derive(Default, Debug)]
pub struct Decoder {
    partial: Option<Box<PartialMessage>>,
}

const _: () = assert!(size_of::<Decoder>() <= 8, "kept for every idle connection");

/// What one call took from the bytes.
#[derive(PartialEq, Eq, Debug)]
pub struct DecoderStep<'a> {
    /// So many of the bytes. Invariant: all of them if nothing is incoming.
    pub consumed: usize,
    /// What they completed.
    pub incoming: Option<Incoming<'a>>,
}

/// A message or control frame; borrowed from the receive buffer where it lay there whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming<'a> {
    /// A text message.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
    /// To be answered by a pong with the same payload.
    Ping(Cow<'a, [u8]>),
    /// The answer to a ping, or unasked.
    Pong(Cow<'a, [u8]>),
    /// The peer closes, perhaps with a code and a reason. Nothing that follows counts.
    Close(Option<(CloseCode, String)>),
}

impl Decoder {
    /// Takes bytes up to and including the end of the first complete thing in them.
    ///
    /// The caller repeats with the rest until nothing is left. A message that lies whole and
    /// unfragmented in `bytes` is unmasked in place and borrowed, without a copy.
    ///
    /// # Errors
    /// For every mistake of the peer. The stream has lost its meaning then: close with
    /// [`ProtocolError::close_code`] and read no more.
    #[inline]
    pub fn handle_bytes<'a>(
        &mut self,
        role: Role,
        limits: &MessageLimits,
        bytes: &'a mut [u8],
    ) -> Result<DecoderStep<'a>, ProtocolError> {
        if self.partial.is_none() {
            if let Some(whole) = WholeFrame::find(role, limits, bytes)? {
                return whole.take(bytes);
            }
            if bytes.is_empty() {
                return Ok(DecoderStep {
                    consumed: 0,
                    incoming: None,
                });
            }
        }
        self.handle_partial(role, limits, bytes)
    }

    #[inline(never)]
    fn handle_partial(
        &mut self,
        role: Role,
        limits: &MessageLimits,
        bytes: &mut [u8],
    ) -> Result<DecoderStep<'static>, ProtocolError> {
        let mut partial = self.partial.take().unwrap_or_default();
        let step = partial.handle_bytes(role, limits, bytes)?;
        debug_assert!(step.incoming.is_some() || step.consumed == bytes.len());
        if !partial.is_idle() {
            self.partial = Some(partial);
        }
        Ok(step)
    }
}

/// A frame that lies whole in the bytes and is a message or control frame of its own.
struct WholeFrame {
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: Range<usize>,
}

impl WholeFrame {
    #[inline]
    fn find(
        role: Role,
        limits: &MessageLimits,
        bytes: &[u8],
    ) -> Result<Option<Self>, ProtocolError> {
        let Some(header) = MessageHeader::parse(role, limits, None, bytes)? else {
            return Ok(None);
        };
        let there = bytes.len() - header.len;
        if !header.start.fin || header.payload_len > there {
            return Ok(None);
        }
        let payload = header.len..header.len + header.payload_len;
        Ok(Some(Self {
            opcode: header.start.opcode,
            mask: header.mask,
            payload,
        }))
    }

    #[inline]
    fn take(self, bytes: &mut [u8]) -> Result<DecoderStep<'_>, ProtocolError> {
        let consumed = self.payload.end;
        let payload = &mut bytes[self.payload];
        if let Some(mask) = self.mask {
            mask::apply(mask, 0, payload);
        }
        let payload: &[u8] = payload;
        let incoming = match self.opcode {
            Opcode::Text => {
                let text = str::from_utf8(payload).map_err(|_| ProtocolError::InvalidText)?;
                Incoming::Text(text.into())
            }
            Opcode::Binary => Incoming::Binary(payload.into()),
            Opcode::Ping => Incoming::Ping(payload.into()),
            Opcode::Pong => Incoming::Pong(payload.into()),
            Opcode::Close => Incoming::Close(farewell::parse(payload)?),
            // Never without a message under way, which MessageHeader::parse has checked.
            Opcode::Continuation => return Err(ProtocolError::UnexpectedContinuation),
        };
        Ok(DecoderStep {
            consumed,
            incoming: Some(incoming),
        })
    }
}

/// A header that may stand where it stands.
struct MessageHeader {
    start: FrameStart,
    mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    len: usize,
    /// Invariant: the message with it is within its limit, a control frame within 125 bytes.
    payload_len: usize,
}

impl MessageHeader {
    /// Checks what there is of a header; `None` if more is needed.
    #[inline]
    fn parse(
        role: Role,
        limits: &MessageLimits,
        under_way: Option<&MessageAssembly>,
        bytes: &[u8],
    ) -> Result<Option<Self>, ProtocolError> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let start = FrameStart::parse(first)?;
        check_order(start.opcode, limits, under_way)?;
        let room = match under_way {
            _ if start.opcode.is_control() => usize::MAX,
            None => limits.bytes_max,
            Some(message) => limits.bytes_max.saturating_sub(message.bytes),
        };
        match start.extent(role, rest)? {
            FrameExtent::AtLeast(payload_len) => fit(payload_len, room).map(|_| None),
            FrameExtent::Known {
                payload_len,
                mask,
                header_len: len,
            } => {
                let payload_len = fit(payload_len, room)?;
                Ok(Some(Self {
                    start,
                    mask,
                    len,
                    payload_len,
                }))
            }
        }
    }
}

/// RFC 6455 §5.4: fragments follow their message's first one; only control frames come between.
#[inline]
fn check_order(
    opcode: Opcode,
    limits: &MessageLimits,
    under_way: Option<&MessageAssembly>,
) -> Result<(), ProtocolError> {
    match (opcode, under_way) {
        (Opcode::Continuation, None) => Err(ProtocolError::UnexpectedContinuation),
        (Opcode::Continuation, Some(message)) if message.fragments >= limits.fragments_max => {
            Err(ProtocolError::TooManyFragments)
        }
        (Opcode::Text | Opcode::Binary, Some(_)) => Err(ProtocolError::InterruptedMessage),
        _ => Ok(()),
    }
}

#[inline]
fn fit(payload_len: u64, room: usize) -> Result<usize, ProtocolError> {
    let len = usize::try_from(payload_len).map_err(|_| ProtocolError::TooBig)?;
    if len > room {
        Err(ProtocolError::TooBig)
    } else {
        Ok(len)
    }
}

/// What has arrived of things that are not whole. Freed as soon as they are.
#[derive(Default, Debug)]
struct PartialMessage {
    frame: FrameState,
    /// The data message under way, from the end of its first header to its last byte.
    message: Option<MessageAssembly>,
}

/// Where in a frame the stream is.
#[derive(Debug)]
enum FrameState {
    /// In the header, of which `bytes[..len]` have arrived. Between frames, `len` is 0.
    Header {
        bytes: [u8; HEADER_BYTES_MAX],
        len: usize,
    },
    /// In the payload of a fragment of the message under way.
    Data { fin: bool, payload: Payload },
    /// In the payload of a control frame, of which `bytes` have arrived, at most 125.
    Control {
        opcode: Opcode,
        payload: Payload,
        bytes: Vec<u8>,
    },
}

impl Default for FrameState {
    fn default() -> Self {
        Self::Header {
            bytes: [0; HEADER_BYTES_MAX],
            len: 0,
        }
    }
}

/// How far a payload has come.
#[derive(Debug)]
struct Payload {
    mask: Option<[u8; 4]>,
    /// Bytes that have arrived: the phase of the mask.
    taken: usize,
    /// Bytes that are missing.
    missing: usize,
}

impl Payload {
    /// Splits off and unmasks what belongs to it.
    fn take<'a>(&mut self, bytes: &'a mut [u8]) -> &'a [u8] {
        let len = self.missing.min(bytes.len());
        let piece = &mut bytes[..len];
        if let Some(mask) = self.mask {
            mask::apply(mask, self.taken, piece);
        }
        self.taken += len;
        self.missing -= len;
        piece
    }
}

impl PartialMessage {
    fn is_idle(&self) -> bool {
        self.message.is_none() && matches!(self.frame, FrameState::Header { len: 0, .. })
    }

    fn handle_bytes(
        &mut self,
        role: Role,
        limits: &MessageLimits,
        bytes: &mut [u8],
    ) -> Result<DecoderStep<'static>, ProtocolError> {
        let mut consumed = 0;
        loop {
            let rest = &mut bytes[consumed..];
            // A frame without payload ends with its header, so it goes on without bytes.
            if rest.is_empty() && !self.is_at_payload_end() {
                return Ok(DecoderStep {
                    consumed,
                    incoming: None,
                });
            }
            let (taken, incoming) = match &self.frame {
                FrameState::Header { .. } => (self.handle_header(role, limits, rest)?, None),
                FrameState::Data { .. } => self.handle_data(rest)?,
                FrameState::Control { .. } => self.handle_control(rest)?,
            };
            consumed += taken;
            if incoming.is_some() {
                return Ok(DecoderStep { consumed, incoming });
            }
        }
    }

    fn is_at_payload_end(&self) -> bool {
        match &self.frame {
            FrameState::Header { .. } => false,
            FrameState::Data { payload, .. } | FrameState::Control { payload, .. } => {
                payload.missing == 0
            }
        }
    }

    /// Takes bytes of a header, and none beyond it.
    fn handle_header(
        &mut self,
        role: Role,
        limits: &MessageLimits,
        rest: &[u8],
    ) -> Result<usize, ProtocolError> {
        let FrameState::Header { bytes, len } = &mut self.frame else {
            return Ok(0);
        };
        let before = *len;
        let copied = rest.len().min(HEADER_BYTES_MAX - before);
        bytes[before..before + copied].copy_from_slice(&rest[..copied]);
        *len += copied;
        match MessageHeader::parse(role, limits, self.message.as_ref(), &bytes[..*len])? {
            None => Ok(copied),
            Some(header) => {
                self.begin_frame(&header);
                Ok(header.len - before)
            }
        }
    }

    fn begin_frame(&mut self, header: &MessageHeader) {
        let FrameStart { fin, opcode } = header.start;
        let payload = Payload {
            mask: header.mask,
            taken: 0,
            missing: header.payload_len,
        };
        if opcode.is_control() {
            self.frame = FrameState::Control {
                opcode,
                payload,
                bytes: Vec::new(),
            };
            return;
        }
        let message = self
            .message
            .get_or_insert_with(|| MessageAssembly::new(opcode));
        message.fragments += 1;
        message.bytes += header.payload_len;
        self.frame = FrameState::Data { fin, payload };
    }

    fn handle_data(&mut self, rest: &mut [u8]) -> Result<TakenMessage, ProtocolError> {
        let (FrameState::Data { fin, payload }, Some(message)) =
            (&mut self.frame, &mut self.message)
        else {
            return Ok((0, None));
        };
        let piece = payload.take(rest);
        message.body.push(piece)?;
        let (taken, fin) = (piece.len(), *fin);
        if payload.missing > 0 {
            return Ok((taken, None));
        }
        self.frame = FrameState::default();
        let whole = if fin { self.message.take() } else { None };
        Ok((
            taken,
            whole.map(|message| message.body.finish()).transpose()?,
        ))
    }

    fn handle_control(&mut self, rest: &mut [u8]) -> Result<TakenMessage, ProtocolError> {
        let FrameState::Control {
            opcode,
            payload,
            bytes,
        } = &mut self.frame
        else {
            return Ok((0, None));
        };
        let piece = payload.take(rest);
        let taken = piece.len();
        bytes.extend_from_slice(piece);
        if *opcode == Opcode::Close {
            farewell::check_start(bytes)?;
        }
        if payload.missing > 0 {
            return Ok((taken, None));
        }
        let bytes = std::mem::take(bytes);
        let incoming = match opcode {
            Opcode::Close => Incoming::Close(farewell::parse(&bytes)?),
            Opcode::Ping => Incoming::Ping(bytes.into()),
            _ => Incoming::Pong(bytes.into()),
        };
        self.frame = FrameState::default();
        Ok((taken, Some(incoming)))
    }
}

/// Bytes taken, and what they completed.
type TakenMessage = (usize, Option<Incoming<'static>>);

/// A data message of which a part has arrived.
#[derive(Debug)]
struct MessageAssembly {
    /// Fragments whose header has arrived. Invariant: 1 <= fragments <= fragments_max, or 1.
    fragments: u32,
    /// Bytes that these fragments announced. Invariant: bytes <= bytes_max.
    bytes: usize,
    body: ArrivedPayload,
}

impl MessageAssembly {
    fn new(opcode: Opcode) -> Self {
        let body = match opcode {
            Opcode::Text => ArrivedPayload::Text {
                text: String::new(),
                utf8: Utf8::default(),
            },
            _ => ArrivedPayload::Binary(Vec::new()),
        };
        Self {
            fragments: 0,
            bytes: 0,
            body,
        }
    }
}

/// The payload that has arrived. It grows with what arrives, never by what was announced.
#[derive(Debug)]
enum ArrivedPayload {
    /// `text` is what is valid and complete; `utf8` has the start of the next character.
    Text {
        text: String,
        utf8: Utf8,
    },
    Binary(Vec<u8>),
}

impl ArrivedPayload {
    fn push(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Text { text, utf8 } => utf8
                .push(piece, text)
                .map_err(|_| ProtocolError::InvalidText),
            Self::Binary(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Incoming<'static>, ProtocolError> {
        match self {
            Self::Text { utf8, .. } if !utf8.is_complete() => Err(ProtocolError::InvalidText),
            Self::Text { text, .. } => Ok(Incoming::Text(text.into())),
            Self::Binary(bytes) => Ok(Incoming::Binary(bytes.into())),
        }
    }
}

#[cfg(test)]
mod tests;
