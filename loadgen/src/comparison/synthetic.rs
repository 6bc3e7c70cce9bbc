//! A comparison that nobody measured, for tests of everything that shows one.

use std::collections::BTreeMap;

use crate::base::transport::Transport;
use crate::figures::arm::{Arm, ArmConnect, ArmDeliveries, ArmServer, ArmTraffic, ArmWire};
use crate::host::sample::Machine;
use crate::measure::stats::Latency;
use crate::model::Arrivals;

use super::cell::{ArmResult, Basis, Cell, Repeat, Second};
use super::crossing::{Crossing, Point};
use super::result::{Comparison, SCHEMA_VERSION};
use super::{bytes, lubbers, predict};
use crate::plan::workload::Workload;

const ARMS: [&str; 7] = [
    "ws", "sse", "longpoll", "stream", "poll-2s", "poll-5s", "poll-10s",
];

const CLIENTS: u32 = 1_000;

/// One arm at so many updates a second, with its workload.
pub(crate) fn arm(name: &str, rate: f64) -> (ArmResult, Workload) {
    let workload = Workload {
        clients: CLIENTS,
        topics: 1,
        publishers: 1,
        rate,
        arrivals: Arrivals::Poisson,
        size_bytes: 64,
    };
    let repeats = (0..3).map(|i| repeat_at(name, i, rate)).collect();
    (ArmResult::new(name, basis(name), repeats), workload)
}

/// One repeat of an arm at one update a second.
pub(crate) fn repeat(name: &str, seed: u64) -> Repeat {
    repeat_at(name, seed, 1.0)
}

/// Three workloads, and everything that presets add.
pub(crate) fn comparison() -> Comparison {
    let cells = [1.0, 0.2, 0.05].map(|rate| {
        let arms = ARMS.map(|name| arm(name, rate));
        let mut cell = Cell {
            name: format!("{rate} updates a second"),
            workload: arms[0].1.clone(),
            side_by_side: rate < 0.5,
            arms: arms.into_iter().map(|(arm, _)| arm).collect(),
        };
        predict::enter(&mut cell);
        cell
    });
    let cells = cells.to_vec();
    Comparison {
        bytes: bytes::rows(&cells),
        schema_version: SCHEMA_VERSION,
        generator: "loadgen".to_owned(),
        generator_version: "0.1.0".to_owned(),
        command: "compare".to_owned(),
        command_line: "loadgen compare --preset seed --html out.html".to_owned(),
        preset: Some("seed".to_owned()),
        quick: true,
        started_unix_ms: 1_795_000_000_000,
        duration_seconds: 612.0,
        machine: Machine {
            cpu: "a processor".to_owned(),
            cpus: 2,
            memory_bytes: 24 << 30,
            kernel: "6.18.0".to_owned(),
        },
        target: "a node of its own".to_owned(),
        latency_basis: "from the intended publish time".to_owned(),
        notes: vec!["polls are spread evenly over their interval".to_owned()],
        cells,
        lubbers: vec![
            lubbers::Row::new(1_000, 1_000),
            lubbers::Row::new(100_000, 9_000),
        ],
        crossings: vec![
            crossing(2.0, false),
            crossing(5.0, false),
            crossing(10.0, true),
        ],
        findings: vec!["a finding".to_owned()],
        limits: Vec::new(),
        warnings: vec!["a warning".to_owned()],
        thresholds: Vec::new(),
    }
}

fn interval(name: &str) -> Option<f64> {
    let digits = name.strip_prefix("poll-")?.strip_suffix('s')?;
    digits.parse().ok()
}

fn transport(name: &str) -> Transport {
    match name {
        "ws" => Transport::Ws,
        "sse" => Transport::Sse,
        "longpoll" => Transport::LongPoll,
        "stream" => Transport::Stream,
        _ => Transport::Poll,
    }
}

fn basis(name: &str) -> Basis {
    let is_push = transport(name).is_push();
    Basis {
        request_bytes: (!is_push).then_some(110.0),
        full_answer_bytes: (!is_push).then_some(260.0),
        empty_answer_bytes: (!is_push).then_some(250.0),
        publication_bytes: Some(if name == "ws" { 66.0 } else { 94.0 }),
        keepalive_bytes: Some(8.0),
        keepalive_seconds: Some(25.0),
        delay_us: Some(200.0),
        drain_us: Some(4_000.0),
    }
}

fn repeat_at(name: &str, seed: u64, rate: f64) -> Repeat {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut staleness = Latency::new();
    let mut seconds = Vec::new();
    for second in 0..20 {
        let mut part = Latency::new();
        for _ in 0..200 {
            let nanos = match interval(name) {
                Some(interval) => 1e9 * interval * random.f64(),
                None => 2e6 * (1.0 + 3.0 * random.f64().powi(8)),
            };
            part.record(crate::base::num::whole(nanos));
        }
        staleness.add(&part);
        seconds.push(Second {
            start_ms: 1000.0 * f64::from(second),
            staleness: part,
        });
    }
    Repeat {
        started_unix_ms: 1_795_000_000_000 + seed,
        arm: measured(name, rate, seed, &staleness),
        staleness,
        seconds,
    }
}

