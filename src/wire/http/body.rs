//! A request's body: sized or chunked, bounded, gathered whole or read away.
//!
//! Owns the rules of RFC 9112 §7 for where a body ends; whether there is one is [`Framing`]'s.
//! Memory grows with the bytes that came, never with a length that was only declared.

use super::error::malformed;
use super::{Framing, HttpError};

/// All chunk extensions of one body together, in bytes; they are read and forgotten.
const EXTENSION_BYTES_MAX: usize = 4096;
/// All trailer lines of one body together, in bytes; they are read and forgotten.
const TRAILER_BYTES_MAX: usize = 8192;
/// Digits of a chunk's size: sixteen hold 64 bits.
const SIZE_DIGITS_MAX: u32 = 16;

/// What a call of [`BodyReader::handle_bytes`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyStep {
    /// Bytes taken; the rest belongs to the next request.
    pub consumed: usize,
    /// Whether the body is whole.
    pub done: bool,
}

/// Reads one body to its end.
#[derive(Debug)]
pub struct BodyReader {
    bytes_max: usize,
    /// Bytes of the body that came. Invariant: `bytes <= bytes_max`.
    bytes: usize,
    /// Those bytes; `None` where nobody wants them.
    body: Option<Vec<u8>>,
    state: BodyState,
    extension_bytes: usize,
    trailer_bytes: usize,
}

/// What the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BodyState {
    /// One of this many bytes that a sized body still has. Never 0.
    Sized(usize),
    /// A digit of a chunk's size, or what ends them.
    Size { value: usize, digits: u32 },
    /// A blank behind a chunk's size, which only an extension may follow.
    Blank { size: usize },
    /// Within a chunk's extension.
    Extension { size: usize },
    /// The LF behind a chunk's size.
    SizeLf { size: usize },
    /// One of this many bytes that the chunk still has. Never 0.
    Data(usize),
    /// The CR behind a chunk's data.
    DataCr,
    /// The LF behind a chunk's data.
    DataLf,
    /// Within a line of the trailers that has this many bytes so far.
    Trailer { line_bytes: usize },
    /// The LF behind a line of the trailers.
    TrailerLf { line_bytes: usize },
    /// Nothing: the body is whole.
    Done,
}

impl BodyReader {
    /// A reader that gathers a body of at most `bytes_max` bytes; it is done from the start if
    /// there is none.
    ///
    /// # Errors
    /// 413 for a declared length over the bound, which closes the connection.
    pub fn gather(framing: Framing, bytes_max: usize) -> Result<Self, HttpError> {
        Self::new(framing, bytes_max, Some(Vec::new()))
    }

    /// A reader that forgets what it reads, which is at most `bytes_max` bytes.
    ///
    /// # Errors
    /// 413 for a declared length over the bound, which closes the connection.
    pub fn skip(framing: Framing, bytes_max: usize) -> Result<Self, HttpError> {
        Self::new(framing, bytes_max, None)
    }

    fn new(framing: Framing, bytes_max: usize, body: Option<Vec<u8>>) -> Result<Self, HttpError> {
        let state = match framing {
            Framing::None | Framing::Sized(0) => BodyState::Done,
            Framing::Sized(length) if length > bytes_max => return Err(too_large(bytes_max)),
            Framing::Sized(length) => BodyState::Sized(length),
            Framing::Chunked => BodyState::Size {
                value: 0,
                digits: 0,
            },
        };
        Ok(Self {
            bytes_max,
            bytes: 0,
            body,
            state,
            extension_bytes: 0,
            trailer_bytes: 0,
        })
    }

