//! Addresses to listen on: `HOST:PORT` or `unix:/path`, and whether a PROXY header comes first.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use crate::base::Address;

/// The longest path of a Unix-domain socket: `sun_path` holds 108 bytes and a zero (unix(7)).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// One `--listen`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    /// Where; of a name with several addresses the first one, IPv4 before IPv6.
    pub address: Address,
    /// The other addresses of the name, with the same port.
    pub others: Vec<SocketAddr>,
    /// Whether each connection begins with a PROXY header, v1 or v2.
    pub proxy: bool,
}

impl ListenAddress {
    /// A listener on one address.
    #[must_use]
    pub fn on(address: Address, proxy: bool) -> Self {
        Self {
            address,
            others: Vec::new(),
            proxy,
        }
    }

    /// Every address: `localhost` has two on most hosts.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        let others = self.others.iter().copied().map(Address::Inet);
        std::iter::once(self.address.clone()).chain(others)
    }

    /// Whether only this host reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.addresses().all(|address| address.is_local())
    }

    /// Whether binding both would fail.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        self.addresses()
            .any(|a| other.addresses().any(|b| a.collides(&b)))
    }

    /// Reads `ADDR` or `ADDR,proxy`; a host's name is looked up.
    ///
    /// # Errors
    /// When the address is none, the name is not found, or another word than `proxy` follows it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, option) = match text.split_once(',') {
            None => (text, None),
            Some((address, option)) => (address, Some(option)),
        };
        match option {
            None | Some("proxy") => {
                let (address, others) = addresses_of(address)?;
                let proxy = option.is_some();
                Ok(Self {
                    address,
                    others,
                    proxy,
                })
            }
            Some(other) => Err(format!(
                "after the comma only `proxy` may stand, not `{other}`"
            )),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = if self.proxy { ",proxy" } else { "" };
        write!(f, "{}{option}", self.address)?;
        let mut others = self.others.iter();
        others.try_for_each(|other| write!(f, " {other}{option}"))
    }
}

/// A listener that is there: its port is the real one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundListener {
    /// Where.
    pub listen: ListenAddress,
    /// Whether it is the one of `--admin-listen`.
    pub admin: bool,
}

/// The address, and the others of the same name.
fn addresses_of(text: &str) -> Result<(Address, Vec<SocketAddr>), String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(|address| (address, Vec::new()));
    }
    if let Ok(address) = text.parse() {
        return Ok((Address::Inet(address), Vec::new()));
    }
    let (host, port) = split(text)?;
    let mut found = resolve(host, port)?.into_iter();
    let first = found.next();
    let first = first.ok_or_else(|| format!("{host} has no address"))?;
    Ok((Address::Inet(first), found.collect()))
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

const FORM: &str = "an address is HOST:PORT, such as 127.0.0.1:8000, or unix:/path";

/// Host and port of what is no address in numbers; whoever wrote something near to it is told
/// what to write.
fn split(text: &str) -> Result<(&str, u16), String> {
    let instead = |what: String| format!("{FORM}: {what}");
    if text.starts_with('/') {
        return Err(instead(format!("write unix:{text} for a socket's path")));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(instead(format!("leave {scheme}:// out")));
    }
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let every = |port: &str| {
        instead(format!(
            "write 127.0.0.1:{port} for this host alone, 0.0.0.0:{port} or [::]:{port} for every \
             address"
        ))
    };
    if is_port(text) {
        return Err(every(text));
    }
    // Before the last colon of an IPv6 address without brackets there are others, and its last
    // group would pass for a port.
    if text.parse::<IpAddr>().is_ok() || text.matches(':').count() > 1 && !text.starts_with('[') {
        return Err(instead(
            "add the port, and put an IPv6 address in brackets, such as [::1]:8000".into(),
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(instead("there is no port in it".into()));
    };
    if matches!(host, "" | "*") {
        return Err(every(if is_port(port) { port } else { "8000" }));
    }
    let port = port
        .parse()
        .map_err(|_| format!("`{port}` is no port: {FORM}"))?;
    // What is left in brackets has the name of an interface behind a percent sign.
    let scoped = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match scoped {
        Some(scoped) if scoped.contains('%') => Ok((scoped, port)),
        None if !host.contains(['/', '[', ']']) => Ok((host, port)),
        _ => Err(FORM.into()),
    }
}

/// Every address of the name, each once, IPv4 first, so that the first line that a node prints
/// is one that every client understands.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(found) => found.collect(),
        // RFC 6761 §6.3: they are this host, also where nothing says so.
        Err(_) if is_localhost(host) => {
            vec![
                (Ipv4Addr::LOCALHOST, port).into(),
                (Ipv6Addr::LOCALHOST, port).into(),
            ]
        }
        Err(error) => return Err(format!("cannot look up {host}: {error}")),
    };
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all.sort_by_key(SocketAddr::is_ipv6);
    Ok(all)
}

