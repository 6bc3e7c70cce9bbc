//! Who the client of a request is, and whether it gets the node's own pages without the key.

use std::net::IpAddr;

use super::*;
use crate::config::Secret;
use crate::session::Proxy;

const LOOPBACK: Door = Door {
    admin: false,
    loopback: true,
    unix: false,
    proxy: false,
};
const PROXIED: Door = Door {
    proxy: true,
    ..LOOPBACK
};
const PUBLIC: Door = Door {
    loopback: false,
    ..LOOPBACK
};
const UNIX: Door = Door {
    loopback: false,
    unix: true,
    proxy: true,
    admin: false,
};

/// A client of a node with a key, at this door; `trusted` is a proxy of this host that is believed.
fn client(door: Door, trusted: bool) -> SessionPair {
    let mut pair = SessionPair::with(Anonymous::Subscribe);
    let rules = Rules {
        limits: Limits::default(),
        policy: Policy {
            publish_key: Secret::parse("KEY").ok(),
            ..pair.cx.rules.policy.clone()
        },
        doors: vec![door],
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
    };
    pair.cx.rules = Arc::new(rules);
    if trusted {
        pair.cx.proxy = Some(behind("127.0.0.1"));
    }
    pair.session = Session::new(&pair.cx);
    pair
}

fn behind(address: &str) -> Proxy {
    let address: IpAddr = address.parse().expect("an address");
    let hides = false;
    Proxy { address, hides }
}

impl SessionPair {
    /// Whether the node lets a request with these headers see `/metrics`.
    fn sees(&mut self, headers: &str) -> bool {
        self.wishes();
        let text = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.read(text.as_bytes());
        let is_asked = self.wishes().iter().any(|wish| wish.starts_with("Ask("));
        if is_asked {
            let reply = Reply::Text(200, String::new());
            self.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
        }
        let expected = if is_asked { "200" } else { "401" };
        assert_eq!(status(&self.text()), expected);
        is_asked
    }
}

#[test]
fn a_client_of_this_host_needs_no_key_and_nobody_else_does_without() {
    for (door, trusted, headers, expected) in [
        (LOOPBACK, false, "", true),
        (LOOPBACK, false, "X-Forwarded-For: 8.8.8.8\r\n", false),
        (LOOPBACK, false, "X-Forwarded-For: 127.0.0.1\r\n", false),
        (LOOPBACK, false, "X-Forwarded-Proto: https\r\n", false),
        (LOOPBACK, false, "Via: 1.1 a\r\n", false),
        (LOOPBACK, true, "", true),
        (LOOPBACK, true, "X-Forwarded-For: 8.8.8.8\r\n", false),
        (LOOPBACK, true, "X-Forwarded-For: 127.0.0.1\r\n", true),
        (LOOPBACK, true, "X-Forwarded-For: ::1\r\n", true),
        (LOOPBACK, true, "Forwarded: for=\"[::1]:4711\"\r\n", true),
        (
            LOOPBACK,
            true,
            "X-Forwarded-For: [::ffff:127.0.0.1]:4711\r\n",
            true,
        ),
        (
            LOOPBACK,
            true,
            "X-Forwarded-For: 127.0.0.1, 8.8.8.8\r\n",
            false,
        ),
        (
            LOOPBACK,
            true,
            "X-Forwarded-For: 8.8.8.8, 127.0.0.1\r\n",
            false,
        ),
        (LOOPBACK, true, "X-Forwarded-For: unknown\r\n", false),
        (LOOPBACK, true, "Forwarded: for=_secret\r\n", false),
        (LOOPBACK, true, "X-Real-IP: 127.0.0.1\r\n", false),
        (PUBLIC, false, "", false),
        (PUBLIC, true, "X-Forwarded-For: 127.0.0.1\r\n", false),
    ] {
        let mut pair = client(door, trusted);
        assert_eq!(pair.sees(headers), expected, "{door:?} {trusted} {headers}");
        let key = format!("{headers}Authorization: Bearer KEY\r\n");
        assert!(pair.sees(&key), "{door:?} {trusted} {headers}");
    }
}

#[test]
fn each_request_of_a_kept_connection_has_its_own_client() {
    let mut pair = client(LOOPBACK, true);
    let ours = "X-Forwarded-For: 127.0.0.1\r\n";
    let theirs = "X-Forwarded-For: 8.8.8.8\r\n";
    let seen = [ours, theirs, ours, theirs, ""].map(|headers| pair.sees(headers));
    assert_eq!(seen, [true, false, true, false, true]);
    pair.wishes();
    for (headers, client) in [(theirs, "Client(Some(8.8.8.8:0))"), ("", "Client(None)")] {
        pair.read(format!("OPTIONS / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
        assert_eq!(pair.wishes()[0], client);
    }
}

#[test]
fn a_proxy_header_says_who_the_client_is() {
    for (door, header, wish, named) in [
        (
            PROXIED,
            "PROXY TCP4 8.8.8.8 127.0.0.1 1 2\r\n",
            Some("Relayed(Some(8.8.8.8:1))"),
            false,
        ),
        (
            PROXIED,
            "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
            Some("Relayed(Some(127.0.0.1:1))"),
            true,
        ),
        (PROXIED, "PROXY UNKNOWN\r\n", Some("Relayed(None)"), false),
        (PROXIED, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", None, true),
        (
            UNIX,
            "PROXY TCP6 ::1 ::1 1 2\r\n",
            Some("Relayed(Some([::1]:1))"),
            true,
        ),
    ] {
        let mut pair = client(door, true);
        pair.read(header.as_bytes());
        assert_eq!(pair.wishes().first().map(String::as_str), wish);
        // What the shard makes of it.
        pair.cx.proxy = Some(match wish {
            None => behind("127.0.0.1"),
            Some("Relayed(None)") => Proxy {
                hides: true,
                ..behind("127.0.0.1")
            },
            Some(wish) if wish.contains("8.8.8.8") => behind("8.8.8.8"),
            Some(_) => behind("127.0.0.1"),
        });
        assert_eq!(pair.sees(""), named, "{header}");
        if !named {
            // The client's own word is nothing.
            assert!(!pair.sees("X-Forwarded-For: 127.0.0.1\r\n"), "{header}");
        }
    }
}

#[test]
fn a_strange_name_of_this_host_is_asked_for_the_key_where_nothing_is_open() {
    let mut pair = client(LOOPBACK, false);
    let text = "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    pair.read(text.as_bytes());
    assert_eq!(status(&pair.text()), "403");
    let closed = Rules {
        limits: Limits::default(),
        policy: Policy {
            anonymous: Anonymous::None,
            ..pair.cx.rules.policy.clone()
        },
        doors: vec![LOOPBACK],
        trusted_proxies: Vec::new(),
    };
    pair.cx.rules = Arc::new(closed);
    pair.read(text.as_bytes());
    assert_eq!(status(&pair.text()), "401");
    assert!(pair.sees(""));
}
