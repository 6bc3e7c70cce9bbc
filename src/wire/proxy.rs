//! The PROXY protocol's header in front of a connection, versions 1 and 2.
//!
//! Owns where the header ends, so that not a byte behind it is taken, and its bounds; ppp reads
//! what is in it. Leaves to the caller whom to expect a header from (it is never guessed), whose
//! header to believe, and how long to wait (HAProxy's specification asks for at least 3 s).

use std::fmt;
use std::net::SocketAddr;

use ppp::{v1, v2};

/// The longest line of version 1 with its CRLF, by the specification.
const V1_BYTES_MAX: usize = 107;
/// The bytes of version 2 up to its length.
const V2_FIXED_BYTES: usize = 16;
/// The most bytes behind the length: addresses take up to 216, the rest are TLVs; certificates
/// in them take some hundred bytes each.
const V2_REST_BYTES_MAX: usize = 4096;
const V1_PREFIX: &[u8] = b"PROXY ";

/// Reads one header.
#[derive(Default, Debug)]
pub struct ProxyReader {
    /// Invariant: the beginning of a header that is right so far, and not the whole of it.
    bytes: Vec<u8>,
}

/// What a call of [`ProxyReader::handle_bytes`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyStep {
    /// Bytes taken; the rest is the client's.
    pub consumed: usize,
    /// The header, if it is whole. `None` asks for more bytes.
    pub done: Option<ProxyHeader>,
}

/// What a header says of the connection that the proxy passes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// The client and the address that it called; `None` keeps the real ends of the connection:
    /// the proxy's own health checks, and clients that have no address.
    pub ends: Option<ProxyEnds>,
    /// The proxy speaks for itself, as it does in health checks (command LOCAL of version 2).
    pub is_local: bool,
}

/// The ends of a connection from a client to a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyEnds {
    /// The client.
    pub source: SocketAddr,
    /// The proxy's address that the client called.
    pub destination: SocketAddr,
}

impl ProxyReader {
    /// A reader that waits for the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of the header.
    ///
    /// # Errors
    /// When no more bytes could make a header of it. The connection is to be closed without an
    /// answer.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
        for (i, byte) in bytes.iter().enumerate() {
            self.bytes.push(*byte);
            if let Some(header) = read(&self.bytes)? {
                self.bytes = Vec::new();
                return Ok(ProxyStep {
                    consumed: i + 1,
                    done: Some(header),
                });
            }
        }
        Ok(ProxyStep {
            consumed: bytes.len(),
            done: None,
        })
    }
}

/// The header that ends with the last of these bytes; looks at few of them until then.
fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    if bytes[0] == V1_PREFIX[0] {
        read_line(bytes)
    } else {
        read_binary(bytes)
    }
}

fn check_prefix(bytes: &[u8], prefix: &[u8]) -> Result<(), ProxyError> {
    // Whoever calls with one more byte each time has checked the ones before.
    let last = bytes.len() - 1;
    match prefix.get(last) {
        Some(expected) if *expected != bytes[last] => Err(ProxyError::NoHeader),
        _ => Ok(()),
    }
}

/// Version 1: one line.
fn read_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    check_prefix(bytes, V1_PREFIX)?;
    match bytes {
        [line @ .., b'\r', b'\n'] => parse_line(line).map(Some),
        [.., b'\n'] | [.., b'\r', _] => Err(ProxyError::Malformed),
        _ if bytes.len() >= V1_BYTES_MAX => Err(ProxyError::TooLong),
        _ => Ok(None),
    }
}

/// Reads a line without its CRLF.
fn parse_line(line: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let line = str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    // Whatever stands behind UNKNOWN is to be ignored.
    if line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ") {
        return Ok(relayed(None));
    }
    // Numbers are read by Rust's rules, which allow a plus.
    if line.contains('+') {
        return Err(ProxyError::Malformed);
    }
    let whole = format!("{line}\r\n");
    let header = v1::Header::try_from(whole.as_str()).map_err(|_| ProxyError::Malformed)?;
    let ends = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => Some(ProxyEnds {
            source: (ip.source_address, ip.source_port).into(),
            destination: (ip.destination_address, ip.destination_port).into(),
        }),
        v1::Addresses::Tcp6(ip) => Some(ProxyEnds {
            source: (ip.source_address, ip.source_port).into(),
            destination: (ip.destination_address, ip.destination_port).into(),
        }),
    };
    Ok(relayed(ends))
}

/// A connection that the proxy passes on for somebody.
fn relayed(ends: Option<ProxyEnds>) -> ProxyHeader {
    let is_local = false;
    ProxyHeader { ends, is_local }
}