    /// Takes bytes up to the end of the body.
    ///
    /// # Errors
    /// 400 for wrong chunks, 413 for a body over its bound. Both close the connection.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<BodyStep, HttpError> {
        let mut consumed = 0;
        while consumed < bytes.len() && !self.is_done() {
            consumed += match self.state {
                BodyState::Sized(left) | BodyState::Data(left) => {
                    self.take_data(left, &bytes[consumed..])
                }
                _ => {
                    self.state = self.take_byte(bytes[consumed])?;
                    1
                }
            };
        }
        debug_assert!(self.bytes <= self.bytes_max);
        Ok(BodyStep {
            consumed,
            done: self.is_done(),
        })
    }

    /// The whole body; nothing of one that was skipped.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        debug_assert!(self.is_done(), "the body is not whole");
        self.body.unwrap_or_default()
    }

    /// Whether the body is whole; an empty sized one is from the start.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    fn take_data(&mut self, left: usize, bytes: &[u8]) -> usize {
        let taken = left.min(bytes.len());
        self.bytes += taken;
        if let Some(body) = &mut self.body {
            body.extend_from_slice(&bytes[..taken]);
        }
        self.state = match (self.state, left - taken) {
            (BodyState::Sized(_), 0) => BodyState::Done,
            (BodyState::Sized(_), left) => BodyState::Sized(left),
            (_, 0) => BodyState::DataCr,
            (_, left) => BodyState::Data(left),
        };
        taken
    }

    /// RFC 9112 §7.1, one byte of everything that is not data.
    fn take_byte(&mut self, byte: u8) -> Result<BodyState, HttpError> {
        match (self.state, byte) {
            (BodyState::Size { value, digits }, _) => size_byte(value, digits, byte),
            (BodyState::Blank { size }, b' ' | b'\t' | b';') => self.extension_byte(size, byte),
            (BodyState::Extension { size }, b'\r') => Ok(BodyState::SizeLf { size }),
            (BodyState::Extension { size }, _) => self.extension_byte(size, byte),
            (BodyState::SizeLf { size }, b'\n') => self.begin_chunk(size),
            (BodyState::DataCr, b'\r') => Ok(BodyState::DataLf),
            (BodyState::DataLf, b'\n') => Ok(BodyState::Size {
                value: 0,
                digits: 0,
            }),
            (BodyState::Trailer { line_bytes }, b'\r') => Ok(BodyState::TrailerLf { line_bytes }),
            (BodyState::Trailer { line_bytes }, _) => self.trailer_byte(line_bytes, byte),
            (BodyState::TrailerLf { line_bytes: 0 }, b'\n') => Ok(BodyState::Done),
            (BodyState::TrailerLf { .. }, b'\n') => Ok(BodyState::Trailer { line_bytes: 0 }),
            _ => Err(malformed("a chunk of the body does not end with CRLF")),
        }
    }

    fn begin_chunk(&self, size: usize) -> Result<BodyState, HttpError> {
        if size == 0 {
            return Ok(BodyState::Trailer { line_bytes: 0 });
        }
        if size > self.bytes_max - self.bytes {
            return Err(too_large(self.bytes_max));
        }
        Ok(BodyState::Data(size))
    }

    fn extension_byte(&mut self, size: usize, byte: u8) -> Result<BodyState, HttpError> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX || is_control(byte) {
            return Err(malformed(
                "a chunk extension of the body is wrong or too long",
            ));
        }
        let is_before = matches!(self.state, BodyState::Blank { .. }) && byte != b';';
        Ok(if is_before {
            BodyState::Blank { size }
        } else {
            BodyState::Extension { size }
        })
    }

    fn trailer_byte(&mut self, line_bytes: usize, byte: u8) -> Result<BodyState, HttpError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX || is_control(byte) {
            return Err(malformed("the trailers of the body are wrong or too long"));
        }
        Ok(BodyState::Trailer {
            line_bytes: line_bytes + 1,
        })
    }
}

fn is_control(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

fn size_byte(value: usize, digits: u32, byte: u8) -> Result<BodyState, HttpError> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        if digits == SIZE_DIGITS_MAX {
            return Err(malformed("a chunk's size has too many digits"));
        }
        return Ok(BodyState::Size {
            value: (value << 4) | digit as usize,
            digits: digits + 1,
        });
    }
    match byte {
        b'\r' if digits > 0 => Ok(BodyState::SizeLf { size: value }),
        b';' if digits > 0 => Ok(BodyState::Extension { size: value }),
        // RFC 9112 §7.1.1: bad whitespace before an extension is to be read, and nowhere else.
        b' ' | b'\t' if digits > 0 => Ok(BodyState::Blank { size: value }),
        _ => Err(malformed("a chunk's size is not hexadecimal digits")),
    }
}

