//! Where to listen or connect to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A TCP address or a Unix-domain socket's path; written `HOST:PORT` or `unix:/path`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// TCP, over IPv4 or IPv6; to listen on port 0 lets the system choose one.
    Inet(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Whether only this host reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Inet(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether binding both would fail, the second one for the first.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inet(a), Self::Inet(b)) => tcp_collide(*a, *b),
            (Self::Unix(a), Self::Unix(b)) => a == b,
            _ => false,
        }
    }

    /// The address for a client on this host: every address becomes loopback. `None` for a path.
    #[must_use]
    pub fn reachable(&self) -> Option<SocketAddr> {
        let Self::Inet(address) = self else {
            return None;
        };
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ip => ip,
        };
        Some(SocketAddr::new(ip, address.port()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Takes numbers, not names: whoever wants `localhost` resolves it.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(s: &str) -> Result<Self, AddressError> {
        match s.strip_prefix("unix:") {
            Some("") => Err(AddressError),
            Some(path) => Ok(Self::Unix(path.into())),
            None => s.parse().map(Self::Inet).map_err(|_| AddressError),
        }
    }
}

/// The text is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address is IP:PORT, such as 127.0.0.1:8000, or unix:/path")
    }
}

impl std::error::Error for AddressError {}

fn tcp_collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (a_ip, b_ip) = (a.ip().to_canonical(), b.ip().to_canonical());
    let wild = a_ip.is_unspecified() || b_ip.is_unspecified();
    a.port() != 0
        && a.port() == b.port()
        && a_ip.is_ipv4() == b_ip.is_ipv4()
        && (a_ip == b_ip && scope(a) == scope(b) || wild)
}

/// The interface of a link-local address: the same address is there on each.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        text.parse().expect(text)
    }

    #[test]
    fn an_address_survives_its_text() {
        for text in ["127.0.0.1:8000", "[::1]:0", "unix:/run/a b.sock"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "unix:",
            "localhost",
            "127.0.0.1",
            "::1:80",
            "1.2.3.4:65536",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }

    #[test]
    fn loopback_in_every_form_and_paths_are_local() {
        for text in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "unix:/a",
        ] {
            assert!(parse(text).is_local(), "{text}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            assert!(!parse(text).is_local(), "{text}");
        }
    }

    #[test]
    fn two_that_cannot_both_be_bound_collide() {
        let collide = |a: &str, b: &str| parse(a).collides(&parse(b));
        assert!(collide("127.0.0.1:1", "127.0.0.1:1"));
        assert!(collide("0.0.0.0:1", "127.0.0.1:1"));
        assert!(collide("unix:/a", "unix:/a"));
        assert!(collide("[::ffff:127.0.0.1]:1", "127.0.0.1:1"));
        assert!(collide("[fe80::1%1]:1", "[fe80::1%1]:1"));
        assert!(!collide("[fe80::1%1]:1", "[fe80::1%2]:1"));
        assert!(!collide("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!collide("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!collide("[::]:1", "0.0.0.0:1"));
        assert!(!collide("unix:/a", "unix:/b"));
    }

    #[test]
    fn a_client_reaches_every_address_over_loopback() {
        let reach = |text: &str| parse(text).reachable().map(|a| a.to_string());
        assert_eq!(reach("0.0.0.0:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(reach("[::]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(reach("10.0.0.1:80").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(reach("unix:/a"), None);
    }
}
