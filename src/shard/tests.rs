//! One shard on the simulated network, for what has to be said byte by byte; the rest is tried
//! by the simulation of a whole node.

use std::sync::Arc;
use std::time::Duration;

use super::{Pages, Parts, Settings, Shard};
use crate::base::HashKey;
use crate::config::{Anonymous, Limits};
use crate::http::{Door, Policy};
use crate::io::Driver;
use crate::mesh::{Joint, Mesh, NodeState};
use crate::metrics::ShardMetrics;
use crate::session::Rules;
use crate::testing::{Profile, SimDriver, SimListener, SimNet, SimPeer};

const UPGRADE: &str = "GET /topics/t HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct World {
    net: SimNet,
    listener: SimListener,
    shard: Shard<SimDriver>,
}

impl World {
    fn new(seed: u64, limits: Limits, coalesce: Duration) -> Self {
        let net = SimNet::new(seed, Profile::smooth());
        let listener = net.listener();
        let mut driver = SimDriver::new(&net);
        driver.listen(listener).expect("the simulator listens");
        let joint = Joint::new(driver.waker());
        let mesh = Mesh::connect(vec![joint], limits.mesh_credits_per_pair).remove(0);
        let clock = net.clone();
        let parts = Parts {
            node: NodeState::new(100, 1, limits.node_outbox_bytes_max),
            settings: Arc::new(settings(limits, coalesce)),
            metrics: Arc::new(ShardMetrics::new()),
            mesh,
            clock: Box::new(move || clock.now()),
            seed,
        };
        let shard = Shard::new(driver, parts);
        Self {
            net,
            listener,
            shard,
        }
    }

    fn connect(&mut self) -> SimPeer {
        let peer = self.net.connect(self.listener);
        self.run();
        peer
    }

    /// Lets a tenth of a second pass.
    fn run(&mut self) {
        for _ in 0..100 {
            self.net.advance(Duration::from_millis(1));
            self.shard
                .turn(Some(Duration::ZERO))
                .expect("the simulator works");
        }
    }
}

fn settings(limits: Limits, coalesce: Duration) -> Settings {
    let policy = Policy {
        publish_key: None,
        anonymous: Anonymous::Publish,
        allow_origins: Vec::new(),
        echo: false,
        admin_elsewhere: false,
    };
    let rules = Rules {
        limits,
        policy,
        doors: vec![Door::default()],
        trusted_proxies: Vec::new(),
    };
    Settings {
        rules: Arc::new(rules),
        hash_key: HashKey(1, 2),
        coalesce,
        pages: Pages {
            dashboard: "",
            compare: "",
            client: "",
            metrics: Box::new(String::new),
        },
    }
}

fn post(body: &str) -> String {
    let len = body.len();
    format!("POST /topics/t HTTP/1.1\r\nHost: a.test\r\nContent-Length: {len}\r\n\r\n{body}")
}

#[test]
fn requests_that_came_with_the_clients_end_are_all_answered() {
    // With a window the answers wait, and the requests behind the first are unread at the FIN.
    let mut world = World::new(1, Limits::default(), Duration::from_millis(5));
    let reader = world.connect();
    reader.write(UPGRADE.as_bytes());
    world.run();
    let writer = world.connect();
    writer.write([post("1"), post("2"), post("3")].concat().as_bytes());
    writer.fin();
    world.run();
    let answers = String::from_utf8(writer.read(usize::MAX)).expect("answers are text");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert!(writer.is_ended());
    assert!(
        reader
            .read(usize::MAX)
            .ends_with(b"\x81\x011\x81\x012\x81\x013")
    );
}

#[test]
fn who_subscribes_in_the_turn_of_a_publication_is_not_too_slow() {
    let limits = Limits {
        outbox_bytes_max: 100,
        ..Limits::default()
    };
    // Which of the two is read first is a matter of the seed.
    for seed in 0..8 {
        let mut world = World::new(seed, limits.clone(), Duration::ZERO);
        let (reader, writer) = (world.connect(), world.connect());
        reader.write(UPGRADE.as_bytes());
        writer.write(post("hello").as_bytes());
        world.run();
        let read = reader.read(usize::MAX);
        let is_told = read.ends_with(b"\r\n\r\n") || read.ends_with(b"\x81\x05hello");
        assert!(is_told, "seed {seed}: {}", read.escape_ascii());
    }
}

#[test]
fn who_joins_within_an_interval_is_told_for_how_many_a_publication_stands_to_it() {
    let mut world = World::new(1, Limits::default(), Duration::ZERO);
    let get =
        "GET /topics/t?mode=stream&after=earliest&conflate=1s HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let (early, writer) = (world.connect(), world.connect());
    early.write(get.as_bytes());
    world.run();
    for body in ["1", "2", "3"] {
        writer.write(post(body).as_bytes());
        world.run();
    }
    let late = world.connect();
    late.write(get.as_bytes());
    world.run();
    writer.write(post("4").as_bytes());
    for _ in 0..10 {
        world.run();
    }
    let lines = |peer: &SimPeer| -> Vec<String> {
        let text = String::from_utf8(peer.read(usize::MAX)).expect("answers are text");
        let lines = text.lines().filter(|line| line.contains("conflated"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        lines(&early),
        [
            r#"{"offset":1,"text":"1","conflated":1}"#,
            r#"{"offset":4,"text":"4","conflated":3}"#
        ]
    );
    assert_eq!(
        lines(&late),
        [
            r#"{"offset":3,"text":"3","conflated":3}"#,
            r#"{"offset":4,"text":"4","conflated":1}"#
        ]
    );
}

#[test]
fn a_long_poll_that_was_answered_at_its_end_is_no_subscriber() {
    let mut world = World::new(1, Limits::default(), Duration::ZERO);
    let (reader, writer) = (world.connect(), world.connect());
    let get = "GET /topics/t?mode=longpoll&timeout=50ms HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for _ in 0..3 {
        reader.write(get.as_bytes());
        world.run();
        world.run();
        let answer = String::from_utf8(reader.read(usize::MAX)).expect("answers are text");
        assert!(answer.ends_with("\"publications\":[]}"), "{answer}");
    }
    writer.write(post("1").as_bytes());
    world.run();
    let answer = String::from_utf8(writer.read(usize::MAX)).expect("answers are text");
    assert!(answer.contains("\"subscribers\":0"), "{answer}");
    assert_eq!(reader.readable(), 0, "nobody waits for that");
    for peer in [reader, writer] {
        peer.fin();
    }
    world.run();
    assert!(world.shard.is_at_rest());
}
