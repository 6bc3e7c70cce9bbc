//! The client's address behind proxies, from `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Each proxy appends the address that it was called from, so the list is true from the right as
//! far as we trust who wrote it: the client is the right-most hop that is no proxy of ours.
//! Whatever stands left of it the client wrote itself. Which proxies are ours is the caller's.

use std::net::{IpAddr, SocketAddr};

use super::http::RequestHead;
use super::quoted::{split_unquoted, unquoted};

/// Who sent a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// The client; where it cannot be known, the nearest proxy that is.
    pub address: IpAddr,
    /// Whether it is the client, as far as our proxies' word goes: nobody else stands behind it
    /// of whom they would have spoken.
    pub is_client: bool,
}

/// What proxies and gateways write who do not say by `X-Forwarded-For` or `Forwarded` for whom
/// they speak, and clients by themselves do not; besides all that begins with `X-Forwarded`.
const TRACES: &[&str] = &[
    "Via",
    "X-Real-IP",
    "X-Envoy-External-Address",
    "X-Appengine-User-IP",
    "X-Original-Host",
    "CDN-Loop",
];

/// How the headers end in which others name the client: `CF-Connecting-IP`, `Fly-Client-IP`.
const ENDS: &[&str] = &["Client-IP", "ClientIP", "Connecting-IP", "Forwarded-For"];

