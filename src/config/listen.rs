//! Addresses to listen on: `HOST:PORT` or `unix:/path`, and whether a PROXY header comes first.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// The longest path of a Unix-domain socket: `sun_path` holds 108 bytes and a zero (unix(7)).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Where a node can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// An internet address and port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// A path of the file system.
    Unix(PathBuf),
}

impl Address {
    /// Reads `HOST:PORT` or `unix:/path`; a host's name is looked up, its first IPv4 address taken.
    ///
    /// # Errors
    /// When it is neither, or the name is not found.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        resolve(text).map(Self::Tcp)
    }

    /// Whether only this host reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether binding both would fail, the second one for the first.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a), Self::Tcp(b)) => tcp_collide(*a, *b),
            (Self::Unix(a), Self::Unix(b)) => a == b,
            _ => false,
        }
    }

    /// The address for a client on this host: every address becomes loopback. `None` for a path.
    #[must_use]
    pub fn reachable(&self) -> Option<SocketAddr> {
        let Self::Tcp(address) = self else {
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
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One `--listen`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    /// Where.
    pub address: Address,
    /// Whether each connection begins with a PROXY header, v1 or v2.
    pub proxy: bool,
}

impl ListenAddress {
    /// Reads `ADDR` or `ADDR,proxy`.
    ///
    /// # Errors
    /// When the address is none, or another word than `proxy` follows it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, option) = match text.split_once(',') {
            None => (text, None),
            Some((address, option)) => (address, Some(option)),
        };
        match option {
            None | Some("proxy") => Ok(Self {
                address: Address::parse(address)?,
                proxy: option.is_some(),
            }),
            Some(other) => Err(format!(
                "after the comma only `proxy` may stand, not `{other}`"
            )),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = if self.proxy { ",proxy" } else { "" };
        write!(f, "{}{option}", self.address)
    }
}

/// A listener that is there: its port is the real one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Where.
    pub listen: ListenAddress,
    /// Whether it is the one of `--admin-listen`.
    pub admin: bool,
}

fn unix(path: &str) -> Result<Address, String> {
    if !Path::new(path).is_absolute() {
        return Err(
            "a Unix-domain socket is named by its whole path, such as unix:/run/altavoz.sock"
                .into(),
        );
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(format!(
            "a Unix-domain socket's path has at most {UNIX_PATH_BYTES_MAX} bytes, this one {}",
            path.len()
        ));
    }
    Ok(Address::Unix(path.into()))
}

fn resolve(text: &str) -> Result<SocketAddr, String> {
    let form = "an address is HOST:PORT, such as 127.0.0.1:8000, or unix:/path";
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(form.into());
    };
    // A bare IPv6 address has colons too: without brackets its last group would pass for a port.
    if host.is_empty() || host.contains([':', '/']) {
        return Err(form.into());
    }
    let port: u16 = port
        .parse()
        .map_err(|_| format!("`{port}` is no port: {form}"))?;
    let found: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot look up {host}: {error}"))?
        .collect();
    let first = found.iter().find(|a| a.is_ipv4()).or_else(|| found.first());
    first
        .copied()
        .ok_or_else(|| format!("{host} has no address"))
}

fn tcp_collide(a: SocketAddr, b: SocketAddr) -> bool {
    let wild = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0
        && a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || wild)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenAddress {
        ListenAddress::parse(text).unwrap()
    }

    #[test]
    fn addresses_come_back_as_they_were_written() {
        for text in [
            "127.0.0.1:8000",
            "[::1]:0",
            "0.0.0.0:80,proxy",
            "unix:/run/a.sock",
            "unix:/a,proxy",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_name_is_looked_up() {
        assert_eq!(parse("localhost:8000").to_string(), "127.0.0.1:8000");
    }

    #[test]
    fn what_is_no_address_says_what_is_one() {
        for (text, wrong) in [
            (
                "8000",
                "an address is HOST:PORT, such as 127.0.0.1:8000, or unix:/path",
            ),
            (":8000", "an address is HOST:PORT"),
            ("::1:8000x", "an address is HOST:PORT"),
            ("http://127.0.0.1:8000", "an address is HOST:PORT"),
            (
                "127.0.0.1:http",
                "`http` is no port: an address is HOST:PORT",
            ),
            ("127.0.0.1:65536", "`65536` is no port"),
            (
                "unix:run.sock",
                "a Unix-domain socket is named by its whole path",
            ),
            (
                "127.0.0.1:8000,proxyy",
                "after the comma only `proxy` may stand, not `proxyy`",
            ),
            ("", "an address is HOST:PORT"),
        ] {
            let found = ListenAddress::parse(text).unwrap_err();
            assert!(found.starts_with(wrong), "{text}: {found}");
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert!(
            ListenAddress::parse(&long)
                .unwrap_err()
                .contains("at most 107 bytes")
        );
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
            assert!(parse(text).address.is_local(), "{text}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            assert!(!parse(text).address.is_local(), "{text}");
        }
    }

    #[test]
    fn two_that_cannot_both_be_bound_collide() {
        let collide = |a: &str, b: &str| parse(a).address.collides(&parse(b).address);
        assert!(collide("127.0.0.1:1", "127.0.0.1:1,proxy"));
        assert!(collide("0.0.0.0:1", "127.0.0.1:1"));
        assert!(collide("unix:/a", "unix:/a"));
        assert!(!collide("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!collide("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!collide("[::]:1", "0.0.0.0:1"));
        assert!(!collide("unix:/a", "unix:/b"));
    }

    #[test]
    fn a_client_reaches_every_address_over_loopback() {
        let reach = |text: &str| parse(text).address.reachable().map(|a| a.to_string());
        assert_eq!(reach("0.0.0.0:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(reach("[::]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(reach("10.0.0.1:80").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(reach("unix:/a"), None);
    }
}
