//! One shard on the simulated network, for what has to be said byte by byte; the rest is tried
//! by the simulation of a whole node.

use std::sync::Arc;
use std::time::Duration;

use super::{Pages, Parts, Settings, Shard};
use crate::base::{HashKey, ShardId, TopicName};
use crate::config::{Anonymous, ForeignTokens, Limits};
use crate::http::{Door, Policy};
use crate::io::Driver;
use crate::mesh::{Joint, Mesh, NodeState};
use crate::metrics::{DropReason, ShardMetrics};
use crate::session::Rules;
use crate::testing::{Profile, SimDriver, SimListener, SimNet, SimPeer};

mod pauses;

const UPGRADE: &str = "GET /topics/t HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct ShardWorld {
    net: SimNet,
    listener: SimListener,
    shard: Shard<SimDriver>,
}

impl ShardWorld {
    fn new(seed: u64, limits: Limits, coalesce: Duration) -> Self {
        Self::on(SimNet::new(seed, Profile::smooth()), seed, limits, coalesce)
    }

    fn on(net: SimNet, seed: u64, limits: Limits, coalesce: Duration) -> Self {
        let listener = net.listener();
        let mut driver = SimDriver::new(&net);
        driver.listen(listener).expect("the simulator listens");
        let shard = shards(&net, vec![driver], &limits, (coalesce, seed)).remove(0);
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

/// Shards of one node, one a driver.
fn shards(
    net: &SimNet,
    drivers: Vec<SimDriver>,
    limits: &Limits,
    (coalesce, seed): (Duration, u64),
) -> Vec<Shard<SimDriver>> {
    let node = NodeState::new(100, 1, limits.node_outbox_bytes_max);
    let settings = Arc::new(settings(limits.clone(), coalesce));
    let joints = drivers.iter().map(|driver| Joint::new(driver.waker()));
    let meshes = Mesh::connect(joints.collect(), limits.mesh_credits_per_pair);
    let shards = drivers.into_iter().zip(meshes).map(|(driver, mesh)| {
        let (clock, wall) = (net.clone(), net.clone());
        let parts = Parts {
            node: Arc::clone(&node),
            settings: Arc::clone(&settings),
            metrics: Arc::new(ShardMetrics::new()),
            mesh,
            clock: Box::new(move || clock.now()),
            wall: Box::new(move || wall.wall()),
            seed,
        };
        Shard::new(driver, parts)
    });
    shards.collect()
}

fn settings(limits: Limits, coalesce: Duration) -> Settings {
    let policy = Policy {
        publish_key: None,
        anonymous: Anonymous::Publish,
        foreign_tokens: ForeignTokens::Ignore,
        subprotocols: Vec::new(),
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
            common: "",
            metrics: Box::new(|_| String::new()),
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
    let mut world = ShardWorld::new(1, Limits::default(), Duration::from_millis(5));
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
fn who_is_reset_at_the_end_of_a_node_is_subscribed_no_more() {
    let mut world = ShardWorld::new(1, Limits::default(), Duration::ZERO);
    let reader = world.connect();
    reader.write(UPGRADE.as_bytes());
    world.run();
    assert_eq!(world.shard.core.readers.members(), 1);
    world.shard.core.reset_all();
    world.shard.core.check_invariants();
    assert_eq!(world.shard.core.readers.members(), 0);
    world.run();
    assert!(reader.is_reset());
}

#[test]
fn who_subscribes_in_the_turn_of_a_publication_is_not_too_slow() {
    let limits = Limits {
        outbox_bytes_max: 100,
        ..Limits::default()
    };
    // Which of the two is read first is a matter of the seed.
    for seed in 0..8 {
        let mut world = ShardWorld::new(seed, limits.clone(), Duration::ZERO);
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
fn what_the_driver_holds_counts_in_the_nodes_budget() {
    let limits = Limits {
        node_outbox_bytes_max: 10_000,
        ..Limits::default()
    };
    let profile = Profile {
        window_bytes: 1000,
        ..Profile::smooth()
    };
    let mut world = ShardWorld::on(SimNet::new(1, profile), 1, limits, Duration::ZERO);
    let (reader, writer) = (world.connect(), world.connect());
    reader.write(UPGRADE.as_bytes());
    world.run();
    reader.set_reading(false);
    for _ in 0..2 {
        writer.write(post(&"x".repeat(3000)).as_bytes());
        world.run();
    }
    let drops = |world: &ShardWorld| {
        let drops = &world.shard.core.around.metrics.drops;
        drops.get(DropReason::NodeBudget)
    };
    let waits = world.shard.core.conns.outbox_bytes();
    assert!((3000..10_000).contains(&waits), "{waits} bytes wait");
    // As much as is allowed, and one byte more.
    world.net.set_held(10_000 - waits);
    world.run();
    assert_eq!(drops(&world), 0);
    let counted = world.shard.core.around.node.outbox_bytes();
    assert_eq!(counted, 10_000);
    assert_eq!(world.shard.core.around.metrics.outbox_bytes.get(), 10_000);
    world.net.set_held(10_001 - waits);
    world.run();
    assert_eq!(drops(&world), 1);
    world.net.set_held(0);
    world.run();
    let counted = world.shard.core.around.node.outbox_bytes();
    assert_eq!(counted, world.shard.core.conns.outbox_bytes());
}

#[test]
fn who_joins_within_an_interval_is_told_for_how_many_a_publication_stands_to_it() {
    let mut world = ShardWorld::new(1, Limits::default(), Duration::ZERO);
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
fn who_joins_before_a_collected_publication_is_written_is_counted() {
    let mut world = ShardWorld::new(1, Limits::default(), Duration::from_millis(300));
    let get = "GET /topics/t?mode=stream&conflate=1s HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let (early, late) = (world.connect(), world.connect());
    let (first, second) = (world.connect(), world.connect());
    early.write(get.as_bytes());
    world.run();
    first.write(post("1").as_bytes());
    world.run();
    late.write(get.as_bytes());
    world.run();
    second.write(post("2").as_bytes());
    for _ in 0..4 {
        world.run();
    }
    let text = |peer: &SimPeer| -> String {
        String::from_utf8(peer.read(usize::MAX)).expect("answers are text")
    };
    assert!(text(&early).contains(r#"{"offset":2,"text":"2","conflated":2}"#));
    let read = text(&late);
    assert_eq!(read.matches("conflated").count(), 1, "{read}");
    assert!(read.contains(r#"{"offset":2,"text":"2","conflated":1}"#));
    let answers = [text(&first), text(&second)];
    assert!(answers[0].contains(r#""queued":0"#), "{answers:?}");
    assert!(answers[1].contains(r#""queued":2"#), "{answers:?}");
}

#[test]
fn a_long_poll_that_was_answered_at_its_end_is_no_subscriber() {
    let mut world = ShardWorld::new(1, Limits::default(), Duration::ZERO);
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
    // History and timers take their time.
    for _ in 0..40 {
        world.net.advance(Duration::from_secs(10));
        world.run();
    }
    assert!(world.shard.is_at_rest());
}

#[test]
fn a_pong_that_waits_behind_messages_is_heard_when_they_are_taken() {
    let limits = Limits {
        publishes_in_flight_max: 1,
        ping_interval: Duration::from_secs(2),
        pong_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let net = SimNet::new(1, Profile::smooth());
    let listener = net.listener();
    let mut drivers = vec![SimDriver::new(&net), SimDriver::new(&net)];
    drivers[0].listen(listener).expect("the simulator listens");
    let mut shards = shards(&net, drivers, &limits, (Duration::ZERO, 1));
    let mut names = ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter();
    let elsewhere = |name: &&str| shards[0].core.home_of(&topic(name)) == ShardId(1);
    let name = names.find(elsewhere).expect("eight names, two homes");
    let mut turn = |shard: usize, millis: u64| {
        net.advance(Duration::from_millis(millis));
        let shard = &mut shards[shard];
        shard.turn(Some(Duration::ZERO)).expect("it works");
    };
    let peer = net.connect(listener);
    let upgrade = UPGRADE.replace("/topics/t", &format!("/topics/{name}"));
    peer.write(upgrade.as_bytes());
    for millis in 1..20 {
        turn(0, millis);
        turn(1, millis);
    }
    assert!(peer.read(usize::MAX).starts_with(b"HTTP/1.1 101"));
    // The home does not answer the first message, so that the second one is not taken.
    peer.write(&[masked(b"\x81", b"a"), masked(b"\x81", b"b")].concat());
    while peer.readable() == 0 {
        turn(0, 10);
    }
    assert_eq!(peer.read(usize::MAX), b"\x89\x00", "a ping");
    peer.write(&masked(b"\x8a", b""));
    for shard in [0, 1, 0, 1] {
        turn(shard, 10);
    }
    // The answer is read in the turn in which the time for the pong is over.
    turn(0, 1_500);
    for _ in 0..10 {
        turn(1, 1);
        turn(0, 1);
    }
    assert_eq!(peer.read(usize::MAX), b"\x81\x01a\x81\x01b");
}

#[test]
fn pings_of_one_tick_are_spread_over_turns_and_others_are_heard_in_between() {
    let limits = Limits {
        timers_per_turn_max: 2,
        ping_interval: Duration::from_secs(2),
        ..Limits::default()
    };
    let mut world = ShardWorld::new(1, limits, Duration::ZERO);
    let readers: Vec<_> = (0..5).map(|_| world.net.connect(world.listener)).collect();
    readers.iter().for_each(|r| r.write(UPGRADE.as_bytes()));
    let writer = world.connect();
    for peer in &readers {
        assert!(peer.read(usize::MAX).starts_with(b"HTTP/1.1 101"));
    }
    // Every deadline is in this turn's past.
    world.net.advance(Duration::from_secs(2));
    let mut pinged = Vec::new();
    for turn in 0.. {
        if turn == 1 {
            writer.write(post("1").as_bytes());
        }
        let now = world.shard.turn(Some(Duration::ZERO));
        now.expect("the simulator works");
        world.net.advance(Duration::from_millis(1));
        let is_pinged = |peer: &&SimPeer| peer.readable() > 0;
        pinged.push(readers.iter().filter(is_pinged).count());
        if !world.shard.core.conns.is_behind() {
            break;
        }
        let timeout = world.shard.core.timeout(None);
        assert_eq!(timeout, Some(Duration::ZERO), "nobody sleeps before");
    }
    assert!(pinged.len() > 2 && pinged[0] <= 2, "{pinged:?}");
    world.run();
    for peer in &readers {
        let read = peer.read(usize::MAX);
        assert!(read == b"\x89\x00\x81\x011" || read == b"\x81\x011\x89\x00");
    }
}

/// A frame under a mask of zeros.
fn masked(first: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = 0x80 | u8::try_from(payload.len()).unwrap_or(0);
    [first, &[len, 0, 0, 0, 0], payload].concat()
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a name")
}
