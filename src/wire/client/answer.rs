//! HTTP answers out of received bytes, one behind the other, on one connection.
//!
//! Owns the head of an answer until it is whole, and the place in its body; no byte of a body
//! stays here. Who asked, and what an answer means, is the caller's: it says nothing of requests,
//! so it is not for answers to HEAD.

use super::error::AnswerError;
use super::framing::BodyPlace;
use super::{RESPONSE_HEAD_BYTES_MAX, RESPONSE_HEADERS_MAX, location, tokens, values};

/// What is read of the head of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AnswerHead {
    /// The status, from 200 on.
    pub status: u16,
    /// Whether the connection ends behind this answer.
    pub is_last: bool,
    /// `Content-Type` without its parameters, in lower case.
    pub content_type: Option<String>,
    /// `ETag`, as it stands there.
    pub etag: Option<String>,
    /// `Last-Modified`, as it stands there.
    pub last_modified: Option<String>,
    /// Where a redirect leads to, as it stands there.
    pub location: Option<String>,
}

/// What the next bytes of a connection are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// An answer begins.
    Head(AnswerHead),
    /// A part of its body.
    Body {
        /// At least one byte.
        bytes: &'a [u8],
        /// Whether it is known to be the last part; a body in chunks does not know.
        is_last: bool,
    },
    /// The answer is whole.
    End,
}

/// What one call took from the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerStep<'a> {
    /// So many of the bytes.
    pub consumed: usize,
    /// What they are. `None` asks for more bytes; then all of them are consumed.
    pub piece: Option<Piece<'a>>,
}

/// Reads the answers of one connection.
///
/// ```
/// use altavoz::wire::client::{AnswerReader, Piece};
///
/// let mut reader = AnswerReader::default();
/// let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// let mut pieces = Vec::new();
/// loop {
///     let step = reader.handle_bytes(bytes)?;
///     bytes = &bytes[step.consumed..];
///     match step.piece {
///         Some(piece) => pieces.push(piece),
///         None => break,
///     }
/// }
/// assert_eq!(pieces[1..], [Piece::Body { bytes: b"hi", is_last: true }, Piece::End]);
/// # Ok::<(), altavoz::wire::client::AnswerError>(())
/// ```
#[derive(Debug)]
pub struct AnswerReader(AnswerState);

#[derive(Debug)]
enum AnswerState {
    /// Between answers, or within a head, of which this has come.
    /// Invariant: at most [`RESPONSE_HEAD_BYTES_MAX`] bytes.
    Head(Option<Box<PartialHead>>),
    /// Within a body, or at its end.
    Body(BodyPlace),
}

/// What has come of a head.
#[derive(Debug, Default)]
struct PartialHead {
    bytes: Vec<u8>,
}

const _: () = assert!(
    size_of::<AnswerReader>() <= 24,
    "kept for every held request"
);

impl Default for AnswerReader {
    fn default() -> Self {
        Self(AnswerState::Head(None))
    }
}

