//! Who speaks on a connection: its peer, or whoever a proxy speaks for that is believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::io::Peer;
use crate::session::Proxy;

/// A process that came by a Unix socket is on this host.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Who speaks on a connection.
#[derive(Debug)]
pub(super) enum Speaker {
    /// Its peer, whom the driver knows.
    Peer,
    /// A trusted proxy.
    Proxy(Box<Relay>),
}

/// What a trusted proxy has said.
#[derive(Debug)]
pub(super) struct Relay {
    source: RelaySource,
    /// Whom the last request's headers named. A proxy sends requests of many on one connection.
    client: Option<SocketAddr>,
}

/// For whom a proxy has made a connection, by its PROXY header.
#[derive(Clone, Copy, Debug)]
enum RelaySource {
    /// For itself, or there was no such header.
    Proxy(Peer),
    /// For this client.
    Client(SocketAddr),
    /// For a client without an address.
    Hidden(Peer),
}

impl Speaker {
    /// This peer is a proxy that is believed.
    pub(super) fn trusted(peer: Peer) -> Self {
        let (source, client) = (RelaySource::Proxy(peer), None);
        Self::Proxy(Box::new(Relay { source, client }))
    }

    /// A PROXY header has named the client of the connection, or hides it.
    pub(super) fn relayed(&mut self, client: Option<SocketAddr>) {
        let Self::Proxy(relay) = self else { return };
        relay.source = match (client, relay.source) {
            (Some(client), _) => RelaySource::Client(client),
            (None, RelaySource::Proxy(peer)) => RelaySource::Hidden(peer),
            (None, source) => source,
        };
    }

    /// A request's headers have named who sent it, if that is not whom the connection is for.
    pub(super) fn set_client(&mut self, client: Option<SocketAddr>) {
        if let Self::Proxy(relay) = self {
            relay.client = client;
        }
    }

    /// The proxy, as a session has to know it.
    pub(super) fn proxy(&self) -> Option<Proxy> {
        let Self::Proxy(relay) = self else {
            return None;
        };
        Some(Proxy {
            address: relay.source.address().ip(),
            hides: matches!(relay.source, RelaySource::Hidden(_)),
        })
    }

    /// Who it is, if not the connection's peer.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let Self::Proxy(relay) = self else {
            return None;
        };
        Some(relay.client.unwrap_or_else(|| relay.source.address()))
    }
}

impl RelaySource {
    fn address(self) -> SocketAddr {
        match self {
            Self::Client(address)
            | Self::Proxy(Peer::Inet(address))
            | Self::Hidden(Peer::Inet(address)) => address,
            Self::Proxy(Peer::Unix) | Self::Hidden(Peer::Unix) => LOCAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// The proxy's address and whether it hides its client, and who is logged.
    fn seen(speaker: &Speaker) -> Option<(String, bool, String)> {
        let Proxy { address, hides } = speaker.proxy()?;
        let logged = speaker.address()?;
        Some((address.to_string(), hides, logged.to_string()))
    }

    fn told(address: &str, hides: bool, logged: &str) -> Option<(String, bool, String)> {
        Some((address.to_owned(), hides, logged.to_owned()))
    }

    #[test]
    fn a_peer_speaks_for_itself_whatever_it_says() {
        let mut peer = Speaker::Peer;
        peer.relayed(Some(address("10.0.0.1:5")));
        peer.set_client(Some(address("10.0.0.2:0")));
        assert_eq!(seen(&peer), None);
    }

    #[test]
    fn a_proxy_speaks_for_whom_its_header_and_then_the_request_name() {
        let mut proxy = Speaker::trusted(Peer::Inet(address("10.0.0.9:7")));
        assert_eq!(seen(&proxy), told("10.0.0.9", false, "10.0.0.9:7"));
        proxy.relayed(Some(address("10.0.0.1:5")));
        assert_eq!(seen(&proxy), told("10.0.0.1", false, "10.0.0.1:5"));
        proxy.set_client(Some(address("10.0.0.2:0")));
        assert_eq!(seen(&proxy), told("10.0.0.1", false, "10.0.0.2:0"));
        proxy.set_client(None);
        assert_eq!(seen(&proxy), told("10.0.0.1", false, "10.0.0.1:5"));
    }

    #[test]
    fn a_proxy_that_hides_its_client_stands_for_it() {
        let mut proxy = Speaker::trusted(Peer::Inet(address("10.0.0.9:7")));
        proxy.relayed(None);
        assert_eq!(seen(&proxy), told("10.0.0.9", true, "10.0.0.9:7"));
        let mut local = Speaker::trusted(Peer::Unix);
        assert_eq!(seen(&local), told("127.0.0.1", false, "127.0.0.1:0"));
        local.relayed(None);
        assert_eq!(seen(&local), told("127.0.0.1", true, "127.0.0.1:0"));
    }
}
