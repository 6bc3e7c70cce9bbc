//! Tests of the decoder: each rule, any segmentation, round trips, another implementation.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::{Message, WebSocket, WebSocketConfig};

use super::*;
use crate::wire::frame::{self, encode, encode_close, encode_masked};

const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 1000,
    fragments_max: 4,
};
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Everything that came in, and the mistake that ended it.
type Outcome = (Vec<Incoming<'static>>, Option<ProtocolError>);

/// Feeds the stream in pieces of these sizes, the last one over and over.
fn decode(role: Role, limits: &MessageLimits, stream: &[u8], sizes: &[usize]) -> Outcome {
    let (mut decoder, mut incoming) = (Decoder::default(), Vec::new());
    let mut stream = stream.to_vec();
    let (mut rest, mut sizes) = (&mut stream[..], sizes.iter());
    let mut size = usize::MAX;
    while !rest.is_empty() {
        size = *sizes.next().unwrap_or(&size);
        let (piece, later) = rest.split_at_mut(size.clamp(1, rest.len()));
        rest = later;
        if let Err(error) = feed(&mut decoder, role, limits, piece, &mut incoming) {
            return (incoming, Some(error));
        }
    }
    (incoming, None)
}

fn feed(
    decoder: &mut Decoder,
    role: Role,
    limits: &MessageLimits,
    mut piece: &mut [u8],
    incoming: &mut Vec<Incoming<'static>>,
) -> Result<(), ProtocolError> {
    while !piece.is_empty() {
        let step = decoder.handle_bytes(role, limits, piece)?;
        let (consumed, found) = (step.consumed, step.incoming.map(owned));
        assert!(
            found.is_some() || consumed == piece.len(),
            "bytes were left over"
        );
        incoming.extend(found);
        piece = &mut piece[consumed..];
    }
    Ok(())
}

fn owned(incoming: Incoming<'_>) -> Incoming<'static> {
    match incoming {
        Incoming::Text(text) => Incoming::Text(text.into_owned().into()),
        Incoming::Binary(bytes) => Incoming::Binary(bytes.into_owned().into()),
        Incoming::Ping(bytes) => Incoming::Ping(bytes.into_owned().into()),
        Incoming::Pong(bytes) => Incoming::Pong(bytes.into_owned().into()),
        Incoming::Close(close) => Incoming::Close(close),
    }
}

/// The outcome of a stream, which is the same whole, byte by byte and in small pieces.
fn check(role: Role, limits: &MessageLimits, stream: &[u8]) -> Outcome {
    let whole = decode(role, limits, stream, &[]);
    for size in [1, 2, 3, 5, 64] {
        assert_eq!(
            decode(role, limits, stream, &[size]),
            whole,
            "in pieces of {size}"
        );
    }
    whole
}

/// The mistake in a stream of a server, and after how many bytes it is found.
fn mistake(stream: &[u8]) -> Option<(ProtocolError, usize)> {
    check(Role::Client, &LIMITS, stream).1?;
    let at = |n: &usize| decode(Role::Client, &LIMITS, &stream[..*n], &[]).1;
    (1..=stream.len()).find_map(|n| at(&n).map(|error| (error, n)))
}

/// A frame of any kind, as `role` wants to receive it.
fn fragment(role: Role, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match role {
        Role::Server => encode_masked(&mut out, opcode, MASK, payload),
        Role::Client => encode(&mut out, opcode, payload),
    }
    out[0] &= if fin { 0xff } else { 0x7f };
    out
}

fn from_server(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    fragment(Role::Client, fin, opcode, payload)
}

fn text(text: &str) -> Incoming<'static> {
    Incoming::Text(text.to_owned().into())
}

#[test]
fn a_whole_message_is_borrowed_and_unmasked_in_place() {
    let mut bytes = fragment(Role::Server, true, Opcode::Text, b"Hello");
    let mut decoder = Decoder::default();
    let step = decoder
        .handle_bytes(Role::Server, &LIMITS, &mut bytes)
        .expect("a text");
    assert_eq!(step.consumed, 11);
    assert!(matches!(
        step.incoming,
        Some(Incoming::Text(Cow::Borrowed("Hello")))
    ));
    assert!(decoder.partial.is_none());
    assert_eq!(bytes[6..], *b"Hello");
}

#[test]
fn a_decoder_between_messages_holds_no_memory() {
    let frames = [
        from_server(false, Opcode::Binary, b"a"),
        from_server(true, Opcode::Ping, b""),
        from_server(true, Opcode::Continuation, b"b"),
    ];
    let mut decoder = Decoder::default();
    let mut held = Vec::new();
    for byte in frames.concat() {
        decoder
            .handle_bytes(Role::Client, &LIMITS, &mut [byte])
            .expect("a valid stream");
        held.push(decoder.partial.is_some());
    }
    assert_eq!(held, [true, true, true, true, true, true, true, false]);
}

#[test]
fn a_mistake_frees_what_was_under_way() {
    let mut stream = from_server(false, Opcode::Text, b"a");
    stream.push(0x83);
    let mut decoder = Decoder::default();
    assert!(
        decoder
            .handle_bytes(Role::Client, &LIMITS, &mut stream)
            .is_err()
    );
    assert!(decoder.partial.is_none());
}

#[test]
fn no_bytes_are_no_step() {
    let mut decoder = Decoder::default();
    let nothing = DecoderStep {
        consumed: 0,
        incoming: None,
    };
    assert_eq!(
        decoder.handle_bytes(Role::Client, &LIMITS, &mut []),
        Ok(nothing)
    );
    assert!(decoder.partial.is_none());
    let mut half = *b"\x81";
    decoder
        .handle_bytes(Role::Client, &LIMITS, &mut half)
        .expect("half a header");
    let nothing = DecoderStep {
        consumed: 0,
        incoming: None,
    };
    assert_eq!(
        decoder.handle_bytes(Role::Client, &LIMITS, &mut []),
        Ok(nothing)
    );
}

#[test]
fn empty_things_are_things() {
    let stream = b"\x81\x00\x82\x00\x89\x00\x8a\x00\x88\x00";
    let (incoming, error) = check(Role::Client, &LIMITS, stream);
    let empty = || Cow::Borrowed(&b""[..]);
    let expected = [
        text(""),
        Incoming::Binary(empty()),
        Incoming::Ping(empty()),
        Incoming::Pong(empty()),
        Incoming::Close(None),
    ];
    assert_eq!((incoming.as_slice(), error), (&expected[..], None));
}

#[test]
fn a_fragmented_text_message_with_split_utf8_is_delivered_once() {
    for role in [Role::Server, Role::Client] {
        let frames = [
            fragment(role, false, Opcode::Text, b"1\xe2"),
            fragment(role, false, Opcode::Continuation, b""),
            fragment(role, false, Opcode::Continuation, b"\x82"),
            fragment(role, true, Opcode::Continuation, b"\xac!"),
        ];
        assert_eq!(
            check(role, &LIMITS, &frames.concat()),
            (vec![text("1€!")], None)
        );
    }
}

#[test]
fn control_frames_come_between_fragments() {
    let frames = [
        from_server(false, Opcode::Text, b"a\xe2"),
        from_server(true, Opcode::Ping, b"are you there"),
        from_server(true, Opcode::Pong, b""),
        from_server(true, Opcode::Continuation, b"\x82\xac"),
    ];
    let ping = Incoming::Ping(b"are you there".into());
    let expected = vec![ping, Incoming::Pong(b"".into()), text("a€")];
    assert_eq!(
        check(Role::Client, &LIMITS, &frames.concat()),
        (expected, None)
    );
}

#[test]
fn a_close_between_fragments_is_a_close() {
    let mut stream = from_server(false, Opcode::Text, b"a");
    encode_close(&mut stream, CloseCode::GOING_AWAY, "später");
    let close = Incoming::Close(Some((CloseCode::GOING_AWAY, "später".into())));
    assert_eq!(check(Role::Client, &LIMITS, &stream), (vec![close], None));
}

#[test]
fn frames_out_of_order_fail_with_their_first_byte() {
    let error = ProtocolError::UnexpectedContinuation;
    assert_eq!(mistake(b"\x80\x00"), Some((error, 1)));
    assert_eq!(mistake(b"\x81\x00\x00\x00"), Some((error, 3)));
    let error = ProtocolError::InterruptedMessage;
    assert_eq!(mistake(b"\x01\x00\x81\x00"), Some((error, 3)));
    assert_eq!(mistake(b"\x02\x00\x02\x00"), Some((error, 3)));
}

#[test]
fn what_a_header_alone_can_break_is_found_in_the_stream() {
    let cases: [(&[u8], ProtocolError, usize); 7] = [
        (b"\x81\x00\xc1\x00", ProtocolError::ReservedBits, 3),
        (b"\x01\x00\x83\x00", ProtocolError::ReservedOpcode(3), 3),
        (b"\x09\x00", ProtocolError::FragmentedControl, 1),
        (b"\x89\x7e\x00\x7e", ProtocolError::ControlTooLong, 2),
        (b"\x81\x80\x00\x00", ProtocolError::Masked, 2),
        (b"\x82\x7e\x00\x05", ProtocolError::LengthNotMinimal, 4),
        (b"\x82\x7f\xff\x00", ProtocolError::LengthOverflow, 3),
    ];
    for (stream, error, at) in cases {
        assert_eq!(mistake(stream), Some((error, at)));
    }
    let unmasked = check(Role::Server, &LIMITS, b"\x81\x05Hello");
    assert_eq!(unmasked, (vec![], Some(ProtocolError::Unmasked)));
}

#[test]
fn invalid_text_fails_with_its_first_wrong_byte_even_inside_a_frame() {
    let error = ProtocolError::InvalidText;
    // Header 2 bytes, then the byte that no further ones can make right.
    assert_eq!(
        mistake(&from_server(true, Opcode::Text, b"ab\xffcd")),
        Some((error, 5))
    );
    assert_eq!(
        mistake(&from_server(true, Opcode::Text, b"\xed\xa0\x80")),
        Some((error, 4))
    );
    let frames = [
        from_server(false, Opcode::Text, b"\xf4"),
        from_server(false, Opcode::Continuation, b"\x90\x80\x80"),
    ];
    assert_eq!(mistake(&frames.concat()), Some((error, 6)));
}

#[test]
fn a_text_message_that_ends_inside_a_character_is_invalid() {
    let error = ProtocolError::InvalidText;
    assert_eq!(
        mistake(&from_server(true, Opcode::Text, b"a\xe2\x82")),
        Some((error, 5))
    );
    let frames = [
        from_server(false, Opcode::Text, b"\xe2\x82"),
        from_server(true, Opcode::Continuation, b""),
    ];
    assert_eq!(mistake(&frames.concat()), Some((error, 6)));
}

#[test]
fn a_close_fails_with_the_byte_that_is_wrong() {
    let half = ProtocolError::CloseTooShort;
    assert_eq!(mistake(b"\x88\x01\x03"), Some((half, 2)));
    let local = ProtocolError::CloseCodeNotAllowed(CloseCode(1006));
    assert_eq!(mistake(b"\x88\x05\x03\xeeabc"), Some((local, 4)));
    let reason = ProtocolError::InvalidCloseReason;
    assert_eq!(mistake(b"\x88\x06\x03\xe8a\xffbc"), Some((reason, 6)));
    assert_eq!(mistake(b"\x88\x04\x03\xe8\xe2\x82"), Some((reason, 6)));
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let whole = from_server(true, Opcode::Binary, &[7; 1000]);
    let message = Incoming::Binary(vec![7; 1000].into());
    assert_eq!(check(Role::Client, &LIMITS, &whole), (vec![message], None));
    // 1001 is 03 E9: certain with its second byte.
    let longer = from_server(true, Opcode::Binary, &[7; 1001]);
    assert_eq!(mistake(&longer), Some((ProtocolError::TooBig, 4)));
}

#[test]
fn the_limit_is_over_all_fragments() {
    let frames = [
        from_server(false, Opcode::Text, &[b'a'; 900]),
        from_server(true, Opcode::Ping, &[b'b'; 125]),
        from_server(true, Opcode::Continuation, &[b'c'; 101]),
    ];
    assert_eq!(
        mistake(&frames.concat()),
        Some((ProtocolError::TooBig, 904 + 127 + 2))
    );
}

#[test]
fn an_announced_length_allocates_nothing() {
    let huge = b"\x82\x7f\x10\x00\x00\x00\x00\x00\x00\x00";
    assert_eq!(mistake(huge), Some((ProtocolError::TooBig, 3)));
    let limits = MessageLimits {
        bytes_max: usize::MAX,
        fragments_max: 1,
    };
    let mut decoder = Decoder::default();
    let mut bytes = huge.to_vec();
    bytes.extend([1, 2, 3]);
    decoder
        .handle_bytes(Role::Client, &limits, &mut bytes)
        .expect("no limit");
    let message = decoder
        .partial
        .and_then(|it| it.message)
        .expect("a message under way");
    assert!(matches!(message.body, ArrivedPayload::Binary(bytes) if bytes.capacity() < 64));
}

#[test]
fn fragments_are_counted_empty_ones_too() {
    let mut stream = from_server(false, Opcode::Text, b"");
    for _ in 0..3 {
        stream.extend(from_server(false, Opcode::Continuation, b""));
    }
    assert_eq!(mistake(&stream), None);
    stream.extend(from_server(true, Opcode::Continuation, b""));
    assert_eq!(mistake(&stream), Some((ProtocolError::TooManyFragments, 9)));
}

#[test]
fn a_large_masked_message_keeps_its_mask_phase_over_pieces() {
    let payload: Vec<u8> = (0..=255u8).cycle().take(70_000).collect();
    let limits = MessageLimits {
        bytes_max: 70_000,
        fragments_max: 1,
    };
    let stream = fragment(Role::Server, true, Opcode::Binary, &payload);
    let expected = (vec![Incoming::Binary(payload.into())], None);
    assert_eq!(
        decode(Role::Server, &limits, &stream, &[3, 1, 4096, 5, 1021]),
        expected
    );
}

/// A message or control frame as somebody may send it.
#[derive(Clone, Debug)]
enum Sent {
    /// The message in so many fragments, a ping between each two of them.
    Text(String, usize),
    Binary(Vec<u8>, usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Sent {
    fn encode(&self, role: Role, out: &mut Vec<u8>) {
        match self {
            Self::Text(text, pieces) => {
                fragments(role, Opcode::Text, text.as_bytes(), *pieces, out)
            }
            Self::Binary(bytes, pieces) => fragments(role, Opcode::Binary, bytes, *pieces, out),
            Self::Ping(bytes) => out.extend(fragment(role, true, Opcode::Ping, bytes)),
            Self::Pong(bytes) => out.extend(fragment(role, true, Opcode::Pong, bytes)),
        }
    }

    fn expected(&self) -> Vec<Incoming<'static>> {
        match self {
            Self::Text(message, pieces) => between(*pieces, text(message)),
            Self::Binary(bytes, pieces) => between(*pieces, Incoming::Binary(bytes.clone().into())),
            Self::Ping(bytes) => vec![Incoming::Ping(bytes.clone().into())],
            Self::Pong(bytes) => vec![Incoming::Pong(bytes.clone().into())],
        }
    }
}

fn between(pieces: usize, last: Incoming<'static>) -> Vec<Incoming<'static>> {
    let mut all = vec![Incoming::Ping(b"between".into()); pieces - 1];
    all.push(last);
    all
}

fn fragments(role: Role, opcode: Opcode, payload: &[u8], pieces: usize, out: &mut Vec<u8>) {
    let size = payload.len().div_ceil(pieces);
    let mut rest = payload;
    for i in 0..pieces {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let opcode = if i == 0 { opcode } else { Opcode::Continuation };
        out.extend(fragment(role, i + 1 == pieces, opcode, piece));
        if i + 1 < pieces {
            out.extend(fragment(role, true, Opcode::Ping, b"between"));
        }
    }
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        (any::<String>(), 1usize..5).prop_map(|(text, pieces)| Sent::Text(text, pieces)),
        ("[a-zà-ÿ€𝄞]{0,200}", 1usize..5).prop_map(|(text, pieces)| Sent::Text(text, pieces)),
        (bytes(600), 1usize..5).prop_map(|(bytes, pieces)| Sent::Binary(bytes, pieces)),
        bytes(126).prop_map(Sent::Ping),
        bytes(126).prop_map(Sent::Pong),
    ]
}

fn any_stream() -> impl Strategy<Value = Vec<Sent>> {
    proptest::collection::vec(any_sent(), 0..12)
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

fn any_sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..40, 1..30)
}

fn encoded(role: Role, sent: &[Sent]) -> Vec<u8> {
    let mut stream = Vec::new();
    sent.iter().for_each(|it| it.encode(role, &mut stream));
    stream
}

const WIDE: MessageLimits = MessageLimits {
    bytes_max: 64 * 1024,
    fragments_max: 4,
};

/// A socket that reads from one vector and writes to another.
struct Wire {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other implementation, as the end that `role` names.
fn other(role: Role, input: Vec<u8>) -> WebSocket<Wire> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let role = match role {
        Role::Server => tungstenite::protocol::Role::Server,
        Role::Client => tungstenite::protocol::Role::Client,
    };
    let wire = Wire {
        input: Cursor::new(input),
        output: Vec::new(),
    };
    WebSocket::from_raw_socket(wire, role, Some(config))
}

fn translated(message: Message) -> Incoming<'static> {
    match message {
        Message::Text(it) => text(&it),
        Message::Binary(bytes) => Incoming::Binary(bytes.to_vec().into()),
        Message::Ping(bytes) => Incoming::Ping(bytes.to_vec().into()),
        Message::Pong(bytes) => Incoming::Pong(bytes.to_vec().into()),
        Message::Close(close) => {
            let close = close.map(|it| (CloseCode(it.code.into()), it.reason.as_str().to_owned()));
            Incoming::Close(close)
        }
        Message::Frame(_) => unreachable!("reading hands out no raw frames"),
    }
}

