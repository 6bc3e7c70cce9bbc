//! Where the load goes: a `ws://` or `wss://` URL, its addresses, its request paths.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;
use crate::speak::addresses;

/// A server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Host name or address, without brackets and without a zone.
    pub host: String,
    /// Host and port as the URL has them.
    pub authority: String,
    /// The value of the `Host` header.
    #[serde(default)]
    pub host_header: String,
    /// The address that is connected to.
    pub address: SocketAddr,
    /// Further addresses of the name, until [`Target::settle`] has found the one that answers.
    #[serde(default)]
    pub others: Vec<SocketAddr>,
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
        // RFC 6455 §3.
        if path.contains('#') {
            return Err(Failure::usage(format!(
                "{url}: a URL of a WebSocket has no fragment, leave # and what follows out"
            )));
        }
        let place = Place::parse(authority, if tls { 443 } else { 80 })
            .ok_or_else(|| Failure::usage(format!("{url}: the host or port is wrong; {FORM}")))?;
        let mut found = addresses::resolve(&place.name, place.port)?.into_iter();
        let address = found
            .next()
            .ok_or_else(|| Failure::usage(format!("{}: no address for this name", place.name)))?;
        let host = place.name.split('%').next().unwrap_or(&place.name);
        Ok(Self {
            tls,
            host: host.to_owned(),
            authority: authority.to_owned(),
            host_header: place.host_header(),
            address,
            others: found.collect(),
            path: (!matches!(path, "" | "/")).then(|| path.to_owned()),
        })
    }

    /// Reads and resolves `http://HOST:PORT`, which `option` has.
    ///
    /// # Errors
    /// When it is no such URL, or the name has no address.
    pub fn parse_http(option: &str, url: &str) -> Result<Self, Failure> {
        let rest = split_any_case(url, "http://");
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

    /// All addresses that are known of it, in the order in which they are tried.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = std::iter::once(&self.address).chain(&self.others);
        all.copied().collect()
    }

    /// Of a name with several addresses, keeps the first that takes a connection; all clients
    /// connect to that one. Those for which `fits` does not hold are tried behind the others.
    ///
    /// # Errors
    /// When none takes one: what each of them said.
    pub fn settle(&mut self, fits: impl Fn(IpAddr) -> bool) -> Result<(), Failure> {
        if self.others.is_empty() {
            return Ok(());
        }
        let mut all = self.addresses();
        all.sort_by_key(|address| !fits(address.ip()));
        let (_, address) = addresses::dial(&all).map_err(|why| {
            Failure::limited(format!(
                "nobody could connect: {} has {} addresses, and none takes a connection: {why}",
                self.authority,
                all.len()
            ))
        })?;
        self.address = address;
        self.others.clear();
        Ok(())
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

/// RFC 3986 §3.1: letter case in a scheme does not matter.
fn split_any_case<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (front, rest) = url.split_at_checked(scheme.len())?;
    front.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn split_scheme(url: &str) -> Result<(bool, &str), Failure> {
    let schemes = [("ws://", false), ("wss://", true)];
    let found = schemes
        .iter()
        .find_map(|(scheme, tls)| Some((*tls, split_any_case(url, scheme)?)));
    found.ok_or_else(|| Failure::usage(format!("{url}: {FORM}")))
}

/// Host and port of a URL.
#[derive(Debug)]
struct Place {
    /// A name, or an address without brackets; the zone of one stands behind a `%`.
    name: String,
    is_bracketed: bool,
    port: u16,
    /// Whether the URL names the port.
    says_port: bool,
}

impl Place {
    fn parse(authority: &str, default: u16) -> Option<Self> {
        let illegal = |c: char| c.is_control() || matches!(c, '@' | '#' | ' ' | '\\');
        if authority.contains(illegal) {
            return None;
        }
        let (name, port, is_bracketed) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']')?;
                let port = match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return None,
                    port => port,
                };
                // RFC 6874: the % in front of a zone is written %25 in a URL.
                (name.replacen("%25", "%", 1), port, true)
            }
            None => match authority.split_once(':') {
                Some((name, port)) => (name.to_owned(), Some(port), false),
                None => (authority.to_owned(), None, false),
            },
        };
        let port = port.filter(|port| !port.is_empty());
        let is_number = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        let number = match port {
            Some(port) => port.parse().ok().filter(|n| *n > 0 && is_number(port))?,
            None => default,
        };
        (!name.is_empty()).then_some(Self {
            name,
            is_bracketed,
            port: number,
            says_port: port.is_some(),
        })
    }

    /// RFC 6874 §4: a zone is of this host alone, and is not told to the server.
    fn host_header(&self) -> String {
        let name = self.name.split('%').next().unwrap_or_default();
        let name = if self.is_bracketed {
            format!("[{name}]")
        } else {
            name.to_owned()
        };
        match self.says_port {
            true => format!("{name}:{}", self.port),
            false => name,
        }
    }
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
        check("WS://127.0.0.1/", "127.0.0.1:80", false, None);
        check("ws://127.0.0.1:/", "127.0.0.1:80", false, None);
        check("wss://[::1]/a?b=c", "[::1]:443", true, Some("/a?b=c"));
        check("wss://[::1]:9/?x", "[::1]:9", true, Some("/?x"));
    }

    #[test]
    fn a_zone_is_for_this_host_alone() {
        for url in ["ws://[fe80::1%25lo]:9", "ws://[fe80::1%lo]:9"] {
            let target = Target::parse(url).expect(url);
            assert_eq!(target.host, "fe80::1");
            assert_eq!(target.host_header, "[fe80::1]:9");
            assert!(target.address.to_string().starts_with("[fe80::1%"), "{url}");
        }
        let target = Target::parse("ws://127.0.0.1").expect("a target");
        assert_eq!(target.host_header, "127.0.0.1");
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
            "ws://127.0.0.1:0",
            "ws://127.0.0.1:+80",
            "ws://127.0.0.1:65536",
            "ws://[::1",
            "ws://[::1]x",
            "ws://a@b",
            "ws://a\r\nb",
            "ws://:80",
            "é",
        ] {
            let failure = Target::parse(url).expect_err(url);
            assert_eq!(failure.code, 2);
            assert!(failure.message.contains("ws://HOST:PORT"), "{failure}");
        }
    }

    #[test]
    fn a_fragment_is_refused() {
        let failure = Target::parse("ws://127.0.0.1/a?b#c").expect_err("a fragment");
        assert!(failure.message.contains("fragment"), "{failure}");
    }

    #[test]
    fn a_topic_is_percent_encoded() {
        assert_eq!(topic_path("sport/café 1"), "/topics/sport/caf%C3%A9%201");
    }
}
