//! Bytes into request heads.
//!
//! Owns the search for the end of a head and its bounds. The search looks at each byte once, and
//! the grammar is only looked at when the head is whole, so a head that drips in byte by byte
//! costs what it costs at once. Trap: httparse alone accepts a bare LF as the end of a line, which
//! other readers do not; the search refuses it first.

use std::borrow::Cow;

use super::error::malformed;
use super::{HttpError, RequestHead, Version};

/// Empty lines in front of a request are passed over (RFC 9112 §2.2), up to this many bytes.
const LEADING_BYTES_MAX: usize = 16;

/// The bounds of a request's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// The longest head in bytes, from the request line to the empty line.
    pub bytes_max: usize,
    /// The most headers.
    pub headers_max: usize,
}

/// What a call of [`HeadParser::handle_bytes`] did.
#[derive(Debug)]
pub struct HeadStep {
    /// Bytes taken; the rest belongs to the body, to the next request or to the WebSocket.
    pub consumed: usize,
    /// The head, if it is whole. `None` asks for more bytes.
    pub head: Option<RequestHead>,
}

/// Reads one request head after the other.
#[derive(Default, Debug)]
pub struct HeadParser {
    /// The beginning of a head that is not whole yet.
    partial: Vec<u8>,
    scan: HeadScan,
}

/// How far the search for the empty line came.
#[derive(Clone, Copy, Default, Debug)]
struct HeadScan {
    /// Bytes of empty lines in front of the head.
    leading_bytes: usize,
    /// Whole lines of the head, the empty one not among them.
    lines: usize,
    /// Bytes of the line that is being read, without its end.
    line_bytes: usize,
    /// Whether the last byte was a CR, so that only LF may follow.
    after_cr: bool,
}

/// What one more byte makes of the search.
#[derive(PartialEq, Eq)]
enum ScanStep {
    /// The byte belongs to an empty line before the head.
    Leading,
    /// The byte is within the head.
    Within,
    /// The byte is the last one of the head.
    End,
}

impl HeadParser {
    /// A parser that waits for the first byte of a head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of a head.
    ///
    /// # Errors
    /// 400 for wrong grammar, 414 and 431 for a head over its bounds, 505 for another version.
    /// The connection is of no use behind any of them.
    pub fn handle_bytes(
        &mut self,
        limits: &HeadLimits,
        bytes: &[u8],
    ) -> Result<HeadStep, HttpError> {
        let mut start = 0;
        for (i, byte) in bytes.iter().enumerate() {
            match self.scan.take(*byte)? {
                ScanStep::Leading => start = i + 1,
                ScanStep::Within => self.check_bounds(limits, i + 1 - start)?,
                ScanStep::End => return self.finish(limits, &bytes[start..=i], i + 1),
            }
        }
        self.partial.extend_from_slice(&bytes[start..]);
        Ok(HeadStep {
            consumed: bytes.len(),
            head: None,
        })
    }

    /// Whether no byte of a head has come: the connection is between requests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    fn finish(
        &mut self,
        limits: &HeadLimits,
        rest: &[u8],
        consumed: usize,
    ) -> Result<HeadStep, HttpError> {
        self.check_bounds(limits, rest.len())?;
        let headers_len = self.scan.headers_len();
        let partial = std::mem::take(&mut self.partial);
        self.scan = HeadScan::default();
        let head = if partial.is_empty() {
            parse(rest, headers_len)?
        } else {
            parse(&[&partial, rest].concat(), headers_len)?
        };
        Ok(HeadStep {
            consumed,
            head: Some(head),
        })
    }

    /// `more` bytes beside the kept ones belong to the head so far.
    fn check_bounds(&self, limits: &HeadLimits, more: usize) -> Result<(), HttpError> {
        if self.scan.headers_len() > limits.headers_max {
            return Err(too_many(limits.headers_max));
        }
        if self.partial.len() + more <= limits.bytes_max {
            return Ok(());
        }
        let max = limits.bytes_max;
        Err(if self.scan.lines == 0 {
            let message = format!("the request line is longer than {max} bytes: shorten the URL");
            HttpError::fatal(414, "uri_too_long", message)
        } else {
            let message =
                format!("the request head is longer than {max} bytes: send fewer headers");
            HttpError::fatal(431, "head_too_large", message)
        })
    }
}

