//! Turns of one shard with very many subscribers, whose system takes every byte at once.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::greedy::{GreedyDriver, Script};
use crate::base::{ConnId, HashKey, Time};
use crate::config::{Anonymous, ForeignTokens, Limits};
use crate::http::{Door, Policy};
use crate::io::Driver;
use crate::mesh::{Joint, Mesh, NodeState};
use crate::metrics::ShardMetrics;
use crate::session::Rules;
use crate::shard::{Pages, Parts, Settings, Shard};

/// A shard whose subscribers read one topic by one transport, and a client that publishes to it.
pub struct Turns {
    shard: Shard<GreedyDriver>,
    script: Rc<Script>,
    publisher: ConnId,
}

/// The clock stands still: no timer fires.
const NOW: Time = Time::from_nanos(1_000_000_000);

/// How a subscriber begins.
const UPGRADE: &str = "GET /topics/t HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl Turns {
    /// So many WebSockets on one topic, and one more client.
    ///
    /// # Panics
    /// If a slot's number has no room in 32 bits.
    #[must_use]
    pub fn new(subscribers: usize) -> Self {
        let script = Rc::new(Script::default());
        let mut turns = Self {
            shard: shard(GreedyDriver::new(Rc::clone(&script))),
            script,
            publisher: id(subscribers),
        };
        turns.script.arrivals.set(subscribers + 1);
        turns.turn();
        for slot in 0..subscribers {
            turns.receive(id(slot), UPGRADE);
        }
        turns.turn();
        turns
    }

    /// One publication of 64 bytes by POST, and as many turns as its fan-out takes.
    pub fn publish(&mut self) {
        let body = "a".repeat(64);
        let post =
            format!("POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Length: 64\r\n\r\n{body}");
        self.receive(self.publisher, &post);
        self.turn();
        while self.shard.next_deadline().is_some_and(|at| at <= NOW) {
            self.turn();
        }
    }

    /// Sends so far.
    #[must_use]
    pub fn sends(&self) -> u64 {
        self.script.sends.get()
    }

    fn receive(&self, id: ConnId, text: &str) {
        let mut received = self.script.received.borrow_mut();
        received.push_back((id, text.as_bytes().to_vec()));
    }

    fn turn(&mut self) {
        let turn = self.shard.turn(Some(Duration::ZERO));
        debug_assert!(turn.is_ok(), "this driver does not fail");
    }
}

fn id(slot: usize) -> ConnId {
    ConnId {
        slot: u32::try_from(slot).expect("fewer than 2^32"),
        generation: 0,
    }
}

fn shard(driver: GreedyDriver) -> Shard<GreedyDriver> {
    let limits = Limits::default();
    let rules = Rules {
        limits: limits.clone(),
        policy: Policy {
            publish_key: None,
            anonymous: Anonymous::Publish,
            foreign_tokens: ForeignTokens::Ignore,
            subprotocols: Vec::new(),
            allow_origins: Vec::new(),
            echo: false,
            admin_elsewhere: false,
        },
        doors: vec![Door::default()],
        trusted_proxies: Vec::new(),
    };
    let settings = Settings {
        rules: Arc::new(rules),
        hash_key: HashKey(1, 2),
        coalesce: Duration::ZERO,
        pages: Pages {
            dashboard: "",
            compare: "",
            client: "",
            common: "",
            metrics: Box::new(|_| String::new()),
        },
    };
    let joints = vec![Joint::new(driver.waker())];
    let mesh = Mesh::connect(joints, limits.mesh_credits_per_pair).remove(0);
    let parts = Parts {
        settings: Arc::new(settings),
        node: NodeState::new(usize::MAX / 2, 1, usize::MAX / 2),
        metrics: Arc::new(ShardMetrics::new()),
        mesh,
        clock: Box::new(|| NOW),
        wall: Box::new(|| Duration::ZERO),
        seed: 7,
    };
    Shard::new(driver, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subscriber_is_sent_every_publication() {
        let mut turns = Turns::new(3_000);
        assert_eq!(turns.sends(), 3_000, "the answers to the upgrades");
        for _ in 0..2 {
            turns.publish();
        }
        assert_eq!(turns.sends(), 9_002, "and each publisher's answer");
    }
}
