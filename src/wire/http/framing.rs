//! Whether a body follows a request's head, and how its end is found (RFC 9112 §6.3).
//!
//! The framing headers decide it, and nothing else: the method has no say (RFC 9110 §9.3.1), nor
//! has what becomes of the request. What two readers could understand differently is refused.

use super::error::malformed;
use super::{HttpError, RequestHead, Version};

/// How the end of a request's body is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There are no framing headers: the request ends with its head.
    None,
    /// The body has this many bytes, perhaps none.
    Sized(usize),
    /// The body comes in chunks.
    Chunked,
}

impl Framing {
    /// The framing of the request with this head.
    ///
    /// # Errors
    /// 400 where there is none that everybody would understand alike. The connection closes.
    pub fn of(head: &RequestHead) -> Result<Self, HttpError> {
        match (
            head.count("Transfer-Encoding"),
            head.count("Content-Length"),
        ) {
            (0, 0) => Ok(Self::None),
            (0, 1) => sized(head.header("Content-Length").unwrap_or_default()),
            (0, _) => Err(malformed("the request has several Content-Length headers")),
            (1, 0) => chunked(head),
            (_, 0) => Err(malformed(
                "the request has several Transfer-Encoding headers",
            )),
            // RFC 9112 §6.3: the classic of request smuggling.
            (_, _) => Err(malformed(
                "the request has both Content-Length and Transfer-Encoding",
            )),
        }
    }

    /// Whether nothing follows the head that would belong to this request.
    #[must_use]
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Sized(0))
    }
}

/// RFC 9110 §8.6: one or more digits and nothing else; not even a list of equal ones.
fn sized(length: &str) -> Result<Framing, HttpError> {
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed("Content-Length is not a number"));
    }
    // Digits that do not fit are a number too: one that is over every bound.
    Ok(Framing::Sized(length.parse().unwrap_or(usize::MAX)))
}

/// Chunked alone, in any letter case. RFC 9112 §6.3: where it is not the last coding nobody knows
/// the length; §6.1: nor may it be applied twice. Where others come before it we could know, but
/// not read what is in it.
fn chunked(head: &RequestHead) -> Result<Framing, HttpError> {
    // RFC 9112 §6.1: in HTTP/1.0 the framing is faulty, whatever it says.
    if head.version() == Version::Http10 {
        return Err(malformed("HTTP/1.0 has no Transfer-Encoding: use HTTP/1.1"));
    }
    let coding = head.header("Transfer-Encoding").unwrap_or_default();
    if coding.eq_ignore_ascii_case("chunked") {
        Ok(Framing::Chunked)
    } else {
        Err(malformed("the only Transfer-Encoding here is 'chunked'"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::tests::{head, head_of};
    use super::*;

    const METHODS: [&str; 10] = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "SHOUT",
    ];

    /// The framing of these header lines, which is the same for every method.
    fn check(lines: &str) -> Result<Framing, u16> {
        let framing = METHODS.map(|method| {
            let head = head(&format!("{method} / HTTP/1.1\r\n{lines}\r\n"));
            Framing::of(&head).map_err(|e| {
                assert!(e.closes(), "{e}");
                e.status()
            })
        });
        assert!(framing.iter().all(|f| *f == framing[0]), "{lines}");
        framing[0]
    }

    #[test]
    fn the_framing_headers_say_what_follows_whatever_the_method() {
        for (lines, expected) in [
            ("", Framing::None),
            ("Content-Type: text/plain\r\n", Framing::None),
            ("TE: trailers\r\nTrailer: Expires\r\n", Framing::None),
            ("Content-Length: 0\r\n", Framing::Sized(0)),
            ("content-length:5\r\n", Framing::Sized(5)),
            ("Content-Length:  \t5 \t\r\n", Framing::Sized(5)),
            ("Content-Length: 005\r\n", Framing::Sized(5)),
            (
                "Content-Length: 18446744073709551615\r\n",
                Framing::Sized(usize::MAX),
            ),
            (
                "Content-Length: 99999999999999999999999999\r\n",
                Framing::Sized(usize::MAX),
            ),
            ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
            ("transfer-encoding:CHUNKED\r\n", Framing::Chunked),
            ("Transfer-Encoding: \tChunked \r\n", Framing::Chunked),
        ] {
            assert_eq!(check(lines), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn framing_that_can_be_misunderstood_is_refused_whatever_the_method() {
        for lines in [
            "Content-Length:\r\n",
            "Content-Length: \r\n",
            "Content-Length: abc\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5.0\r\n",
            "Content-Length: 5e0\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 5,\r\n",
            "Content-Length: 5;\r\n",
            "Content-Length: \"5\"\r\n",
            "Content-Length: \u{665}\r\n",
            "Content-Length: 5\u{a0}\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            "Content-Length: 0\r\nContent-Length:\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            "Transfer-Encoding:\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunkedx\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding: ,chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chun ked\r\n",
            "Transfer-Encoding: chunked\u{e9}\r\n",
            "Transfer-Encoding:\r\n",
        ] {
            assert_eq!(check(lines), Err(400), "{lines}");
        }
    }

    #[test]
    fn framing_in_bytes_that_are_no_text_is_refused() {
        for line in [
            &b"Content-Length: 5\xff"[..],
            b"Transfer-Encoding: chunked\xa0",
        ] {
            let head = head_of(&[b"GET / HTTP/1.1\r\n", line, b"\r\n\r\n"].concat());
            assert_eq!(Framing::of(&head).map_err(|e| e.status()), Err(400));
        }
    }

    #[test]
    fn http_1_0_has_lengths_but_no_chunks() {
        for (line, expected) in [
            ("Content-Length: 5", Ok(Framing::Sized(5))),
            ("Transfer-Encoding: chunked", Err(400)),
            ("Transfer-Encoding: identity", Err(400)),
        ] {
            let old = head(&format!("POST / HTTP/1.0\r\n{line}\r\n\r\n"));
            assert_eq!(Framing::of(&old).map_err(|e| e.status()), expected);
        }
    }

    #[test]
    fn only_what_has_bytes_is_a_body() {
        assert!(Framing::None.is_empty() && Framing::Sized(0).is_empty());
        assert!(!Framing::Sized(1).is_empty() && !Framing::Chunked.is_empty());
    }
}