impl AnswerReader {
    /// Takes bytes up to the end of the next piece. Repeat with the rest, also with none, until
    /// there is no piece: the end of an answer comes by itself.
    ///
    /// # Errors
    /// When it is no HTTP, or its body has no clear end. The connection is of no use behind it.
    pub fn handle_bytes<'a>(&mut self, bytes: &'a [u8]) -> Result<AnswerStep<'a>, AnswerError> {
        match &mut self.0 {
            AnswerState::Head(partial) => {
                let (consumed, found) = take_head(partial, bytes)?;
                let piece = found.map(|(head, framing)| {
                    self.0 = AnswerState::Body(framing);
                    Piece::Head(head)
                });
                Ok(AnswerStep { consumed, piece })
            }
            AnswerState::Body(BodyPlace::Done) => {
                self.0 = AnswerState::Head(None);
                Ok(AnswerStep {
                    consumed: 0,
                    piece: Some(Piece::End),
                })
            }
            AnswerState::Body(framing) => {
                let (before, data) = framing.take(bytes)?;
                let consumed = before + data;
                let piece = if data > 0 {
                    Some(Piece::Body {
                        bytes: &bytes[before..consumed],
                        is_last: *framing == BodyPlace::Done,
                    })
                } else if *framing == BodyPlace::Done {
                    self.0 = AnswerState::Head(None);
                    Some(Piece::End)
                } else {
                    None
                };
                Ok(AnswerStep { consumed, piece })
            }
        }
    }

    /// What it means that the server closed the connection: whether that ended an answer, which
    /// had no other end.
    ///
    /// # Errors
    /// When an answer had begun that is not whole now.
    pub fn handle_eof(&mut self) -> Result<bool, AnswerError> {
        let was_open = match std::mem::replace(&mut self.0, AnswerState::Head(None)) {
            AnswerState::Head(None) => return Ok(false),
            AnswerState::Body(BodyPlace::UntilClose | BodyPlace::Done) => true,
            AnswerState::Head(Some(_)) | AnswerState::Body(_) => return Err(AnswerError::Eof),
        };
        Ok(was_open)
    }

    /// Whether an answer has begun and is not whole.
    #[must_use]
    pub fn is_within(&self) -> bool {
        !matches!(self.0, AnswerState::Head(None))
    }
}

/// How many bytes were taken, and the head with the body that it announces, if it is whole.
type TakenHead = (usize, Option<(AnswerHead, BodyPlace)>);

/// Takes bytes up to the end of a head, and forgets interim ones (RFC 9110 §15.2).
fn take_head(
    partial: &mut Option<Box<PartialHead>>,
    bytes: &[u8],
) -> Result<TakenHead, AnswerError> {
    let mut consumed = 0;
    while consumed < bytes.len() {
        let rest = &bytes[consumed..];
        let mut kept = partial.take();
        let before = kept.as_ref().map_or(0, |kept| kept.bytes.len());
        let head = match &mut kept {
            None => most(rest),
            Some(kept) => {
                kept.bytes.extend_from_slice(most(rest));
                most(&kept.bytes)
            }
        };
        match parse(head)? {
            Some((length, FoundHead::Interim)) => consumed += length - before,
            Some((length, FoundHead::Final(head, framing))) => {
                return Ok((consumed + length - before, Some((head, framing))));
            }
            None if head.len() == RESPONSE_HEAD_BYTES_MAX => return Err(AnswerError::TooLong),
            None => {
                let begin = || {
                    let bytes = rest.to_vec();
                    Box::new(PartialHead { bytes })
                };
                *partial = Some(kept.unwrap_or_else(begin));
                consumed = bytes.len();
            }
        }
    }
    Ok((consumed, None))
}

/// As many bytes as a head can have.
fn most(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(RESPONSE_HEAD_BYTES_MAX)]
}

enum FoundHead {
    Interim,
    Final(AnswerHead, BodyPlace),
}

