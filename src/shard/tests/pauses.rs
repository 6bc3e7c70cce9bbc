//! What follows a 101 that a proxy hands on.

use std::time::Duration;

use super::{Limits, Profile, ShardWorld, SimPeer, UPGRADE, masked, post};
use crate::testing::SimNet;

const PAUSE_MILLIS: u64 = 50;
const GREETING: &[u8] = b"\"recovered\":true}";

impl ShardWorld {
    fn paused(limits: Limits) -> Self {
        let limits = Limits {
            upgrade_pause: Duration::from_millis(PAUSE_MILLIS),
            ..limits
        };
        Self::new(1, limits, Duration::ZERO)
    }

    /// Lets some milliseconds pass.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.net.advance(Duration::from_millis(1));
            let turn = self.shard.turn(Some(Duration::ZERO));
            turn.expect("the simulator works");
        }
    }

    /// A WebSocket of whom the 101 alone has come, with what is written behind its request.
    fn upgraded(&mut self, query: &str, header: &str, behind: &[u8]) -> SimPeer {
        let peer = self.connect();
        peer.write(&[upgrade(query, header).as_bytes(), behind].concat());
        self.wait_for(&peer);
        // Whatever left together with it would come at the same time over this network.
        self.pass(1);
        let head = peer.read(usize::MAX);
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
        assert!(head.ends_with(b"\r\n\r\n"), "{}", head.escape_ascii());
        peer
    }

    /// Turns until something is there to be read.
    fn wait_for(&mut self, peer: &SimPeer) {
        for _ in 0..1_000 {
            if peer.readable() > 0 {
                return;
            }
            self.pass(1);
        }
        panic!("nothing came");
    }

    fn publish(&mut self, body: &str) {
        let writer = self.connect_silently();
        writer.write(post(body).as_bytes());
        self.pass(2);
        let answer = writer.read(usize::MAX);
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            answer.escape_ascii()
        );
    }

    /// Without the tenth of a second that others give a newcomer.
    fn connect_silently(&mut self) -> SimPeer {
        let peer = self.net.connect(self.listener);
        self.pass(1);
        peer
    }

    fn is_at_rest_soon(&mut self) -> bool {
        for _ in 0..40 {
            self.net.advance(Duration::from_secs(10));
            self.run();
        }
        self.shard.is_at_rest()
    }
}

fn upgrade(query: &str, header: &str) -> String {
    UPGRADE
        .replace("/topics/t", &format!("/topics/t{query}"))
        .replace("Host: a.test\r\n", &format!("Host: a.test\r\n{header}"))
}

#[test]
fn behind_a_proxy_the_101_leaves_by_itself_and_all_else_waits_in_its_order() {
    for header in [
        "Via: 1.1 a\r\n",
        "x-forwarded-for: 1.1.1.1\r\n",
        "Forwarded: for=unknown\r\n",
    ] {
        let mut world = ShardWorld::paused(Limits::default());
        world.publish("1");
        let reader = world.upgraded(
            "?format=json&after=earliest",
            header,
            &masked(b"\x89", b"p"),
        );
        world.publish("2");
        world.pass(PAUSE_MILLIS - 20);
        assert_eq!(reader.readable(), 0, "nothing before the pause is over");
        world.pass(40);
        let read = String::from_utf8_lossy(&reader.read(usize::MAX)).into_owned();
        let places = ["recovered", "\"offset\":1", "\"offset\":2"].map(|part| read.find(part));
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{read}"
        );
        assert!(read.contains("\u{fffd}\u{1}p"), "the pong: {read}");
        world.publish("3");
        assert!(
            reader.read(usize::MAX).ends_with(b"\"text\":\"3\"}"),
            "there is one pause"
        );
    }
}

#[test]
fn a_direct_client_does_not_wait() {
    let mut world = ShardWorld::paused(Limits::default());
    let reader = world.connect();
    reader.write(upgrade("?format=json", "").as_bytes());
    world.wait_for(&reader);
    assert!(reader.read(usize::MAX).ends_with(GREETING));
}

