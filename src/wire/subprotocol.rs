//! What a WebSocket offers in `Sec-WebSocket-Protocol` (RFC 6455 §1.9): protocols, and tokens,
//! since a page has no other header to put one into.
//!
//! Owns which of them is chosen and which is a token. Whether a token is right is `crate::http`'s.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::http::RequestHead;
use crate::config::is_word;

/// A token stands behind this, percent-encoded where it must be.
const TOKEN_PREFIX: &str = "altavoz.token.";
/// The protocol behind this one is a token.
const TOKEN_MARK: &str = "bearer";
/// The same with both in one, in base64; as Kubernetes' clients have it.
const BEARER_PREFIX: &str = "base64url.bearer.authorization.";
/// How JSON Web Tokens begin: `{"` in base64.
const JWT_PREFIX: &str = "eyJ";
/// What is longer and was not named by the operator may be a key: a UUID has 36 characters, and
/// 128 bits have 32 in hexadecimal.
const NAME_BYTES_MAX: usize = 31;

/// The protocol to choose for a handshake, if there is one.
///
/// Of those that are `served` the one that the client offers first. A node that names none
/// chooses the first that is offered, since browsers fail a connection for which none is chosen,
/// and what is sent does not depend on it; but nothing that may be a secret.
#[must_use]
pub fn chosen<'a>(
    head: &'a RequestHead,
    served: &[String],
    is_secret: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    if !served.is_empty() {
        return offered(head).find(|name| served.iter().any(|served| served == name));
    }
    let mut before = "";
    offered(head).find(|name| {
        let is_name = !follows_mark(before) && is_plain(name) && !is_secret(name);
        before = name;
        is_name
    })
}

/// The tokens among what is offered: behind `bearer`, and behind `altavoz.token.`.
pub fn tokens(head: &RequestHead) -> impl Iterator<Item = Cow<'_, str>> {
    let mut before = "";
    offered(head).filter_map(move |name| {
        let is_marked = follows_mark(std::mem::replace(&mut before, name));
        match name.strip_prefix(TOKEN_PREFIX) {
            Some(token) => Some(decoded(token)),
            None => is_marked.then_some(Cow::Borrowed(name)),
        }
    })
}

/// What is no word is left out, as is any other header that a client wrote wrongly.
fn offered(head: &RequestHead) -> impl Iterator<Item = &str> {
    head.list("Sec-WebSocket-Protocol")
        .filter(|name| is_word(name))
}

fn is_plain(name: &str) -> bool {
    let secrets = [TOKEN_PREFIX, BEARER_PREFIX, JWT_PREFIX];
    !secrets.iter().any(|secret| name.starts_with(secret)) && name.len() <= NAME_BYTES_MAX
}

fn follows_mark(before: &str) -> bool {
    before.eq_ignore_ascii_case(TOKEN_MARK)
}

/// A key of other characters than those of a word is percent-encoded; one with a `%` in it that
/// begins no escape stands for itself.
fn decoded(token: &str) -> Cow<'_, str> {
    percent_decode_str(token)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(token))
}

#[cfg(test)]
mod tests {
    use super::super::http::tests::head;
    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo";

    fn request(offers: &[&str]) -> RequestHead {
        let lines: String = offers
            .iter()
            .map(|offer| format!("Sec-WebSocket-Protocol: {offer}\r\n"))
            .collect();
        head(&format!("GET / HTTP/1.1\r\n{lines}\r\n"))
    }

    #[test]
    fn without_served_names_the_first_that_is_no_secret_is_chosen() {
        let kubernetes = "base64url.bearer.authorization.k8s.io.c2VjcmV0";
        for (offers, expected) in [
            (&[][..], None),
            (&["json"], Some("json")),
            (&["a, b"], Some("a")),
            (&["a", "b"], Some("a")),
            (&["", " , b"], Some("b")),
            (&["b c, \"d\", e/f, g"], Some("g")),
            (&["bearer, S3CRET"], Some("bearer")),
            (&["Bearer, S3CRET, json"], Some("Bearer")),
            (&["altavoz.token.S3CRET"], None),
            (&["altavoz.token.S3CRET, json"], Some("json")),
            (
                &[kubernetes, "v5.channel.k8s.io"],
                Some("v5.channel.k8s.io"),
            ),
            (&[JWT], None),
            (&[JWT, "json"], Some("json")),
            (&["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"], None),
            (&["0123456789abcdef0123456789abcdef, mqtt"], Some("mqtt")),
            (&["KEY"], None),
            (&["KEY, json"], Some("json")),
        ] {
            let head = request(offers);
            let found = chosen(&head, &[], |name| name == "KEY");
            assert_eq!(found, expected, "{offers:?}");
        }
    }

    #[test]
    fn of_served_names_the_clients_first_is_chosen() {
        let served = ["b".to_owned(), "a".to_owned()];
        for (offer, expected) in [
            ("a, b", Some("a")),
            ("c, b, a", Some("b")),
            ("c", None),
            ("A", None),
            ("", None),
            ("bearer, a", Some("a")),
        ] {
            let head = request(&[offer]);
            assert_eq!(chosen(&head, &served, |_| false), expected, "{offer}");
        }
    }

    #[test]
    fn tokens_are_found_among_protocols() {
        for (offers, expected) in [
            (&["json"][..], &[][..]),
            (&["bearer, KEY"], &["KEY"]),
            (&["json, BEARER", "KEY"], &["KEY"]),
            (&["bearer"], &[]),
            (&["altavoz.token.KEY, json"], &["KEY"]),
            (&["altavoz.token.a%2Fb%3D"], &["a/b="]),
            (&["altavoz.token.100%"], &["100%"]),
            (&["altavoz.token.%ff"], &["%ff"]),
            (&["bearer, altavoz.token.KEY"], &["KEY"]),
            (&["altavoz.token.a, bearer, b"], &["a", "b"]),
        ] {
            let head = request(offers);
            assert_eq!(tokens(&head).collect::<Vec<_>>(), expected, "{offers:?}");
        }
    }
}
