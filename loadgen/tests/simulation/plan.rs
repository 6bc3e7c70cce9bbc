//! What a seed draws before anything runs: what the generator is asked for, and how the server
//! and the network treat it.

use std::time::Duration;

use altavoz::testing::Profile;
use clap::Parser;
use fastrand::Rng;
use loadgen::options::stage::Leaving;
use loadgen::options::{Cli, Command};
use loadgen::plan::{Plan, PublishBy};
use loadgen::speak::target::Target;

/// One run.
#[derive(Debug)]
pub(crate) struct Draw {
    pub(crate) plan: Plan,
    pub(crate) profile: Profile,
    pub(crate) faults: Faults,
    pub(crate) rounds: u8,
    /// How long a round publishes.
    pub(crate) length: Duration,
    pub(crate) drain: Duration,
    /// Traffic counts in the whole round, or from when publishing begins.
    pub(crate) is_windowed: bool,
    /// What becomes of the crowd in each round.
    pub(crate) weather: Weather,
    /// Slow readers read again in the last round.
    pub(crate) resumes: bool,
    /// How hard workers are held back, in percent of the turns.
    pub(crate) stalls_percent: u8,
}

/// What becomes of a crowd.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Weather {
    Calm,
    Storm(Duration),
    Churn(f64, Leaving),
}

/// What the server does wrong on purpose, each in thousandths of the chances to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Faults {
    /// A delivery does not leave.
    pub(crate) lost: u16,
    /// It leaves twice.
    pub(crate) doubled: u16,
    /// It is overtaken by later ones.
    pub(crate) reordered: u16,
    /// It is late, and what follows with it.
    pub(crate) late: u16,
    /// The connection ends in its middle.
    pub(crate) half: u16,
    /// The connection is closed with a code behind it.
    pub(crate) closed: u16,
    /// The connection just ends, or is reset, behind it.
    pub(crate) ended: u16,
    /// Something without a stamp comes before it.
    pub(crate) unstamped: u16,
    /// A stamp of another run, round or topic comes before it.
    pub(crate) foreign: u16,
    /// A client is not let in, or an answer is a refusal.
    pub(crate) refused: u16,
    /// A poll or a POST is not answered, and its connection ends.
    pub(crate) unanswered: u16,
    /// A connection of a publisher ends.
    pub(crate) publisher_ended: u16,
}

impl Draw {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let pushes = ["ws", "sse", "stream", "ws,sse", "ws,sse,stream"];
        let all = [
            "longpoll",
            "poll",
            "ws,longpoll,poll",
            "sse,stream,longpoll,poll",
            "ws,longpoll",
        ];
        let (is_push, asks) = (rng.u8(0..100) < 60, rng.u8(0..100) < 5);
        let arms = if is_push {
            pick(rng, &pushes)
        } else {
            pick(rng, &all)
        };
        let length = Duration::from_millis(rng.u64(150..700));
        let line = if asks {
            asking(rng)
        } else {
            line(rng, arms, is_push)
        };
        let mut plan = parse(&line);
        plan.run = rng.u32(..);
        plan.seed = rng.u64(..);
        plan.intervals = rng.bool();
        // Who vanishes is told from who is closed only where nothing is sent to it.
        let ways: &[Leaving] = match plan.topics.len() {
            1 => &[Leaving::Reset],
            _ => &[Leaving::Reset, Leaving::Any],
        };
        let weather = match rng.u8(0..100) {
            _ if plan.crowd == 0 => Weather::Calm,
            0..40 => Weather::Storm(Duration::from_millis(rng.u64(0..200))),
            40..80 => Weather::Churn(rng.f64() * 100.0 + 5.0, pick(rng, ways)),
            _ => Weather::Calm,
        };
        let drain =
            Duration::from_millis(rng.u64(100..600)) + length.min(Duration::from_millis(150));
        Self {
            profile: profile(rng),
            faults: Faults::new(rng),
            rounds: rng.u8(1..=2),
            length,
            drain,
            is_windowed: rng.bool(),
            weather,
            resumes: plan.slow > 0,
            stalls_percent: pick(rng, &[0, 0, 10, 40]),
            plan,
        }
    }

    /// Whether somebody else publishes.
    pub(crate) fn is_passive(&self) -> bool {
        self.plan.publish == PublishBy::Others
    }
}

