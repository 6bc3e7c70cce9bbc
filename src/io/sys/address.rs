//! Where to listen or connect to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::SockAddr;

/// A TCP address or a Unix-domain socket's path; written `HOST:PORT` or `unix:/path`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// TCP, over IPv4 or IPv6.
    Inet(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// As the kernel takes it.
    ///
    /// # Errors
    /// When a path is too long for a Unix socket.
    pub fn to_socket(&self) -> io::Result<SockAddr> {
        match self {
            Self::Inet(address) => Ok((*address).into()),
            Self::Unix(path) => SockAddr::unix(path),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text() {
        for text in ["127.0.0.1:8000", "[::1]:0", "unix:/run/a b.sock"] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
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
}