#[test]
fn without_a_pause_the_101_and_the_rest_leave_together() {
    let limits = Limits {
        upgrade_pause: Duration::ZERO,
        ..Limits::default()
    };
    let mut world = ShardWorld::new(1, limits, Duration::ZERO);
    let reader = world.connect();
    reader.write(upgrade("?format=json", "Via: 1.1 a\r\n").as_bytes());
    world.wait_for(&reader);
    assert!(reader.read(usize::MAX).ends_with(GREETING));
}

#[test]
fn a_close_within_the_pause_is_answered_behind_it() {
    let mut world = ShardWorld::paused(Limits::default());
    let close = masked(b"\x88", &1000_u16.to_be_bytes());
    let reader = world.upgraded("?format=json", "Via: 1.1 a\r\n", &close);
    assert!(!reader.is_ended());
    world.run();
    let read = reader.read(usize::MAX);
    assert!(
        read.ends_with(b"\x88\x02\x03\xe8"),
        "{}",
        read.escape_ascii()
    );
    assert!(reader.is_ended());
}

#[test]
fn a_drain_within_the_pause_says_its_close_behind_it() {
    let mut world = ShardWorld::paused(Limits::default());
    let reader = world.upgraded("", "Via: 1.1 a\r\n", b"");
    world.shard.core.begin_drain(Duration::ZERO, Duration::ZERO);
    world.pass(10);
    assert_eq!(reader.readable(), 0);
    world.run();
    let read = reader.read(usize::MAX);
    assert_eq!(read[0], 0x88, "{}", read.escape_ascii());
    assert!(read[4..].starts_with(b"retry="), "{}", read.escape_ascii());
}

#[test]
fn nobody_is_too_slow_because_of_a_pause() {
    let limits = Limits {
        outbox_bytes_max: 100,
        ..Limits::default()
    };
    let mut world = ShardWorld::paused(limits);
    let reader = world.upgraded("", "Via: 1.1 a\r\n", b"");
    let bodies = ["a", "b", "c", "d"].map(|text| text.repeat(60));
    bodies.iter().for_each(|body| world.publish(body));
    let wanted: Vec<u8> = bodies
        .iter()
        .flat_map(|body| [b"\x81\x3c", body.as_bytes()].concat())
        .collect();
    assert_eq!(
        reader.read(usize::MAX),
        wanted,
        "sent at once, as more would not have room"
    );
}

#[test]
fn who_goes_within_the_pause_leaves_nothing_behind() {
    let goodbyes: [fn(&SimPeer); 2] = [SimPeer::fin, SimPeer::reset];
    for goodbye in goodbyes {
        let mut world = ShardWorld::paused(Limits::default());
        let reader = world.upgraded("?format=json", "Via: 1.1 a\r\n", b"");
        goodbye(&reader);
        assert!(world.is_at_rest_soon());
    }
}

#[test]
fn the_pause_begins_when_the_101_is_sent() {
    // The answer before the 101 fills the window, so that the 101 waits for its reader.
    let profile = Profile {
        window_bytes: 60,
        ..Profile::smooth()
    };
    let limits = Limits {
        upgrade_pause: Duration::from_millis(PAUSE_MILLIS),
        ..Limits::default()
    };
    let mut world = ShardWorld::on(SimNet::new(1, profile), 1, limits, Duration::ZERO);
    let reader = world.connect();
    reader.set_reading(false);
    let health = "GET /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for request in [health, &upgrade("?format=json", "Via: 1.1 a\r\n")] {
        for piece in request.as_bytes().chunks(30) {
            reader.write(piece);
            world.pass(5);
        }
    }
    world.run();
    let mut read = Vec::new();
    for _ in 0..1_000 {
        read.extend(reader.read(7));
        world.pass(1);
        let is_head = read.windows(4).filter(|end| end == b"\r\n\r\n").count() == 2;
        if is_head {
            break;
        }
    }
    let text = read.escape_ascii();
    assert!(
        read.ends_with(b"\r\n\r\n") && reader.readable() == 0,
        "{text}"
    );
    world.pass(20);
    assert_eq!(reader.readable(), 0, "nothing so soon behind it");
    world.run();
    assert!(reader.readable() > 0);
}