/// Who sent this request over a connection from `peer`.
///
/// Without a trusted peer that is the peer, and the client only if no header shows that it speaks
/// for somebody. Where a hop cannot be read, the nearest proxy that is known stands for it. Where
/// both headers are there and lead to two clients, one of them was not written by our proxy and we
/// cannot know which, so it is the peer.
#[must_use]
pub fn sender(head: &RequestHead, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Sender {
    let address = peer.to_canonical();
    let hidden = Sender {
        address,
        is_client: false,
    };
    if !trusted(address) {
        let is_client = !is_relayed(head);
        return Sender { address, is_client };
    }
    let senders = [x_forwarded_for(head), forwarded(head)]
        .map(|hops| hops.map(|hops| right_most(address, &hops, &trusted)));
    match senders {
        [None, None] => Sender {
            address,
            is_client: !has_traces(head),
        },
        [Some(sender), None] | [None, Some(sender)] => sender,
        [Some(sender), Some(other)] if sender == other => sender,
        [Some(_), Some(_)] => hidden,
    }
}

/// Whether a request shows that a proxy handed it on, whoever that is and whatever it says.
#[must_use]
pub fn is_relayed(head: &RequestHead) -> bool {
    head.names()
        .any(|name| names_client(name) || is_trace(name))
}

fn has_traces(head: &RequestHead) -> bool {
    head.names().any(is_trace)
}

fn names_client(name: &[u8]) -> bool {
    is_one_of(name, &["X-Forwarded-For", "Forwarded"])
}

fn is_trace(name: &[u8]) -> bool {
    !names_client(name)
        && (begins(name, "X-Forwarded")
            || ENDS.iter().any(|end| ends(name, end))
            || is_one_of(name, TRACES))
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

fn ends(name: &[u8], with: &str) -> bool {
    let start = name.len().checked_sub(with.len());
    start.is_some_and(|start| name[start..].eq_ignore_ascii_case(with.as_bytes()))
}

fn begins(name: &[u8], with: &str) -> bool {
    let front = name.get(..with.len());
    front.is_some_and(|front| front.eq_ignore_ascii_case(with.as_bytes()))
}

/// A hop, or `None` for one that names no address.
type Hop = Option<IpAddr>;

fn right_most(peer: IpAddr, hops: &[Hop], trusted: &impl Fn(IpAddr) -> bool) -> Sender {
    let mut sender = Sender {
        address: peer,
        is_client: false,
    };
    for hop in hops.iter().rev() {
        let Some(address) = *hop else {
            sender.is_client = false;
            break;
        };
        let is_client = true;
        sender = Sender { address, is_client };
        if !trusted(address) {
            break;
        }
    }
    sender
}

/// The hops of all `X-Forwarded-For` headers, if there are any.
fn x_forwarded_for(head: &RequestHead) -> Option<Vec<Hop>> {
    head.header("X-Forwarded-For")?;
    Some(head.list("X-Forwarded-For").map(node_address).collect())
}

/// The hops of all `Forwarded` headers, if there are any. One header whose quotes do not close
/// could hide what our proxy put behind it, so it is a hop that cannot be read.
fn forwarded(head: &RequestHead) -> Option<Vec<Hop>> {
    head.header("Forwarded")?;
    let mut hops = Vec::new();
    for value in head.headers("Forwarded") {
        match split_unquoted(value, ',') {
            Some(elements) => hops.extend(elements.into_iter().map(element_address)),
            None => hops.push(None),
        }
    }
    Some(hops)
}

/// The `for` of one element such as `for="[2001:db8::1]:80";proto=https`.
fn element_address(element: &str) -> Hop {
    let pairs = split_unquoted(element, ';')?;
    let mut nodes = pairs
        .iter()
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("for"))
        .map(|(_, value)| value);
    let (node, second) = (nodes.next()?, nodes.next());
    match second {
        None => node_address(unquoted(node)),
        Some(_) => None,
    }
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn node_address(node: &str) -> Hop {
    let bare = node.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let address = match node.parse::<SocketAddr>() {
        Ok(socket) => Some(socket.ip()),
        Err(_) => bare.unwrap_or(node).parse().ok(),
    };
    address.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::http::tests::head;
    use super::*;

    /// The client for these headers from the trusted peer 10.0.0.1; 10/8 and fd00::/8 are ours.
    fn client(headers: &str) -> String {
        from("10.0.0.1", headers)
    }

    fn from(peer: &str, headers: &str) -> String {
        let head = head(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        let trusted = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.octets()[0] == 0xfd,
        };
        let sender = sender(&head, peer.parse().expect("an address"), trusted);
        sender.address.to_string()
    }

    /// Whether who sent these headers from `peer` is the client itself, of whom we know all.
    fn is_client(peer: &str, headers: &str) -> bool {
        let head = head(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        let trusted = |ip: IpAddr| ip.is_loopback();
        sender(&head, peer.parse().expect("an address"), trusted).is_client
    }

    #[test]
    fn who_is_spoken_for_and_not_named_is_no_client() {
        for (peer, headers, expected) in [
            ("127.0.0.1", "", true),
            ("127.0.0.1", "User-Agent: a\r\nX-Request-ID: b\r\n", true),
            ("127.0.0.1", "X-Forwarded-For: 8.8.8.8\r\n", true),
            ("127.0.0.1", "X-Forwarded-For: 127.0.0.1\r\n", true),
            (
                "127.0.0.1",
                "X-Forwarded-For: unknown, 127.0.0.1\r\n",
                false,
            ),
            ("127.0.0.1", "X-Forwarded-For: unknown\r\n", false),
            ("127.0.0.1", "X-Forwarded-For:\r\n", false),
            ("127.0.0.1", "Forwarded: for=_hidden\r\n", false),
            ("127.0.0.1", "Forwarded: for=\"[::1]:80\"\r\n", true),
            ("127.0.0.1", "Forwarded: proto=https\r\n", false),
            ("127.0.0.1", "X-Real-IP: 127.0.0.1\r\n", false),
            ("127.0.0.1", "Via: 1.1 squid\r\n", false),
            (
                "127.0.0.1",
                "Via: 1.1 squid\r\nX-Forwarded-For: ::ffff:127.0.0.1\r\n",
                true,
            ),
            (
                "127.0.0.1",
                "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=8.8.8.8\r\n",
                false,
            ),
            ("9.9.9.9", "", true),
            ("9.9.9.9", "X-Forwarded-For: 9.9.9.9\r\n", false),
            ("9.9.9.9", "x-forwarded-proto: https\r\n", false),
        ] {
            assert_eq!(is_client(peer, headers), expected, "{peer} {headers}");
        }
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        for (value, expected) in [
            ("1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.0.0.2,10.0.0.3", "1.1.1.1"),
            ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("1.1.1.1:4711", "1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            ("1.1.1.1, fd00::1", "1.1.1.1"),
            ("unknown", "10.0.0.1"),
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, garbage, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1:99999", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(
                client(&format!("X-Forwarded-For: {value}\r\n")),
                expected,
                "{value}"
            );
        }
        let several = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 1.1.1.1\r\n";
        assert_eq!(client(several), "1.1.1.1");
    }

    #[test]
    fn a_request_shows_that_a_proxy_handed_it_on() {
        let shows = |headers: &str| {
            is_relayed(&head(&format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"
            )))
        };
        for header in [
            "Via: 1.1 proxy",
            "via:",
            "Forwarded: for=unknown",
            "X-Forwarded-For: 1.1.1.1",
            "X-Forwarded-For:",
            "x-forwarded-proto: https",
            "X-FORWARDED-Server: a",
            "X-Real-IP: 1.1.1.1",
            "CF-Connecting-IP: 1.1.1.1",
            "fly-client-ip: 1.1.1.1",
            "X-Azure-ClientIP: 1.1.1.1",
            "X-Original-Forwarded-For: 1.1.1.1",
        ] {
            assert!(shows(&format!("{header}\r\n")), "{header}");
        }
        for header in ["Viaduct: a", "X-Forward", "Origin: via", "X-\u{e9}: a"] {
            assert!(!shows(&format!("A: {header}\r\n")), "{header}");
        }
        assert!(!shows("Viaduct: a\r\nX-Forward: a\r\nNot-Via: a\r\n"));
        assert!(!shows(""));
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let headers = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n";
        assert_eq!(from("9.9.9.9", headers), "9.9.9.9");
        assert_eq!(from("::ffff:10.0.0.1", headers), "1.1.1.1");
        assert_eq!(client(""), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        for (value, expected) in [
            ("for=1.1.1.1", "1.1.1.1"),
            ("For=1.1.1.1;proto=https;by=10.0.0.1", "1.1.1.1"),
            ("proto=https; for=\"1.1.1.1:80\"", "1.1.1.1"),
            ("for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("for=6.6.6.6, for=1.1.1.1 , for=10.0.0.2", "1.1.1.1"),
            ("for=6.6.6.6;x=\"a,for=7.7.7.7\", for=1.1.1.1", "1.1.1.1"),
            ("for=6.6.6.6;x=\"\\\",for=7.7.7.7\", for=1.1.1.1", "1.1.1.1"),
            ("for=6.6.6.6;x=\", for=1.1.1.1", "10.0.0.1"),
            ("for=6.6.6.6;x=\", for=\"[2001:db8::1]\"", "10.0.0.1"),
            ("for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(
                client(&format!("Forwarded: {value}\r\n")),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn two_headers_that_differ_are_not_believed() {
        let both =
            |x: &str, f: &str| client(&format!("X-Forwarded-For: {x}\r\nForwarded: for={f}\r\n"));
        assert_eq!(both("1.1.1.1", "1.1.1.1"), "1.1.1.1");
        assert_eq!(both("1.1.1.1", "2.2.2.2"), "10.0.0.1");
        assert_eq!(both("6.6.6.6, 1.1.1.1", "1.1.1.1"), "1.1.1.1");
    }

    proptest! {
        #[test]
        fn what_a_client_writes_never_changes_what_our_proxy_appends(forged in "[ -~]{0,60}") {
            // The proxy may append to the client's header, with and without quotes.
            for own in ["for=1.1.1.1", "for=\"1.1.1.1:80\""] {
                let found = client(&format!("Forwarded: {forged}, {own}\r\n"));
                prop_assert!(found == "1.1.1.1" || found == "10.0.0.1", "{}", found);
            }
            let found = client(&format!("X-Forwarded-For: {forged}, 1.1.1.1\r\n"));
            prop_assert_eq!(found, "1.1.1.1");
        }
    }
}