/// Whether a name is this host's by itself: `localhost` and what is under it (RFC 6761 §6.3).
#[must_use]
pub fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
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
    fn names_under_localhost_are_this_host_also_where_nothing_says_so() {
        for name in ["a.localhost:8000", "LOCALHOST.:8000", "a.b.localhost.:8000"] {
            let listen = parse(name);
            assert_eq!(listen.address.to_string(), "127.0.0.1:8000", "{name}");
            assert!(listen.is_local(), "{name}");
        }
        assert!(ListenAddress::parse("localhost.invalid:8000").is_err());
    }

    #[test]
    fn a_name_is_looked_up() {
        let listen = parse("localhost:8000");
        // Where the host has a second one, it is [::1]:8000.
        assert_eq!(listen.address.to_string(), "127.0.0.1:8000");
        assert!(listen.is_local());
        assert!(listen.addresses().count() == 1 + listen.others.len());
    }

    #[test]
    fn a_name_with_several_addresses_is_all_of_them() {
        let several = |proxy| ListenAddress {
            others: vec!["[::1]:8000".parse().unwrap()],
            ..ListenAddress::on(Address::Inet("127.0.0.1:8000".parse().unwrap()), proxy)
        };
        assert_eq!(several(false).to_string(), "127.0.0.1:8000 [::1]:8000");
        assert_eq!(
            several(true).to_string(),
            "127.0.0.1:8000,proxy [::1]:8000,proxy"
        );
        assert!(several(false).is_local());
        assert!(several(false).collides(&parse("[::1]:8000")));
        assert!(!several(false).collides(&parse("[::1]:8001")));
        assert!(parse("127.0.0.1:1").collides(&parse("127.0.0.1:1,proxy")));
        let public = ListenAddress {
            others: vec!["10.0.0.1:8000".parse().unwrap()],
            ..several(false)
        };
        assert!(!public.is_local());
    }

    #[test]
    fn a_link_local_address_has_its_interface_by_number_or_name() {
        assert_eq!(parse("[fe80::1%1]:80").to_string(), "[fe80::1%1]:80");
        assert_eq!(parse("[fe80::1%lo]:80").to_string(), "[fe80::1%1]:80");
        let nowhere = ListenAddress::parse("[fe80::1%nope]:80").unwrap_err();
        assert!(
            nowhere.starts_with("cannot look up fe80::1%nope: "),
            "{nowhere}"
        );
    }

    #[test]
    fn what_is_near_to_an_address_is_told_what_to_write() {
        for (text, advice) in [
            ("8000", "0.0.0.0:8000 or [::]:8000 for every address"),
            (":8000", "127.0.0.1:8000 for this host alone"),
            ("*:8000", "0.0.0.0:8000 or [::]:8000"),
            ("::1:8000", "put an IPv6 address in brackets"),
            ("::1", "put an IPv6 address in brackets"),
            ("127.0.0.1", "add the port"),
            ("localhost", "there is no port in it"),
            ("http://127.0.0.1:8000", "leave http:// out"),
            ("tcp://127.0.0.1:8000", "leave tcp:// out"),
            ("/run/altavoz.sock", "write unix:/run/altavoz.sock"),
            ("[::1]", "an address is HOST:PORT"),
            ("[localhost]:80", "an address is HOST:PORT"),
        ] {
            let found = ListenAddress::parse(text).unwrap_err();
            assert!(found.contains(advice), "{text}: {found}");
        }
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
}