fn measured(name: &str, rate: f64, seed: u64, staleness: &Latency) -> Arm {
    let clients = u64::from(CLIENTS);
    let window = 20.0;
    let deliveries = crate::base::num::whole(rate * window) * clients;
    let requests = match (name, interval(name)) {
        (_, Some(interval)) => clients * crate::base::num::whole(window / interval),
        ("longpoll", _) => deliveries.max(clients),
        _ => 0,
    };
    Arm {
        name: name.to_owned(),
        transport: transport(name),
        interval_ms: interval(name).map(|seconds| 1e3 * seconds),
        conflate_ms: None,
        newest: false,
        keep_alive: true,
        etag: false,
        request_head_bytes: None,
        clients,
        connect: ArmConnect {
            connected: clients,
            failed: 0,
            upgrade: Latency::new().summary(),
        },
        deliveries: ArmDeliveries {
            expected: deliveries,
            received: deliveries - u64::from(name == "sse") * deliveries.min(1),
            reach_percent: Some(if name == "sse" { 99.99 } else { 100.0 }),
            lost: u64::from(name == "sse"),
            duplicated: 0,
            reordered: 0,
            merged: 0,
            merged_percent: Some(if requests > 0 { 33.0 } else { 0.0 }),
            left_out: 0,
            unrecovered: 0,
            staleness: staleness.summary(),
            staleness_uncorrected: staleness.summary(),
            outdated_percent: Some(12.0),
        },
        traffic: traffic(window, deliveries, requests),
        server: ArmServer {
            cpu_per_delivery_us: Some(4.0 + seed as f64 + 30.0 * f64::from(requests > 0)),
            cpu_per_client_second_us: Some(5.0),
            memory_per_client_bytes: Some(900.0),
            kernel_memory_per_client_bytes: Some(8_000.0),
        },
        over_repeats: BTreeMap::new(),
    }
}

fn traffic(window: f64, deliveries: u64, requests: u64) -> ArmTraffic {
    let (up, down) = (110 * requests, 260 * requests + 66 * deliveries);
    let (segments_up, segments_down) = (2 * requests + deliveries, requests + deliveries);
    let wire = up + down + 52 * (segments_up + segments_down);
    let each = |bytes: u64| crate::base::num::ratio(bytes, deliveries);
    let clients = f64::from(CLIENTS);
    ArmTraffic {
        window_seconds: window,
        deliveries,
        requests,
        requests_per_second: Some(requests as f64 / window),
        requests_per_delivery: crate::base::num::ratio(requests, deliveries),
        answers: requests,
        empty_answers: requests / 2,
        empty_percent: (requests > 0).then_some(50.0),
        not_modified_answers: 0,
        refused_answers: BTreeMap::new(),
        broken_requests: 0,
        late_polls: 0,
        answer_time: Latency::new().summary(),
        lateness: Latency::new().summary(),
        connections_opened: 0,
        app_up_bytes: up,
        app_down_bytes: down,
        app_bytes_per_delivery: each(up + down),
        app_bytes_per_client_second: Some((up + down) as f64 / window / clients),
        wire: Some(ArmWire {
            segments_up,
            segments_down,
            data_segments_up: requests,
            data_segments_down: requests + deliveries,
            data_up_bytes: up,
            data_down_bytes: down,
            segment_head_bytes: 52,
            up_bytes: up + 52 * segments_up,
            down_bytes: down + 52 * segments_down,
            bytes_per_delivery: each(wire),
            bytes_per_client_second: Some(wire as f64 / window / clients),
            ethernet_estimate_bytes: wire + 38 * (segments_up + segments_down),
            ethernet_estimate_bytes_per_delivery: each(wire + 38 * (segments_up + segments_down)),
            unseen_connections: 0,
        }),
    }
}

fn crossing(interval: f64, conflated: bool) -> Crossing {
    let point = |rate: f64| Point {
        rate,
        poll_bytes_per_second: 536.0 / interval,
        push_bytes_per_second: if conflated {
            100.0 / interval
        } else {
            206.0 * rate + 6.6
        },
    };
    let mut crossing = Crossing {
        poll: format!("poll-{interval}s"),
        push: "ws".to_owned(),
        interval_ms: 1e3 * interval,
        conflated,
        points: [0.05, 0.2, 0.5, 1.0, 2.0, 5.0].map(point).to_vec(),
        predicted_points: (0..40).map(|i| point(0.02 * 1.2f64.powi(i))).collect(),
        found_per_second: None,
        predicted_per_second: (!conflated).then_some(2.6 / interval),
        rule_of_thumb_per_second: Some(2.6 / interval),
    };
    crossing.find();
    crossing
}