/// Version 2: a signature, version and command, family and protocol, a length, the rest.
fn read_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    check_prefix(bytes, v2::PROTOCOL_PREFIX)?;
    if bytes.len() == 13 && !matches!(bytes[12], 0x20 | 0x21) {
        return Err(ProxyError::Version);
    }
    if bytes.len() < V2_FIXED_BYTES {
        return Ok(None);
    }
    let rest_bytes = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if rest_bytes > V2_REST_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    if bytes.len() < V2_FIXED_BYTES + rest_bytes {
        return Ok(None);
    }
    parse_binary(bytes).map(Some)
}

fn parse_binary(bytes: &[u8]) -> Result<ProxyHeader, ProxyError> {
    // LOCAL: everything behind the length is to be ignored, even a family that is none.
    if bytes[12] == 0x20 {
        return Ok(ProxyHeader {
            ends: None,
            is_local: true,
        });
    }
    let header = v2::Header::try_from(bytes).map_err(|_| ProxyError::Malformed)?;
    let ends = match (header.protocol, header.addresses) {
        (v2::Protocol::Stream, v2::Addresses::IPv4(ip)) => Some(ProxyEnds {
            source: (ip.source_address, ip.source_port).into(),
            destination: (ip.destination_address, ip.destination_port).into(),
        }),
        (v2::Protocol::Stream, v2::Addresses::IPv6(ip)) => Some(ProxyEnds {
            source: (ip.source_address, ip.source_port).into(),
            destination: (ip.destination_address, ip.destination_port).into(),
        }),
        _ => None,
    };
    Ok(relayed(ends))
}

/// Why bytes are no PROXY header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyError {
    /// They begin as no header does.
    NoHeader,
    /// A version or command that is unknown.
    Version,
    /// More bytes than a header may have.
    TooLong,
    /// They begin as a header, but are none.
    Malformed,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => {
                "the connection does not begin with a PROXY header: turn it on at the proxy, or \
                 leave ',proxy' out of --listen"
            }
            Self::Version => "the PROXY header has an unknown version or command",
            Self::TooLong => "the PROXY header is too long",
            Self::Malformed => "the PROXY header is malformed",
        })
    }
}

