//! Host and port, as `Host`, an absolute target and an `Origin` name them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host and perhaps a port (RFC 9110 §4.2, without user information).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Authority {
    /// In lower case; an IPv6 address in its brackets; empty for an empty `Host`.
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`; `None` if it is none of them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let host_end = match text.strip_prefix('[') {
            Some(v6) => {
                let (address, _) = v6.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                address.len() + 2
            }
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(host_end);
        if !host.starts_with('[') && !host.bytes().all(is_name_byte) {
            return None;
        }
        Some(Self {
            host: host.to_ascii_lowercase(),
            port: parse_port(port)?,
        })
    }

    /// Whether it names this host itself: `localhost` and names under it (RFC 6761 §6.3), 127/8 or
    /// `[::1]`, also as IPv4 in IPv6. A dot at the end is the root, which every name ends with.
    pub(super) fn is_loopback(&self) -> bool {
        let v6 = self
            .host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'));
        if let Some(v6) = v6 {
            let is_loopback = |ip: Ipv6Addr| ip.to_canonical().is_loopback();
            return v6.parse().is_ok_and(is_loopback);
        }
        let name = self.name();
        let under = name.strip_suffix("localhost");
        let is_localhost = under.is_some_and(|labels| match labels.strip_suffix('.') {
            Some(labels) => labels.split('.').all(|label| !label.is_empty()),
            None => labels.is_empty(),
        });
        is_localhost || name.parse().is_ok_and(|ip: Ipv4Addr| ip.is_loopback())
    }

    /// Whether both name one host and port, with or without the root's dot.
    pub(super) fn is_same_host(&self, other: &Self, default_port: u16) -> bool {
        self.name() == other.name()
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }

    fn name(&self) -> &str {
        self.host.strip_suffix('.').unwrap_or(&self.host)
    }

    /// Whether both are written with one host and port, where a port that is left out is `default_port`.
    pub(super) fn equals(&self, other: &Self, default_port: u16) -> bool {
        self.host == other.host
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }

    /// Whether there is no host in it.
    pub(super) fn is_empty(&self) -> bool {
        self.host.is_empty()
    }
}

/// Letters, digits and what host names and IPv4 addresses are written with. No comma, no `@`.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%')
}

/// The port behind its colon; nothing, or a colon alone, is none.
fn parse_port(text: &str) -> Option<Option<u16>> {
    match text.strip_prefix(':') {
        None => text.is_empty().then_some(None),
        Some("") => Some(None),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read() {
        for text in [
            "a",
            "A.b:80",
            "127.0.0.1:8000",
            "[::1]",
            "[::1]:1",
            "a:",
            "",
            "a_b-c",
        ] {
            assert!(Authority::parse(text).is_some(), "{text:?}");
        }
        for text in [
            "a:b", "a:65536", "a:+1", "a b", "a,b", "a@b", "a/b", "::1", "[::1", "[x]", "[::1]x",
            "é", "a:1:2", "a?", "a#",
        ] {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_this_host_is_loopback() {
        for (text, expected) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("127.0.0.1", true),
            ("127.255.3.4:9", true),
            ("[::1]:80", true),
            ("localhost.", true),
            ("LocalHost.:80", true),
            ("a.localhost", true),
            ("A.b_c.LOCALHOST.:9", true),
            ("127.0.0.1.", true),
            ("[::FFFF:127.0.0.1]:80", true),
            ("[::ffff:7f00:1]", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("localhost..", false),
            (".localhost", false),
            ("a..localhost", false),
            ("alocalhost", false),
            ("a-localhost", false),
            (".", false),
            ("localhost.evil.com", false),
            ("localhost.evil.com.", false),
            ("127.0.0.1.evil.com", false),
            ("127.1", false),
            ("0177.0.0.1", false),
            ("128.0.0.1", false),
            ("0.0.0.0", false),
            ("[::2]", false),
            ("[::ffff:8.8.8.8]", false),
            ("[::127.0.0.1]", false),
            ("", false),
        ] {
            let authority = Authority::parse(text).expect(text);
            assert_eq!(authority.is_loopback(), expected, "{text}");
        }
    }
}
