//! How connections begin: accepted sockets are handed around, and opened with a session.

use std::io;

use super::Core;
use crate::base::ShardId;
use crate::io::Driver;
use crate::mesh::{Permit, Request};
use crate::session::Session;
use crate::shard::conns::Standing;

impl<S> Core<S> {
    pub(crate) fn accept_failed(&self, error: &io::Error) {
        self.around.metrics.accept_failures.add(1);
        tracing::warn!(shard = self.around.id.0, %error, "could not accept a connection");
    }

    /// Sockets of a listener that all shards share are handed around, since one shard would get
    /// nearly all of them otherwise.
    pub(crate) fn hand_around(&mut self) {
        for (door, socket) in self.arrivals.take_accepted() {
            let to = self.adopter(door);
            if to != self.around.id && self.mesh.has_credit(to) {
                self.mesh.request(to, Request::Adopt { socket, door });
            } else {
                self.arrivals.adopt(door, socket);
            }
        }
    }

    fn adopter(&mut self, door: u16) -> ShardId {
        if self.around.settings.is_shared(door) {
            self.arrivals.next_adopter(self.mesh.shards())
        } else {
            self.around.id
        }
    }

    pub(crate) fn open_arrivals<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        for (door, socket) in self.arrivals.take_here() {
            self.open(driver, door, socket);
        }
    }

    fn open<D: Driver<Socket = S>>(&mut self, driver: &mut D, door: u16, socket: S) {
        let permit = self.around.node.enter();
        if permit != Permit::Full {
            self.around.metrics.refused_full.add(1);
        }
        if permit == Permit::None {
            return;
        }
        let standing = Standing::new(door, permit);
        let session = Session::new(&self.context(standing));
        let around = &self.around;
        let id = self.conns.insert(session, standing, around.now);
        if let Err(error) = driver.open(id, socket) {
            tracing::warn!(shard = around.id.0, %error, "could not take over an accepted socket");
            self.conns.free(around, id);
            return;
        }
        around.metrics.connections_opened.add(1);
        around.metrics.connections.add(1);
        let rules = &around.settings.rules;
        if rules.doors[usize::from(door)].proxy || !rules.trusted_proxies.is_empty() {
            self.conns.trust(around, id, driver.peer(id));
        }
        self.conns.arm(id);
    }
}
