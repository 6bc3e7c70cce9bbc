//! Where the load goes: a `ws://` or `wss://` URL, its addresses, its request paths.

use std::net::{SocketAddr, ToSocketAddrs};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// A server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// The value of the `Host` header.
    pub authority: String,
    /// The address that is connected to.
    pub address: SocketAddr,
    /// The path of the URL, unless it is only a slash.
    pub path: Option<String>,
}

impl Target {
    /// Reads and resolves a URL.
    ///
    /// # Errors
    /// When it is no such URL, or the name has no address.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let (tls, rest) = split_scheme(url)?;
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority, if tls { 443 } else { 80 })
            .ok_or_else(|| Failure::usage(format!("{url}: the host or port is wrong; {FORM}")))?;
        let address = resolve(&host, port)?;
        Ok(Self {
            tls,
            authority: authority.to_owned(),
            host,
            address,
            path: (!matches!(path, "" | "/")).then(|| path.to_owned()),
        })
    }

    /// Reads and resolves `http://HOST:PORT`, which `option` has.
    ///
    /// # Errors
    /// When it is no such URL, or the name has no address.
    pub fn parse_http(option: &str, url: &str) -> Result<Self, Failure> {
        let rest = url.strip_prefix("http://");
        let rest = rest.ok_or_else(|| {
            Failure::usage(format!("{option} {url}: use http://HOST:PORT with a path"))
        })?;
        Self::parse(&format!("ws://{rest}"))
    }

    /// The URL again, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!("{scheme}://{}", self.authority)
    }
}

/// The path of a topic of ours, percent-encoded.
#[must_use]
pub fn topic_path(topic: &str) -> String {
    format!("/topics/{}", percent_encoded(topic))
}

/// A topic's name as a part of a path; a slash in it stays one.
#[must_use]
pub fn percent_encoded(topic: &str) -> String {
    let mut path = String::new();
    for byte in topic.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

const FORM: &str = "a target is ws://HOST:PORT or wss://HOST:PORT, with a path if wanted";

fn split_scheme(url: &str) -> Result<(bool, &str), Failure> {
    let schemes = [("ws://", false), ("wss://", true)];
    let found = schemes
        .iter()
        .find_map(|(scheme, tls)| Some((*tls, url.strip_prefix(scheme)?)));
    found.ok_or_else(|| Failure::usage(format!("{url}: {FORM}")))
}

fn split_port(authority: &str, default: u16) -> Option<(String, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => rest.is_empty().then_some(default)?,
        };
        return Some((host.to_owned(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    let legal = !host.is_empty() && !host.contains(['@', '#', ' ']);
    legal.then(|| (host.to_owned(), port))
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, Failure> {
    let unknown = |why: String| Failure::usage(format!("{host}: no address for this name: {why}"));
    let addresses = (host, port).to_socket_addrs();
    let mut addresses = addresses.map_err(|e| unknown(e.to_string()))?;
    addresses
        .next()
        .ok_or_else(|| unknown("none was found".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, address: &str, tls: bool, path: Option<&str>) {
        let target = Target::parse(url).expect(url);
        assert_eq!(target.address.to_string(), address, "{url}");
        assert_eq!((target.tls, target.path.as_deref()), (tls, path), "{url}");
    }

    #[test]
    fn urls() {
        check("ws://127.0.0.1:8000", "127.0.0.1:8000", false, None);
        check("ws://127.0.0.1/", "127.0.0.1:80", false, None);
        check("wss://[::1]/a?b=c", "[::1]:443", true, Some("/a?b=c"));
        check("wss://[::1]:9/?x", "[::1]:9", true, Some("/?x"));
    }

    #[test]
    fn another_url_is_http_alone() {
        let target = Target::parse_http("--publish-url", "http://127.0.0.1:9/pub?id=x");
        assert_eq!(target.expect("a target").path.as_deref(), Some("/pub?id=x"));
        let failure = Target::parse_http("--publish-url", "https://127.0.0.1").expect_err("TLS");
        assert!(failure.message.contains("use http://"), "{failure}");
    }

    #[test]
    fn what_is_no_target_says_what_is() {
        for url in [
            "http://127.0.0.1",
            "ws://",
            "ws://127.0.0.1:x",
            "ws://[::1",
            "ws://a@b",
        ] {
            let failure = Target::parse(url).expect_err(url);
            assert_eq!(failure.code, 2);
            assert!(failure.message.contains("ws://HOST:PORT"), "{failure}");
        }
    }

    #[test]
    fn a_topic_is_percent_encoded() {
        assert_eq!(topic_path("sport/café 1"), "/topics/sport/caf%C3%A9%201");
    }
}