fn too_large(bytes_max: usize) -> HttpError {
    let message = format!("the body is longer than {bytes_max} bytes: send smaller messages");
    HttpError::fatal(413, "body_too_large", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parser::tests::{head, split};
    use super::*;

    const BYTES_MAX: usize = 100;

    /// The body that these headers and pieces make, and how many bytes are left behind it.
    fn check(headers: &str, pieces: &[&[u8]]) -> Result<(Vec<u8>, usize), u16> {
        let head = head(&format!("POST / HTTP/1.1\r\n{headers}\r\n"));
        let status = |e: HttpError| {
            assert!(e.closes(), "{e}");
            e.status()
        };
        let framing = Framing::of(&head).map_err(status)?;
        let gathered = read(BodyReader::gather(framing, BYTES_MAX), pieces).map_err(status)?;
        let skipped = read(BodyReader::skip(framing, BYTES_MAX), pieces).map_err(status)?;
        let ends = |read: &Option<(Vec<u8>, usize)>| read.as_ref().map(|(_, left)| *left);
        assert_eq!(
            ends(&skipped),
            ends(&gathered),
            "both end in the same place"
        );
        assert!(skipped.is_none_or(|(body, _)| body.is_empty()));
        gathered.ok_or(0)
    }

    /// The body and how many bytes are left behind it, if it is whole.
    fn read(
        reader: Result<BodyReader, HttpError>,
        pieces: &[&[u8]],
    ) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
        let mut reader = reader?;
        let mut left = 0;
        for piece in pieces {
            left += piece.len() - reader.handle_bytes(piece)?.consumed;
        }
        Ok(reader.is_done().then(|| (reader.into_body(), left)))
    }

    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

    /// What a chunked body is, at once and byte by byte.
    fn chunked(body: &str) -> Result<(Vec<u8>, usize), u16> {
        let whole = check(CHUNKED, &[body.as_bytes()]);
        let pieces: Vec<_> = body.as_bytes().chunks(1).collect();
        assert_eq!(check(CHUNKED, &pieces), whole, "{body:?}");
        whole
    }

    #[test]
    fn a_head_without_framing_has_no_body() {
        assert_eq!(check("", &[b"GET"]), Ok((vec![], 3)));
    }

    #[test]
    fn a_sized_body_ends_where_it_says() {
        assert_eq!(
            check("Content-Length: 5\r\n", &[b"hel", b"loGET"]),
            Ok((b"hello".to_vec(), 3))
        );
        assert_eq!(check("Content-Length: 0\r\n", &[b"GET"]), Ok((vec![], 3)));
        assert_eq!(
            check("Content-Length: 005\r\n", &[b"hello"]),
            Ok((b"hello".to_vec(), 0))
        );
        assert_eq!(check("Content-Length: 5\r\n", &[b"hell"]), Err(0));
    }

    #[test]
    fn a_length_over_the_bound_is_refused_by_its_declaration() {
        let declared = |length: &str| check(&format!("Content-Length: {length}\r\n"), &[]);
        assert_eq!(declared("100"), Err(0), "that much is taken");
        for length in ["101", "18446744073709551615", "99999999999999999999999"] {
            assert_eq!(declared(length), Err(413), "{length}");
        }
    }

    #[test]
    fn a_chunked_body_is_put_together() {
        assert_eq!(
            chunked("5\r\nhello\r\n1;a=\"b\"\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\nGET"),
            Ok((b"hello 0123456789".to_vec(), 3))
        );
        assert_eq!(chunked("0\r\n\r\n"), Ok((vec![], 0)));
        assert_eq!(
            chunked("5 \t; a = b ;c\r\nhello\r\n0\t;x\r\n\r\n"),
            Ok((b"hello".to_vec(), 0))
        );
        assert_eq!(
            chunked("0;x\r\nExpires: never\r\nA:b\r\n\r\nX"),
            Ok((vec![], 1))
        );
        assert_eq!(chunked("5\r\nhello\r\n0\r\n"), Err(0));
    }

    #[test]
    fn wrong_chunks_are_refused() {
        for body in [
            "\r\n",
            ";x\r\n",
            "g\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5 5\r\nhello\r\n",
            "5\t\n",
            " ;a\r\nhello\r\n",
            "5\nhello\n",
            "5\rhello",
            "5\r\nhelloo\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5;a\nb\r\nhello\r\n",
            "5;a\rb\r\nhello\r\n",
            "0\r\nA: b\nC: d\r\n\r\n",
            "0\r\nA: b\rC: d\r\n\r\n",
            "0\r\n\rX",
            "00000000000000001\r\n",
        ] {
            assert_eq!(chunked(body), Err(400), "{body:?}");
        }
    }

    #[test]
    fn a_chunked_body_is_refused_as_soon_as_it_is_too_long() {
        assert_eq!(chunked("65\r\n"), Err(413));
        assert_eq!(chunked("ffffffffffffffff\r\n"), Err(413));
        let one = "a\r\n0123456789\r\n";
        assert_eq!(chunked(&format!("{}1\r\n", one.repeat(10))), Err(413));
        assert!(chunked(&format!("{}0\r\n\r\n", one.repeat(10))).is_ok());
    }

    #[test]
    fn extensions_and_trailers_have_an_end() {
        let extension = "x".repeat(2000);
        let chunk = format!("1;{extension}\r\na\r\n");
        assert_eq!(chunked(&chunk.repeat(3)), Err(400));
        assert!(chunked(&format!("{}0\r\n\r\n", chunk.repeat(2))).is_ok());
        let blanks = format!("1{};a\r\n", " ".repeat(5000));
        assert_eq!(chunked(&blanks), Err(400));
        let trailer = format!("A: {}\r\n", "x".repeat(2000));
        assert_eq!(chunked(&format!("0\r\n{}", trailer.repeat(5))), Err(400));
    }

    #[test]
    fn a_declared_length_takes_no_memory() {
        let head = head("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
        let framing = Framing::of(&head).expect("fine");
        let mut reader = BodyReader::gather(framing, 1 << 20).expect("fine");
        reader.handle_bytes(b"0123456789").expect("fine");
        assert!(reader.body.is_some_and(|body| body.capacity() < 1000));
    }

    proptest! {
        #[test]
        fn a_body_does_not_depend_on_its_segments(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 0..5),
            cuts in proptest::collection::vec(0usize..300, 0..8),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nT: t\r\n\r\nnext");
            let expected = Ok((chunks.concat(), 4));
            prop_assert_eq!(check(CHUNKED, &split(&wire, &cuts)), expected);
        }

        #[test]
        fn any_bytes_are_an_answer_and_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let whole = check(CHUNKED, &[&bytes]);
            prop_assert_eq!(check(CHUNKED, &split(&bytes, &cuts)), whole);
        }
    }
}