/// The first head in these bytes, if it is whole, and its length.
fn parse(bytes: &[u8]) -> Result<Option<(usize, FoundHead)>, AnswerError> {
    let mut headers = [httparse::EMPTY_HEADER; RESPONSE_HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else {
        return Ok(None);
    };
    let found = match response.code.unwrap_or(0) {
        101 => return Err(AnswerError::UnaskedSwitch),
        100..=199 => FoundHead::Interim,
        status => {
            let framing = framing(status, &response)?;
            FoundHead::Final(head(status, framing, &response), framing)
        }
    };
    Ok(Some((length, found)))
}

fn head(status: u16, framing: BodyPlace, response: &httparse::Response<'_, '_>) -> AnswerHead {
    let first = |name| values(response, name).next().map(str::to_owned);
    let has_option = |option: &str| {
        let mut options = values(response, "Connection").flat_map(tokens);
        options.any(|it| it.eq_ignore_ascii_case(option))
    };
    // RFC 9112 §9.3: HTTP/1.0 keeps a connection only if it says so.
    let is_last = has_option("close")
        || framing == BodyPlace::UntilClose
        || (response.version == Some(0) && !has_option("keep-alive"));
    let content_type = first("Content-Type").map(|value| {
        let bare = value.split(';').next().unwrap_or_default();
        bare.trim().to_ascii_lowercase()
    });
    AnswerHead {
        status,
        is_last,
        content_type,
        etag: first("ETag"),
        last_modified: first("Last-Modified"),
        location: location(status, response),
    }
}

/// RFC 9112 §6.3, for answers to anything but HEAD and CONNECT.
fn framing(status: u16, response: &httparse::Response<'_, '_>) -> Result<BodyPlace, AnswerError> {
    if matches!(status, 204 | 304) {
        return Ok(BodyPlace::Done);
    }
    let mut codings = values(response, "Transfer-Encoding").flat_map(tokens);
    let mut lengths = values(response, "Content-Length");
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(BodyPlace::UntilClose),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => match codings.next() {
            None => Ok(BodyPlace::CHUNKED),
            Some(_) => Err(AnswerError::UnknownFraming),
        },
        (None, Some(length)) => {
            let is_number = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
            let length = length.parse().ok().filter(|_| is_number);
            match (length, lengths.next()) {
                (Some(length), None) => Ok(BodyPlace::sized(length)),
                _ => Err(AnswerError::UnknownFraming),
            }
        }
        (Some(_), _) => Err(AnswerError::UnknownFraming),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer as a test sees it: its head, its body, and whether it ended.
    type Seen = (AnswerHead, Vec<u8>, bool);

    /// The answers in these bytes; whatever the pieces.
    fn check(bytes: &[u8]) -> (Vec<Seen>, Option<AnswerError>) {
        let whole = in_pieces(bytes, bytes.len().max(1));
        for size in 1..bytes.len().min(200) {
            assert_eq!(in_pieces(bytes, size), whole, "in pieces of {size}");
        }
        whole
    }

    fn in_pieces(bytes: &[u8], size: usize) -> (Vec<Seen>, Option<AnswerError>) {
        let mut reader = AnswerReader::default();
        let mut seen = Vec::new();
        for piece in bytes.chunks(size) {
            if let Err(error) = take(&mut reader, piece, &mut seen) {
                return (seen, Some(error));
            }
        }
        let error = match reader.handle_eof() {
            Ok(ended) => {
                seen.iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|last| last.2 |= ended);
                None
            }
            Err(error) => Some(error),
        };
        (seen, error)
    }

    fn take(
        reader: &mut AnswerReader,
        mut bytes: &[u8],
        seen: &mut Vec<Seen>,
    ) -> Result<(), AnswerError> {
        loop {
            let step = reader.handle_bytes(bytes)?;
            bytes = &bytes[step.consumed..];
            match (step.piece, seen.last_mut()) {
                (None, _) => {
                    assert_eq!(bytes, b"");
                    return Ok(());
                }
                (Some(Piece::Head(head)), _) => seen.push((head, Vec::new(), false)),
                (Some(Piece::Body { bytes, .. }), Some(last)) => last.1.extend_from_slice(bytes),
                (Some(Piece::End), Some(last)) => last.2 = true,
                (Some(piece), None) => panic!("{piece:?} before a head"),
            }
        }
    }

    fn statuses(seen: &[Seen]) -> Vec<(u16, String, bool)> {
        let one = |(head, body, ended): &Seen| {
            let text = String::from_utf8_lossy(body).into_owned();
            (head.status, text, *ended)
        };
        seen.iter().map(one).collect()
    }

    #[test]
    fn answers_follow_each_other_whatever_their_framing() {
        let (seen, error) = check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
              HTTP/1.1 304 Not Modified\r\nETag: \"x7:3\"\r\nContent-Length: 9\r\n\r\n\
              HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n\
              3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest",
        );
        assert_eq!(error, None);
        let expected = [
            (200, "hello", true),
            (304, "", true),
            (200, "abcde", true),
            (204, "", true),
            (200, "", true),
            (200, "rest", true),
        ]
        .map(|(status, body, ended)| (status, body.to_owned(), ended));
        assert_eq!(statuses(&seen), expected);
        assert_eq!(seen[1].0.etag.as_deref(), Some("\"x7:3\""));
        let ends: Vec<_> = seen.iter().map(|(head, ..)| head.is_last).collect();
        assert_eq!(ends, [false, false, false, false, false, true]);
    }

    #[test]
    fn a_head_tells_what_a_reader_needs() {
        let (seen, _) = check(
            b"HTTP/1.0 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\
              Last-Modified: then\r\nContent-Length: 0\r\n\r\n",
        );
        let expected = AnswerHead {
            status: 200,
            is_last: true,
            content_type: Some("text/event-stream".to_owned()),
            etag: None,
            last_modified: Some("then".to_owned()),
            location: None,
        };
        assert_eq!(seen, [(expected, Vec::new(), true)]);
        let (seen, _) =
            check(b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n");
        assert!(seen[0].0.is_last);
        let (seen, _) = check(b"HTTP/1.1 307 x\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(seen[0].0.location.as_deref(), Some("/b"));
    }

    #[test]
    fn a_body_says_which_part_is_its_last() {
        let mut reader = AnswerReader::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        let step = reader.handle_bytes(head).expect("a head");
        assert_eq!(step.consumed, head.len());
        let mut part = |bytes| match reader.handle_bytes(bytes).map(|step| step.piece) {
            Ok(Some(Piece::Body { bytes, is_last })) => (bytes.len(), is_last),
            other => panic!("{other:?}"),
        };
        assert_eq!(part(b"ab"), (2, false));
        assert_eq!(part(b"cdHTTP"), (2, true));
        assert!(reader.is_within());
        assert_eq!(
            reader.handle_bytes(b"").map(|step| step.piece),
            Ok(Some(Piece::End))
        );
        assert!(!reader.is_within());
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        let error = |answer: &str| check(answer.as_bytes()).1;
        let malformed = AnswerError::Malformed(httparse::Error::Version);
        assert_eq!(error("SSH-2.0-OpenSSH\r\n"), Some(malformed));
        let switch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(error(switch), Some(AnswerError::UnaskedSwitch));
        for headers in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: ",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nx");
            assert_eq!(
                error(&answer),
                Some(AnswerError::UnknownFraming),
                "{headers}"
            );
        }
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx";
        assert_eq!(error(cut), Some(AnswerError::Eof));
        assert_eq!(error(&cut[..20]), Some(AnswerError::Eof));
        assert_eq!(error(""), None);
    }

    #[test]
    fn a_head_may_be_as_long_as_the_bound_and_no_longer() {
        let head = |padding: usize| {
            let padding = "x".repeat(padding);
            format!("HTTP/1.1 204 x\r\nA: {padding}\r\n\r\n").into_bytes()
        };
        let fits = RESPONSE_HEAD_BYTES_MAX - head(0).len();
        for size in [1000, 20_000] {
            assert_eq!(in_pieces(&head(fits), size).1, None);
            assert_eq!(
                in_pieces(&head(fits + 1), size).1,
                Some(AnswerError::TooLong)
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_says_is_a_panic(
            start in prop_oneof![
                Just(&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..]),
                Just(&b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"[..]),
                Just(&b"HTTP/1.1 "[..]),
            ],
            tail in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..120),
            size in 1usize..50,
        ) {
            let bytes = [start, &tail].concat();
            prop_assert_eq!(in_pieces(&bytes, size), in_pieces(&bytes, bytes.len()));
        }
    }
}