impl std::error::Error for ProxyError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::http::tests::split;
    use super::*;

    /// The header that these pieces make, and the bytes behind it; `None` while it is not whole.
    fn check(pieces: &[&[u8]]) -> Result<Option<(ProxyHeader, Vec<u8>)>, ProxyError> {
        let mut reader = ProxyReader::new();
        for (i, piece) in pieces.iter().enumerate() {
            let step = reader.handle_bytes(piece)?;
            if let Some(header) = step.done {
                let mut rest = piece[step.consumed..].to_vec();
                rest.extend(pieces[i + 1..].concat());
                return Ok(Some((header, rest)));
            }
            assert_eq!(step.consumed, piece.len());
        }
        Ok(None)
    }

    /// The ends that these bytes name, with `GET` behind them, at once and byte by byte.
    fn ends(bytes: &[u8]) -> Result<Option<(String, String)>, ProxyError> {
        let wire = [bytes, b"GET"].concat();
        let whole = check(&[&wire]);
        assert_eq!(check(&wire.chunks(1).collect::<Vec<_>>()), whole);
        let (header, rest) = whole?.expect("whole");
        assert_eq!(rest, b"GET");
        Ok(header
            .ends
            .map(|e| (e.source.to_string(), e.destination.to_string())))
    }

    fn named(source: &str, destination: &str) -> Result<Option<(String, String)>, ProxyError> {
        Ok(Some((source.to_owned(), destination.to_owned())))
    }

    fn binary(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[version, family], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x5c, 0, 80];

    #[test]
    fn lines_name_the_client() {
        assert_eq!(
            ends(b"PROXY TCP4 1.2.3.4 5.6.7.8 4444 80\r\n"),
            named("1.2.3.4:4444", "5.6.7.8:80")
        );
        assert_eq!(
            ends(b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"),
            named("[2001:db8::1]:65535", "[::1]:0")
        );
        for line in [
            "PROXY UNKNOWN\r\n",
            "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            "PROXY UNKNOWN a b c d e f g h\r\n",
        ] {
            assert_eq!(ends(line.as_bytes()), Ok(None), "{line}");
        }
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 4444\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 4444 80 9\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 4444 65536\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +444 80\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 04 80\r\n",
            "PROXY TCP4 1.2.3.4  5.6.7.8 4 80\r\n",
            "PROXY TCP4 2001:db8::1 5.6.7.8 4 80\r\n",
            "PROXY TCP4 1.2.3 5.6.7.8 4 80\r\n",
            "PROXY TCP5 1.2.3.4 5.6.7.8 4 80\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 4 80\n",
            "PROXY TCP4 1.2.3.4\r5.6.7.8 4 80\r\n",
        ] {
            assert_eq!(ends(line.as_bytes()), Err(ProxyError::Malformed), "{line}");
        }
    }

    #[test]
    fn a_line_has_at_most_107_bytes() {
        let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        assert_eq!(ends(line(107).as_bytes()), Ok(None));
        assert_eq!(ends(line(108).as_bytes()), Err(ProxyError::TooLong));
        assert_eq!(check(&[line(200).as_bytes()]), Err(ProxyError::TooLong));
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        for bytes in [
            &b"G"[..],
            b"PR0",
            b"PROXY\t",
            b"\r\n\r\n\0\r\nQUIX",
            b"\x16",
            b"\r\n\r\nG",
        ] {
            assert_eq!(check(&[bytes]), Err(ProxyError::NoHeader), "{bytes:?}");
        }
        for bytes in [&b"P"[..], b"PROXY", b"\r\n", b"\r\n\r\n\0\r\nQUIT\n"] {
            assert_eq!(check(&[bytes]), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn binary_headers_name_the_client() {
        let client = named("1.2.3.4:4444", "5.6.7.8:80");
        assert_eq!(ends(&binary(0x21, 0x11, &IPV4)), client);
        let with_tlvs = [&IPV4[..], &[0x04, 0, 2, 9, 9, 0xEE, 0xFF, 0xFF]].concat();
        assert_eq!(ends(&binary(0x21, 0x11, &with_tlvs)), client);
        let mut v6 = [0u8; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
        assert_eq!(ends(&binary(0x21, 0x21, &v6)), named("[::1]:3", "[::2]:4"));
    }

    #[test]
    fn a_binary_header_without_an_address_keeps_the_real_peer() {
        for bytes in [
            binary(0x20, 0x00, b""),
            binary(0x20, 0x11, &IPV4),
            binary(0x20, 0xFF, b"anything"),
            binary(0x21, 0x00, b""),
            binary(0x21, 0x00, b"\x04\0\0"),
            binary(0x21, 0x12, &IPV4),
            binary(0x21, 0x31, &[0; 216]),
        ] {
            assert_eq!(ends(&bytes), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn only_local_headers_are_for_the_proxy_itself() {
        for (bytes, expected) in [
            (binary(0x20, 0x00, b""), true),
            (binary(0x20, 0x11, &IPV4), true),
            (binary(0x21, 0x11, &IPV4), false),
            (binary(0x21, 0x00, b""), false),
            (b"PROXY UNKNOWN\r\n".to_vec(), false),
        ] {
            let (header, _) = check(&[&bytes]).expect("right").expect("whole");
            assert_eq!(header.is_local, expected, "{bytes:?}");
        }
    }

    #[test]
    fn wrong_binary_headers_are_refused() {
        for (bytes, error) in [
            (binary(0x11, 0x11, &IPV4), ProxyError::Version),
            (binary(0x31, 0x11, &IPV4), ProxyError::Version),
            (binary(0x22, 0x11, &IPV4), ProxyError::Version),
            (binary(0x21, 0x41, &IPV4), ProxyError::Malformed),
            (binary(0x21, 0x13, &IPV4), ProxyError::Malformed),
            (binary(0x21, 0x11, &IPV4[..11]), ProxyError::Malformed),
            (binary(0x21, 0x21, &IPV4), ProxyError::Malformed),
            (binary(0x21, 0x11, &[0; 4097]), ProxyError::TooLong),
        ] {
            assert_eq!(ends(&bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(ends(&binary(0x20, 0x00, &[0; 4096])), Ok(None));
    }

    proptest! {
        #[test]
        fn a_header_does_not_depend_on_its_segments(
            binary_form in any::<bool>(),
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let header = if binary_form {
                binary(0x21, 0x11, &IPV4)
            } else {
                b"PROXY TCP4 1.2.3.4 5.6.7.8 4444 80\r\n".to_vec()
            };
            let wire = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            prop_assert_eq!(check(&split(&wire, &cuts)), check(&[&wire]));
        }

        #[test]
        fn any_bytes_are_an_answer_and_no_panic(
            head in 0usize..3,
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let prefix = [&b""[..], b"PROXY ", v2::PROTOCOL_PREFIX][head];
            let wire = [prefix, &bytes].concat();
            let pieces: Vec<_> = wire.chunks(1).collect();
            prop_assert_eq!(check(&pieces), check(&[&wire]));
        }
    }
}
