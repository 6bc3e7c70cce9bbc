//! What a connection is to the node: who speaks on it, and what it reads.

use std::net::SocketAddr;

use super::Conns;
use super::census;
use super::connection::ConnectionState;
use super::speaker::Speaker;
use crate::base::ConnId;
use crate::io::Peer;
use crate::session::Reader;
use crate::shard::member::Membership;
use crate::shard::surroundings::Surroundings;

impl Conns {
    /// Notes whether the peer is a proxy that is believed. Whoever may open a Unix socket of a
    /// `,proxy` listener is.
    pub(crate) fn trust(&mut self, around: &Surroundings, id: ConnId, peer: Option<Peer>) {
        let rules = &around.settings.rules;
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        let is_trusted = match peer {
            Some(Peer::Inet(address)) => rules.trusts(address.ip()),
            Some(Peer::Unix) => rules.doors[usize::from(conn.door)].proxy,
            None => false,
        };
        if let Some(peer) = peer.filter(|_| is_trusted) {
            conn.speaker = Speaker::trusted(peer);
        }
    }

    /// A PROXY header has named the client of a connection, or hides it.
    pub(crate) fn relayed(&mut self, id: ConnId, client: Option<SocketAddr>) {
        if let Some(conn) = self.get_mut(id) {
            conn.speaker.relayed(client);
        }
    }

    /// A request's headers have named its client.
    pub(crate) fn set_client(&mut self, id: ConnId, client: Option<SocketAddr>) {
        if let Some(conn) = self.get_mut(id) {
            conn.speaker.set_client(client);
        }
    }

    pub(crate) fn upgraded(&self, around: &Surroundings, id: ConnId) {
        let Some(conn) = self.get(id) else { return };
        let took = around.now.since(conn.accepted);
        around.metrics.handshakes.add(1);
        around.metrics.http_response(101);
        around.metrics.handshake_seconds.observe(took);
    }

    /// It reads in this way from now on, or does not any more. Says whether it is there.
    pub(crate) fn reads(
        &mut self,
        around: &Surroundings,
        id: ConnId,
        reader: Option<Reader>,
    ) -> bool {
        let Some(conn) = self.get_mut(id) else {
            return false;
        };
        let before = std::mem::replace(&mut conn.reads, reader);
        census::count(&around.metrics, before, -1);
        census::count(&around.metrics, reader, 1);
        true
    }

    /// Whether bytes go both ways.
    pub(crate) fn is_open(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|conn| conn.state == ConnectionState::Open)
    }

    pub(crate) fn membership(&self, id: ConnId) -> Option<Membership> {
        self.get(id)?.membership
    }

    pub(crate) fn take_membership(&mut self, id: ConnId) -> Option<Membership> {
        self.get_mut(id)?.membership.take()
    }

    pub(crate) fn set_membership(&mut self, id: ConnId, membership: Option<Membership>) {
        if let Some(conn) = self.get_mut(id) {
            conn.membership = membership;
        }
    }

    /// Whether a held poll that was taken out of its group has not been answered since, nor asked
    /// again.
    pub(crate) fn waits_for_answer(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|conn| conn.membership.is_none() && conn.reads == Some(Reader::Held))
    }
}
