//! What a session needs to know of its surroundings when something happens.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::Time;
use crate::config::Limits;
use crate::http::{Door, Policy};
use crate::wire::forwarded::{self, Sender};
use crate::wire::http::{Date, RequestHead};

/// What is the same for all sessions of a node.
#[derive(Debug)]
pub struct Rules {
    /// Every bound.
    pub limits: Limits,
    /// Who may do what.
    pub policy: Policy,
    /// The listeners, by their number.
    pub doors: Vec<Door>,
    /// Whose PROXY header and `X-Forwarded-For` or `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Rules {
    /// Whether what this address says of its client is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|net| net.contains(&address))
    }
}

/// Who speaks on a connection whose peer is a trusted proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// The proxy, or the client that its PROXY header named.
    pub address: IpAddr,
    /// Its PROXY header is for a client without an address.
    pub hides: bool,
}

/// The moment in which a session handles something.
#[derive(Clone, Debug)]
pub struct Context {
    /// The node's rules.
    pub rules: Arc<Rules>,
    /// The present moment.
    pub now: Time,
    /// The same as answers say it.
    pub date: Date,
    /// By which listener the client came.
    pub door: u16,
    /// A proxy whose word on its clients is taken; `None` if the peer is none.
    pub proxy: Option<Proxy>,
    /// The node is full: this connection is from the reserve, for health checks and a 503.
    pub is_full: bool,
    /// Whether the node still takes new subscribers.
    pub takes_upgrades: bool,
    /// The node is going away: connections are not kept for a further request.
    pub is_draining: bool,
    /// When the node last came back from a pause of its own, in which it heard nobody.
    pub resumed: Option<Time>,
    /// Bytes wait that the client was sent before.
    pub is_backed_up: bool,
    /// A random number, for spreading.
    pub random: u64,
}

impl Context {
    /// Every bound.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.rules.limits
    }

    /// A random part of the interval between pings, so that those who came at once are not
    /// pinged at once.
    #[must_use]
    pub fn first_ping(&self) -> Duration {
        let fraction = u32::try_from(self.random >> 32).unwrap_or(0);
        let part = f64::from(fraction) / f64::from(u32::MAX);
        self.limits().ping_interval.mul_f64(part)
    }

    /// The listener by which the client came.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.rules.doors[usize::from(self.door)]
    }

    /// Whether a PROXY header of this peer is believed.
    #[must_use]
    pub fn is_peer_trusted(&self) -> bool {
        self.proxy.is_some()
    }

    /// Whether a proxy stands between the node and who sent a request, as far as that can be
    /// seen: one that adds no header is known if it is trusted.
    #[must_use]
    pub fn is_behind_proxy(&self, head: &RequestHead) -> bool {
        self.proxy.is_some() || forwarded::is_relayed(head)
    }

    /// Who sent a request, if a trusted proxy's headers say that it was somebody else.
    #[must_use]
    pub fn forwarded_client(&self, head: &RequestHead) -> Option<SocketAddr> {
        let proxy = self.proxy?;
        let client = self.sender(head, proxy).address;
        (client != proxy.address).then_some(SocketAddr::new(client, 0))
    }

    /// Whether the client that sent a request is known to be on this host, and to have come in
    /// where only this host does.
    ///
    /// A proxy here is no client: whoever is trusted must name one of this host, and whoever is
    /// not must leave no trace of speaking for somebody. A silent proxy cannot be told from a
    /// client, which docs/operations.md says.
    #[must_use]
    pub fn is_client_here(&self, head: &RequestHead) -> bool {
        let Door { loopback, unix, .. } = *self.door();
        match self.proxy {
            None => loopback && !forwarded::is_relayed(head),
            Some(proxy) if proxy.hides => false,
            Some(proxy) => {
                let sender = self.sender(head, proxy);
                (loopback || unix) && sender.is_client && sender.address.is_loopback()
            }
        }
    }

    fn sender(&self, head: &RequestHead, proxy: Proxy) -> Sender {
        forwarded::sender(head, proxy.address, |address| self.rules.trusts(address))
    }
}