impl Faults {
    fn new(rng: &mut Rng) -> Self {
        if rng.u8(0..100) < 20 {
            return Self::default();
        }
        let mut some = |most: u16| if rng.bool() { rng.u16(0..=most) } else { 0 };
        Self {
            lost: some(60),
            doubled: some(60),
            reordered: some(60),
            late: some(100),
            half: some(6),
            closed: some(6),
            ended: some(6),
            unstamped: some(30),
            foreign: some(30),
            refused: some(100),
            unanswered: some(100),
            publisher_ended: some(60),
        }
    }
}

fn line(rng: &mut Rng, arms: &str, is_push: bool) -> String {
    let clients = rng.u32(6..24);
    let mut line = format!("loadgen fanout --transports {arms} --clients {clients}");
    let (topics, publishers) = (rng.u32(1..=3), rng.u32(1..=3));
    line += &format!(" --topics {topics} --publishers {publishers}");
    let (size, workers) = (rng.u32(60..220), if rng.u8(0..100) < 70 { 1 } else { 2 });
    line += &format!(" --size {size} --workers {workers}");
    let publish = pick(rng, &["ws", "ws", "http", "none"]);
    line += &format!(" --publish {publish}");
    if arms.contains("poll") || publish == "none" || rng.u8(0..100) < 80 {
        let arrivals = pick(rng, &["even", "poisson"]);
        line += &format!(" --rate {} --arrivals {arrivals}", rng.u32(10..120));
    } else {
        line += &format!(" --in-flight {}", rng.u32(1..5));
    }
    if arms.contains("poll") {
        line += &polling(rng, arms.split(',').any(|arm| arm == "poll"));
    }
    if is_push && rng.bool() {
        line += &format!(" --slow-readers {}", rng.u32(1..4));
    }
    if is_push && rng.bool() {
        line += &format!(" --crowd {}", rng.u32(2..12));
    }
    line
}

/// Clients that ask on a WebSocket and are answered there.
fn asking(rng: &mut Rng) -> String {
    let (clients, interval) = (rng.u32(2..12), rng.u32(20..100));
    format!(
        "loadgen fanout --transports ask --clients {clients} --interval {interval}ms --workers 1"
    )
}

/// How polls and long polls ask.
fn polling(rng: &mut Rng, is_scheduled: bool) -> String {
    let mut line = pick(rng, &["", " --etag", " --no-keep-alive", " --newest"]).to_owned();
    if is_scheduled {
        line += &format!(" --interval {}ms", rng.u32(30..150));
    } else if line == " --newest" {
        line.clear();
    }
    line
}

fn parse(line: &str) -> Plan {
    let target = Target::parse("ws://127.0.0.1:9").expect("a target");
    match Cli::try_parse_from(line.split(' ')).expect(line).command {
        Command::Fanout(options) => Plan::fanout(&options, target).expect(line),
        other => panic!("{other:?}"),
    }
}

fn profile(rng: &mut Rng) -> Profile {
    let profile = pick(
        rng,
        &[Profile::smooth(), Profile::rough(), Profile::rough()],
    );
    Profile {
        segment_bytes_max: pick(rng, &[20, 100, 1_000, 10_000]),
        delay_max: Duration::from_micros(rng.u64(0..3_000)),
        ..profile
    }
}

pub(crate) fn pick<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

/// Whether something happens that does so in so many of a thousand cases.
pub(crate) fn happens(rng: &mut Rng, thousandths: u16) -> bool {
    rng.u16(0..1000) < thousandths
}