fn message(sent: &Sent) -> Message {
    match sent {
        Sent::Text(text, _) => Message::Text(text.as_str().into()),
        Sent::Binary(bytes, _) => Message::Binary(bytes.clone().into()),
        Sent::Ping(bytes) => Message::Ping(bytes.clone().into()),
        Sent::Pong(bytes) => Message::Pong(bytes.clone().into()),
    }
}

/// Bytes that are nearly frames, so that the decoder gets far.
fn nearly_frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x01u8, 0x02, 0x00, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]);
    let junk = proptest::collection::vec(any::<u8>(), 0..12);
    let length = prop_oneof![0u8..12, 0x80u8..0x8c, 125u8..130, any::<u8>()];
    let header = (first, length).prop_map(|(first, length)| vec![first, length]);
    let frame = (any_role(), any::<bool>(), 0usize..6, junk.clone());
    let frame = frame.prop_map(|(role, fin, opcode, payload)| {
        let all = [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
        ];
        let opcode = *all.get(opcode).unwrap_or(&Opcode::Ping);
        fragment(role, fin, opcode, &payload)
    });
    let part = prop_oneof![4 => frame, 1 => header, 1 => junk];
    proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_sent_arrives_whatever_the_pieces(
        role in any_role(), sent in any_stream(), sizes in any_sizes(),
    ) {
        let stream = encoded(role, &sent);
        let expected = (sent.iter().flat_map(Sent::expected).collect(), None);
        prop_assert_eq!(&decode(role, &WIDE, &stream, &[]), &expected);
        prop_assert_eq!(&decode(role, &WIDE, &stream, &[1]), &expected);
        prop_assert_eq!(&decode(role, &WIDE, &stream, &sizes), &expected);
    }

    #[test]
    fn one_wrong_bit_has_the_same_outcome_whatever_the_pieces(
        role in any_role(), sent in any_stream(), sizes in any_sizes(), bit: usize,
    ) {
        let mut stream = encoded(role, &sent);
        // An empty stream has no bit to turn.
        let at = bit / 8 % stream.len().max(1);
        stream.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
        let whole = decode(role, &LIMITS, &stream, &[]);
        prop_assert_eq!(&decode(role, &LIMITS, &stream, &[1]), &whole);
        prop_assert_eq!(&decode(role, &LIMITS, &stream, &sizes), &whole);
    }

    #[test]
    fn nothing_that_a_peer_sends_is_a_panic_or_depends_on_the_pieces(
        role in any_role(), stream in nearly_frames(), sizes in any_sizes(),
    ) {
        let whole = decode(role, &LIMITS, &stream, &[]);
        prop_assert_eq!(&decode(role, &LIMITS, &stream, &[1]), &whole);
        prop_assert_eq!(&decode(role, &LIMITS, &stream, &sizes), &whole);
    }

    #[test]
    fn a_mistake_is_found_with_the_same_byte_whole_or_byte_by_byte(
        role in any_role(), stream in nearly_frames(),
    ) {
        let (_, error) = decode(role, &LIMITS, &stream, &[]);
        let fails = |n: usize, sizes: &[usize]| decode(role, &LIMITS, &stream[..n], sizes).1;
        let first = (0..=stream.len()).find(|&n| fails(n, &[]).is_some());
        prop_assert_eq!(first.is_some(), error.is_some());
        if let Some(n) = first {
            prop_assert_eq!(fails(n, &[1]), error);
            prop_assert_eq!(fails(n - 1, &[1]), None);
        }
    }

    #[test]
    fn another_implementation_reads_the_same_stream_the_same(
        role in any_role(), sent in any_stream(),
    ) {
        let mut stream = encoded(role, &sent);
        let mask = MASK;
        match role {
            Role::Client => encode_close(&mut stream, CloseCode::NORMAL, "bye"),
            Role::Server => frame::encode_close_masked(&mut stream, CloseCode::NORMAL, "bye", mask),
        }
        let (incoming, error) = decode(role, &WIDE, &stream, &[]);
        prop_assert_eq!(error, None);
        let mut other = other(role, stream);
        for ours in incoming {
            prop_assert_eq!(translated(other.read().expect("it reads what we read")), ours);
        }
        prop_assert!(other.read().is_err(), "it is closed");
    }

    #[test]
    fn what_another_implementation_writes_is_read(
        role in any_role(), sent in any_stream(), sizes in any_sizes(),
    ) {
        // The other end writes what `role` reads.
        let writer = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let mut other = other(writer, Vec::new());
        for it in &sent {
            other.send(message(it)).expect("it writes");
        }
        let frame = CloseFrame { code: 4008.into(), reason: "slow".into() };
        other.close(Some(frame)).expect("it closes");
        let stream = other.get_ref().output.clone();
        let mut expected: Vec<_> = sent.iter().map(|it| translated(message(it))).collect();
        expected.push(Incoming::Close(Some((CloseCode::SLOW_CONSUMER, "slow".into()))));
        prop_assert_eq!(decode(role, &WIDE, &stream, &sizes), (expected, None));
    }
}
