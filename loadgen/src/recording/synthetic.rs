//! Runs that nobody made, for tests of everything that shows or joins them.

use std::time::Duration;

use clap::Parser;

use super::measured::{Connected, Measured, ServerUse};
use super::{Memory, Run, StageRun, StormRun};
use crate::host::sample::{Machine, ProcessSample, Sample, SocketSample};
use crate::lines::{ArmConnects, ArmRound, Back, Connects};
use crate::measure::stats::Latency;
use crate::measure::traffic::{Tally, Traffic};
use crate::options::{Cli, Command};
use crate::plan::Plan;
use crate::speak::target::Target;

/// A run of `fanout` with one repeat, in which one delivery took each of these times.
pub(crate) fn run(line: &str, latencies: impl IntoIterator<Item = u64>) -> Run {
    let words = ["loadgen", "fanout"].into_iter().chain(line.split(' '));
    let target = Target::parse("ws://127.0.0.1:9").expect("a target");
    let plan = match Cli::try_parse_from(words).expect(line).command {
        Command::Fanout(options) => Plan::fanout(&options, target).expect("a plan"),
        other => panic!("{other:?}"),
    };
    let connected = Connected {
        connects: Connects {
            connected: u64::from(plan.subscribers),
            ..Connects::default()
        },
        seconds: 1.0,
        server: None,
        generator_share: 0.5,
    };
    let mut run = Run::new("fanout", &plan, connected, None);
    let mut corrected = Latency::new();
    latencies.into_iter().for_each(|n| corrected.record(n));
    let mut measured = Measured {
        seconds: 10.0,
        ..Measured::default()
    };
    measured.round.expected = corrected.len();
    measured.round.counts.received = corrected.len();
    measured.round.corrected = corrected;
    measured.published.streams = vec![3];
    measured.round.arms = vec![ArmRound {
        window_ns: 10_000_000_000,
        ..ArmRound::default()
    }];
    run.repeats = vec![measured];
    run
}

/// A run with two arms and two repeats in which everything is there that a run can have, the
/// same on every host.
pub(crate) fn whole() -> Run {
    let line = "--clients 10 --transports ws,poll --interval 2s --seed 1 --driver epoll";
    let mut run = run(line, []);
    (run.plan.run, run.plan.workers) = (0, 1);
    run.machine = Machine {
        cpu: "a processor".to_owned(),
        cpus: 2,
        memory_bytes: 24 << 30,
        kernel: "6.18.0".to_owned(),
    };
    run.port_range = None;
    run.started = Duration::from_secs(1_795_000_000);
    run.epoch = Duration::from_secs(1_794_000_000);
    run.server_cpus = Some(2);
    run.connected.connects = connects();
    run.repeats = vec![measured(1), measured(2)];
    run.idle = Some(measured(3));
    run.memory = Some(Memory {
        connections: 10,
        server_bytes: Some(9_000),
        server_pss_bytes: Some(90_000),
        generator_bytes: 20_000,
        kernel_bytes: Some(80_000),
        buffer_bytes: 1_000,
    });
    run.storm = Some(StormRun {
        back: back(),
        calm: latency(7, 50),
    });
    run.notes = vec!["a note".to_owned()];
    run.samples = (0..5).map(sample).collect();
    run
}

/// The same, in stages in the place of repeats.
pub(crate) fn staged() -> Run {
    let mut run = whole();
    let stage = |name: &str, back| StageRun {
        name: name.to_owned(),
        back,
    };
    run.stages = vec![stage("hold:10s", None), stage("churn:10s:5", Some(back()))];
    run
}

fn connects() -> Connects {
    let arm = || ArmConnects {
        connected: 5,
        failed: 1,
        upgrade: latency(11, 5),
    };
    Connects {
        connected: 10,
        failures: [("refused".to_owned(), 2)].into(),
        tcp: latency(5, 10),
        upgrade: latency(6, 10),
        total: latency(12, 10),
        first: 1,
        last: 2,
        cpu_ns: 3_000_000,
        arms: vec![arm(), arm()],
    }
}

fn measured(seed: u64) -> Measured {
    let mut measured = Measured {
        seconds: 10.0,
        server: Some(ServerUse {
            cpu_ns: 30_000_000,
            span_ns: 10_000_000_000,
            cores: 0.25,
            busiest: 0.125,
        }),
        generator_cpu_ns: 50_000_000,
        generator_share: 0.5,
        ..Measured::default()
    };
    let round = &mut measured.round;
    (round.expected, round.bytes, round.reads) = (200, 20_000, 100);
    (round.counts.received, round.counts.duplicated) = (199, 1);
    round.corrected = latency(seed, 199);
    round.uncorrected = latency(seed + 1, 199);
    round.first = latency(seed + 2, 20);
    round.median = latency(seed + 3, 20);
    round.last = latency(seed + 4, 20);
    round.spread = latency(seed + 5, 20);
    round.arms = vec![arm(seed, 100), arm(seed + 20, 99)];
    let published = &mut measured.published;
    (published.streams, published.offered) = (vec![20], 21);
    published.lateness = latency(seed + 6, 20);
    published.refused = [("503".to_owned(), 1)].into();
    measured
}

fn arm(seed: u64, received: u64) -> ArmRound {
    let mut arm = ArmRound {
        clients: 5,
        expected: 100,
        merged: 10,
        left_out: 3,
        unrecovered: 1,
        corrected: latency(seed, received),
        uncorrected: latency(seed + 1, received),
        outdated_ns: 2_000_000_000,
        watched_ns: 50_000_000_000,
        answer_time: latency(seed + 2, 30),
        lateness: latency(seed + 3, 30),
        window_ns: 10_000_000_000,
        traffic: Traffic::default(),
        ..ArmRound::default()
    };
    arm.counts.received = received;
    let tallies = [
        (Tally::Deliveries, 90),
        (Tally::Requests, 30),
        (Tally::Answers, 29),
        (Tally::Empty, 9),
        (Tally::Late, 2),
        (Tally::Broken, 1),
        (Tally::UpBytes, 3_000),
        (Tally::DownBytes, 9_000),
        (Tally::SegmentsUp, 60),
        (Tally::SegmentsDown, 40),
        (Tally::DataSegmentsUp, 30),
        (Tally::DataSegmentsDown, 31),
        (Tally::TcpUpBytes, 2_900),
        (Tally::TcpDownBytes, 8_900),
    ];
    tallies
        .into_iter()
        .for_each(|(tally, count)| arm.traffic.add(tally, count));
    arm
}

fn back() -> Back {
    Back {
        cut: 5,
        back: latency(13, 5),
        failures: [("timed out".to_owned(), 2)].into(),
    }
}

fn sample(second: u64) -> Sample {
    Sample {
        at_us: 1_000_000 * second,
        server: Some(ProcessSample {
            cpu_ns: 100_000_000 * second,
            rss_bytes: (second + 1) << 20,
            ..ProcessSample::default()
        }),
        sockets: SocketSample::default(),
    }
}

/// Some times of a few milliseconds.
fn latency(seed: u64, count: u64) -> Latency {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut latency = Latency::new();
    (0..count).for_each(|_| latency.record(random.u64(100_000..9_000_000)));
    latency
}