impl HeadScan {
    fn take(&mut self, byte: u8) -> Result<ScanStep, HttpError> {
        match byte {
            b'\n' if self.after_cr => Ok(self.end_line()?),
            b'\n' => Err(malformed("a line of the request ends without CR: use CRLF")),
            _ if self.after_cr => Err(malformed("a CR in the request head has no LF behind it")),
            b'\r' => {
                self.after_cr = true;
                Ok(if self.before_head() {
                    ScanStep::Leading
                } else {
                    ScanStep::Within
                })
            }
            _ if self.before_head() => self.first_byte(byte),
            _ => {
                self.line_bytes += 1;
                Ok(ScanStep::Within)
            }
        }
    }

    /// Whole lines of the head behind the request line.
    fn headers_len(&self) -> usize {
        self.lines.saturating_sub(1)
    }

    /// Whether no byte of the request line has come.
    fn before_head(&self) -> bool {
        self.lines == 0 && self.line_bytes == 0
    }

    fn end_line(&mut self) -> Result<ScanStep, HttpError> {
        self.after_cr = false;
        if self.before_head() {
            self.leading_bytes += 2;
            if self.leading_bytes > LEADING_BYTES_MAX {
                return Err(malformed("too many empty lines before a request"));
            }
            return Ok(ScanStep::Leading);
        }
        if self.line_bytes == 0 {
            return Ok(ScanStep::End);
        }
        self.lines += 1;
        self.line_bytes = 0;
        Ok(ScanStep::Within)
    }

    /// What cannot begin a request is refused at once, instead of when the client gives up.
    fn first_byte(&mut self, byte: u8) -> Result<ScanStep, HttpError> {
        // RFC 8446 §5.1: a TLS record of type handshake.
        if byte == 0x16 {
            return Err(malformed("this port speaks plain HTTP, not TLS"));
        }
        if !byte.is_ascii_graphic() {
            return Err(malformed("a request begins with its method"));
        }
        self.line_bytes = 1;
        Ok(ScanStep::Within)
    }
}

fn too_many(headers_max: usize) -> HttpError {
    let message = format!("the request has more than {headers_max} headers: send fewer");
    HttpError::fatal(431, "too_many_headers", message)
}

/// Reads a whole head that has this many header lines.
fn parse(bytes: &[u8], headers_len: usize) -> Result<RequestHead, HttpError> {
    let bytes = &*as_our_version(bytes);
    let mut headers = vec![httparse::EMPTY_HEADER; headers_len];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(n)) if n == bytes.len() => {}
        Ok(_) => return Err(malformed("the request head is not HTTP/1.1")),
        Err(e) => return Err(grammar_error(e, bytes)),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(malformed(
            "the request line is not 'METHOD TARGET HTTP/1.1'",
        ));
    };
    let version = match request.version {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    };
    RequestHead::from_parts(bytes, (method, target, version), request.headers)
}

/// A version of our major with a higher minor is read as 1.1, the highest that we know
/// (RFC 9110 §2.5); httparse refuses it.
fn as_our_version(bytes: &[u8]) -> Cow<'_, [u8]> {
    let line_end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(0);
    match bytes[..line_end] {
        [
            ..,
            b' ',
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'2'..=b'9',
        ] => {
            let mut ours = bytes.to_vec();
            ours[line_end - 1] = b'1';
            Cow::Owned(ours)
        }
        _ => Cow::Borrowed(bytes),
    }
}

fn grammar_error(error: httparse::Error, bytes: &[u8]) -> HttpError {
    match error {
        httparse::Error::Version if names_other_version(bytes) => HttpError::fatal(
            505,
            "version_not_supported",
            "this node speaks HTTP/1.1 and HTTP/1.0",
        ),
        httparse::Error::HeaderName => malformed(
            "a header's name is wrong: one 'Name: value' a line, no blank before ':' or the name",
        ),
        httparse::Error::HeaderValue => malformed("a header's value holds a control character"),
        _ => malformed("the request line is not 'METHOD TARGET HTTP/1.1'"),
    }
}

