//! Whether the body of a POST is text, JSON or bytes.

use serde::de::IgnoredAny;

use super::bad_request;
use crate::wire::http::{HttpError, RequestHead};
use crate::wire::prepared::PayloadKind;

/// The kind of this body, by its `Content-Type` and itself.
///
/// # Errors
/// 400 for text that is not UTF-8 and for JSON that is none, 415 for a `Content-Encoding`.
pub fn payload_kind(head: &RequestHead, body: &[u8]) -> Result<PayloadKind, HttpError> {
    check_encoding(head)?;
    let kind = media_type(head)?;
    match kind.as_str() {
        "" | "application/x-www-form-urlencoded" => Ok(match str::from_utf8(body) {
            Ok(_) => PayloadKind::Text,
            Err(_) => PayloadKind::Binary,
        }),
        "application/json" => {
            serde_json::from_str::<IgnoredAny>(utf8(body)?)
                .map_err(|e| bad_request(format!("the body is not JSON: {e}")))?;
            Ok(PayloadKind::Json)
        }
        text if text.starts_with("text/") => utf8(body).map(|_| PayloadKind::Text),
        _ => Ok(PayloadKind::Binary),
    }
}

/// # Errors
/// 415 for any content coding: a subscriber gets the payload as it came, and would not know.
/// `identity` is none (RFC 9110 §8.4.1), and what would be taken is said (§12.5.3).
pub(super) fn check_encoding(head: &RequestHead) -> Result<(), HttpError> {
    let mut codings = head.list("Content-Encoding");
    if codings.all(|coding| coding.eq_ignore_ascii_case("identity")) {
        return Ok(());
    }
    let message = "publish the payload as it is, without Content-Encoding";
    let error = HttpError::new(415, "content_encoding", message);
    Err(error.with_header("Accept-Encoding", "identity"))
}

/// Type and subtype in lower case, without parameters; empty if there is no header.
fn media_type(head: &RequestHead) -> Result<String, HttpError> {
    let mut types = head.headers("Content-Type");
    let (first, second) = (types.next(), types.next());
    if second.is_some() {
        return Err(bad_request("there are several Content-Type headers"));
    }
    let essence = first.unwrap_or_default().split(';').next();
    Ok(essence.unwrap_or_default().trim().to_ascii_lowercase())
}

fn utf8(body: &[u8]) -> Result<&str, HttpError> {
    str::from_utf8(body).map_err(|_| {
        bad_request("the body is not UTF-8: publish bytes as application/octet-stream")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::tests::head;

    fn check(header: &str, body: &[u8]) -> Result<PayloadKind, u16> {
        let head = head(&format!("POST / HTTP/1.1\r\n{header}\r\n"));
        payload_kind(&head, body).map_err(|e| e.status())
    }

    #[test]
    fn the_content_type_says_what_a_body_is() {
        use PayloadKind::{Binary, Json, Text};
        for (header, body, expected) in [
            ("", &b"hello"[..], Ok(Text)),
            ("", b"\xff", Ok(Binary)),
            ("", b"", Ok(Text)),
            ("Content-Type:\r\n", b"a", Ok(Text)),
            (
                "Content-Type: application/x-www-form-urlencoded\r\n",
                b"a=b",
                Ok(Text),
            ),
            (
                "Content-Type: application/x-www-form-urlencoded\r\n",
                b"\xff",
                Ok(Binary),
            ),
            ("Content-Type: text/plain\r\n", b"a", Ok(Text)),
            ("Content-Type: TEXT/HTML; charset=utf-8\r\n", b"a", Ok(Text)),
            ("Content-Type: text/plain\r\n", b"\xff", Err(400)),
            (
                "Content-Type: application/json\r\n",
                b" {\"a\":[1,null]} ",
                Ok(Json),
            ),
            (
                "Content-Type: Application/JSON;charset=utf-8\r\n",
                b"1",
                Ok(Json),
            ),
            ("Content-Type: application/json\r\n", b"", Err(400)),
            ("Content-Type: application/json\r\n", b"{", Err(400)),
            ("Content-Type: application/json\r\n", b"1 2", Err(400)),
            ("Content-Type: application/json\r\n", b"'a'", Err(400)),
            ("Content-Type: application/json\r\n", b"\"\xff\"", Err(400)),
            (
                "Content-Type: application/octet-stream\r\n",
                b"a",
                Ok(Binary),
            ),
            ("Content-Type: application/jsonx\r\n", b"a", Ok(Binary)),
            ("Content-Type: image/png\r\n", b"a", Ok(Binary)),
            (
                "Content-Type: text/plain\r\nContent-Type: image/png\r\n",
                b"a",
                Err(400),
            ),
        ] {
            assert_eq!(check(header, body), expected, "{header} {body:?}");
        }
    }

    #[test]
    fn identity_is_no_coding_and_any_other_is_refused_with_what_is_taken() {
        for (header, expected) in [
            ("Content-Encoding: identity\r\n", Ok(PayloadKind::Text)),
            ("content-encoding:IDENTITY\r\n", Ok(PayloadKind::Text)),
            (
                "Content-Encoding: identity, identity\r\nContent-Encoding: identity\r\n",
                Ok(PayloadKind::Text),
            ),
            ("Content-Encoding:\r\n", Ok(PayloadKind::Text)),
            ("Content-Encoding: ,\r\n", Ok(PayloadKind::Text)),
            ("Content-Encoding: gzip\r\n", Err(415)),
            ("Content-Encoding: identity, gzip\r\n", Err(415)),
            (
                "Content-Encoding: identity\r\nContent-Encoding: br\r\n",
                Err(415),
            ),
            ("Content-Encoding: identity;q=1\r\n", Err(415)),
            ("Content-Encoding: aws-chunked\r\n", Err(415)),
        ] {
            assert_eq!(check(header, b"a"), expected, "{header}");
        }
        let head = head("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n");
        let answer = check_encoding(&head).expect_err("refused").to_response();
        assert_eq!(answer.header_value("Accept-Encoding"), Some("identity"));
    }

    #[test]
    fn deep_json_neither_overflows_nor_panics() {
        let deep = "[".repeat(500_000);
        assert_eq!(
            check("Content-Type: application/json\r\n", deep.as_bytes()),
            Err(400)
        );
        let closed = format!("{deep}{}", "]".repeat(500_000));
        let answer = check("Content-Type: application/json\r\n", closed.as_bytes());
        assert!(matches!(answer, Ok(PayloadKind::Json) | Err(400)));
    }
}