/// Whether the request line is well-formed but for a version that is not ours (RFC 9112 §2.3).
fn names_other_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\r').next();
    let words: Vec<_> = line
        .unwrap_or_default()
        .split(|byte| *byte == b' ')
        .collect();
    matches!(
        words[..],
        [[_, ..], [_, ..], [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]]
            if major.is_ascii_digit() && minor.is_ascii_digit()
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::http::Method;

    const LIMITS: HeadLimits = HeadLimits {
        bytes_max: 16 * 1024,
        headers_max: 64,
    };

    /// The head of this text, for tests of whatever reads heads.
    pub(crate) fn head(text: &str) -> RequestHead {
        head_of(text.as_bytes())
    }

    /// The head of these bytes, which need be no text.
    pub(crate) fn head_of(bytes: &[u8]) -> RequestHead {
        let text = String::from_utf8_lossy(bytes);
        let step = HeadParser::new().handle_bytes(&LIMITS, bytes);
        let step = step.unwrap_or_else(|e| panic!("{e} in {text:?}"));
        assert_eq!(step.consumed, bytes.len(), "{text:?}");
        step.head.unwrap_or_else(|| panic!("{text:?} is not whole"))
    }

    /// What a parser says of these pieces: the status of its error, or its heads.
    fn check(limits: &HeadLimits, pieces: &[&[u8]]) -> Result<Vec<RequestHead>, u16> {
        let mut parser = HeadParser::new();
        let mut heads = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let step = parser.handle_bytes(limits, piece).map_err(|e| {
                    assert!(e.closes(), "{e}");
                    e.status()
                })?;
                piece = &piece[step.consumed..];
                heads.extend(step.head);
            }
        }
        Ok(heads)
    }

    fn refused(text: impl AsRef<[u8]>) -> Option<u16> {
        let text = text.as_ref();
        let whole = check(&LIMITS, &[text]).err();
        let dripped = check(&LIMITS, &text.chunks(1).collect::<Vec<_>>()).err();
        assert_eq!(whole, dripped, "{:?}", String::from_utf8_lossy(text));
        whole
    }

    #[test]
    fn a_head_is_read_and_what_follows_is_left() {
        let bytes = b"POST /a?b HTTP/1.0\r\nHost: x\r\n\r\nbody";
        let step = HeadParser::new()
            .handle_bytes(&LIMITS, bytes)
            .expect("fine");
        assert_eq!(step.consumed, bytes.len() - 4);
        let head = step.head.expect("whole");
        assert_eq!(head.method(), &Method::Post);
        assert_eq!(head.target(), "/a?b");
        assert_eq!(head.version(), Version::Http10);
        assert_eq!(head.header("host"), Some("x"));
    }

    #[test]
    fn pipelined_heads_come_one_by_one() {
        let bytes = b"GET /1 HTTP/1.1\r\n\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
        let heads = check(&LIMITS, &[bytes]).expect("fine");
        let targets: Vec<_> = heads.iter().map(RequestHead::target).collect();
        assert_eq!(targets, ["/1", "/2"]);
    }

    #[test]
    fn empty_lines_before_a_request_are_passed_over_but_not_for_ever() {
        let mut parser = HeadParser::new();
        let step = parser.handle_bytes(&LIMITS, b"\r\n\r").expect("fine");
        assert_eq!((step.consumed, parser.is_empty()), (3, true));
        assert_eq!(
            refused(format!("{}GET / HTTP/1.1\r\n\r\n", "\r\n".repeat(8))),
            None
        );
        assert_eq!(refused("\r\n".repeat(9)), Some(400));
    }

    #[test]
    fn what_smuggles_requests_is_refused() {
        for text in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\n A: b\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length\t: 5\r\n\r\n",
            "GET / HTTP/1.1\r\n: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nA(: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n",
            "GET / HTTP/1.1\r\n\u{b5}: b\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET /  HTTP/1.1\r\n\r\n",
            "GET\t/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET / http/1.1\r\n\r\n",
            "GET / HTTP/11\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / \r\n\r\n",
            " GET / HTTP/1.1\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "\0",
            "\x16\x03\x01",
        ] {
            assert_eq!(refused(text), Some(400), "{text:?}");
        }
        assert_eq!(refused(b"GET /\xff HTTP/1.1\r\n\r\n"), Some(400));
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\xff: b\r\n\r\n"), Some(400));
    }

    #[test]
    fn bytes_above_7f_in_a_value_are_taken_whatever_they_are() {
        for value in [
            &b"\xff"[..],
            b"M\xfcnchen",
            b"\xc3\xa9",
            b"\x80\xfe a, \xed\xa0\x80",
        ] {
            let request = [b"GET / HTTP/1.1\r\nX-City: ", value, b"\r\n\r\n"].concat();
            assert_eq!(refused(&request), None, "{value:?}");
            let pieces: Vec<_> = request.chunks(1).collect();
            let heads = check(&LIMITS, &pieces).expect("fine");
            assert_eq!(heads[0].values("x-city").collect::<Vec<_>>(), [value]);
        }
    }

    #[test]
    fn other_versions_are_505() {
        for version in ["0.9", "0.0", "2.0", "2.1", "3.0", "9.9"] {
            assert_eq!(refused(format!("GET / HTTP/{version}\r\n\r\n")), Some(505));
        }
        for version in [
            "1", "1.", ".1", "1.10", "01.1", "1.1.1", "1,2", "1.x", "-1.2",
        ] {
            assert_eq!(refused(format!("GET / HTTP/{version}\r\n\r\n")), Some(400));
        }
        assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(505));
    }

    #[test]
    fn a_higher_minor_version_is_read_as_ours() {
        for minor in 2..=9 {
            let head = head(&format!("GET /a HTTP/1.{minor}\r\nHost: HTTP/1.2\r\n\r\n"));
            assert_eq!(head.version(), Version::Http11);
            assert_eq!(
                (head.target(), head.header("Host")),
                ("/a", Some("HTTP/1.2"))
            );
            assert!(head.wants_keep_alive());
        }
    }

    #[test]
    fn a_head_over_its_bounds_is_refused_before_it_ends() {
        let limits = HeadLimits {
            bytes_max: 64,
            headers_max: 2,
        };
        let long = "x".repeat(64);
        for (text, expected) in [
            (format!("GET /{long}"), Some(414)),
            (format!("GET / HTTP/1.1\r\nA: {long}"), Some(431)),
            ("GET / HTTP/1.1\r\nA:\r\nB:\r\n\r\n".to_owned(), None),
            (
                "GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\n\r\n".to_owned(),
                Some(431),
            ),
            (
                "GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD:".to_owned(),
                Some(431),
            ),
        ] {
            let whole = check(&limits, &[text.as_bytes()]).err();
            assert_eq!(whole, expected, "{text}");
            let pieces: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(check(&limits, &pieces).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_head_of_exactly_its_bounds_is_read() {
        let text = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(41));
        for (bytes_max, expected) in [(text.len(), None), (text.len() - 1, Some(431))] {
            let limits = HeadLimits {
                bytes_max,
                headers_max: 1,
            };
            assert_eq!(check(&limits, &[text.as_bytes()]).err(), expected);
        }
    }

    #[test]
    fn a_mebibyte_dripped_byte_by_byte_is_refused_at_the_bound() {
        let mut parser = HeadParser::new();
        let text = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(1 << 20));
        let refused_at = text
            .as_bytes()
            .chunks(1)
            .position(|byte| parser.handle_bytes(&LIMITS, byte).is_err());
        assert_eq!(refused_at, Some(LIMITS.bytes_max));
    }

    proptest! {
        #[test]
        fn a_head_does_not_depend_on_its_segments(cuts in proptest::collection::vec(0usize..200, 0..8)) {
            let text = b"\r\nGET /topics/a?after=x:1 HTTP/1.1\r\nHost: a:80\r\nX: \xc3\xa9, b\r\n\
                         Connection: keep-alive\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\n\r\n";
            let whole = check(&LIMITS, &[text]).expect("fine");
            prop_assert_eq!(check(&LIMITS, &split(text, &cuts)).expect("fine"), whole);
        }

        #[test]
        fn any_bytes_are_an_answer_and_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let whole = check(&LIMITS, &[&bytes]);
            prop_assert_eq!(check(&LIMITS, &split(&bytes, &cuts)), whole);
        }

        #[test]
        fn damaged_heads_are_an_answer_and_no_panic(place in 0usize..60, byte in any::<u8>()) {
            let mut text = b"GET /topics/a HTTP/1.1\r\nHost: a\r\nA: b\r\nContent-Length: 1\r\n\r\n".to_vec();
            text[place] = byte;
            let pieces: Vec<_> = text.chunks(1).collect();
            prop_assert_eq!(check(&LIMITS, &pieces), check(&LIMITS, &[&text]));
        }
    }

    /// Cuts bytes at these places.
    pub(crate) fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        pieces.push(&bytes[start..]);
        pieces
    }
}
