//! Puts what was measured of each arm into figures.

use std::collections::BTreeMap;

use crate::base::num::{id, percent, ratio};
use crate::base::transport::Transport;
use crate::lines::{ArmConnects, ArmRound};
use crate::measure::traffic::{Tally, Traffic};
use crate::options::DriverKind;
use crate::plan::Plan;
use crate::plan::arms::size;
use crate::recording::measured::Measured;

use crate::figures::arm::{Arm, ArmConnect, ArmDeliveries, ArmServer, ArmTraffic, ArmWire};
use crate::figures::arm_figure::ArmEvidence;
use crate::figures::of_arm::RANGED;
use crate::figures::range::{Range, ranges};
use crate::recording::{Memory, Run};

/// What a segment costs besides its data, in bytes: IPv4 and TCP, with time stamps.
const SEGMENT_HEAD_BYTES_V4: u64 = 20 + 20 + 12;

/// The same of IPv6.
const SEGMENT_HEAD_BYTES_V6: u64 = 40 + 20 + 12;

/// What Ethernet adds to a segment, in bytes: preamble, head, check sum and the gap behind it.
const ETHERNET_BYTES: u64 = 38;

/// Data of one segment on Ethernet, in bytes: 1,500 less the heads.
const ETHERNET_DATA_BYTES: u64 = 1448;

/// The arms of a run, in the order of its plan.
pub(super) fn arms(run: &Run, all: &Measured) -> Vec<Arm> {
    // Without publications the traffic is that of clients that wait.
    let measured = match &run.idle {
        Some(idle) if run.repeats.is_empty() => idle,
        _ => all,
    };
    let places = 0..run.plan.arms.len();
    let whole = |place| Arm {
        over_repeats: over_repeats(run, place),
        ..arm(run, place, measured)
    };
    places.map(whole).collect()
}

/// One arm in one repeat, or in all.
fn arm(run: &Run, place: usize, measured: &Measured) -> Arm {
    let (plan, arm) = (&run.plan, &run.plan.arms[place]);
    let round = measured.round.arms.get(place).cloned().unwrap_or_default();
    let connects = run.connected.connects.arms.get(place).cloned();
    let connects = connects.unwrap_or_default();
    let is_alone = plan.arms.len() == 1;
    Arm {
        name: arm.name.clone(),
        transport: arm.transport,
        interval_ms: (arm.interval > 0).then(|| arm.interval as f64 / 1e6),
        conflate_ms: arm.conflate_ms,
        newest: plan.newest && arm.transport == Transport::Poll,
        keep_alive: plan.keep_alive || arm.transport.is_push(),
        etag: plan.etag && !arm.transport.is_push(),
        request_head_bytes: plan.head_bytes.map(u64::from),
        clients: clients(plan, place),
        deliveries: deliveries(&round),
        traffic: traffic(&round, plan, connects.connected),
        server: if is_alone {
            server(measured, run.memory.as_ref(), connects.connected)
        } else {
            ArmServer::default()
        },
        connect: connect(&connects),
        over_repeats: BTreeMap::new(),
    }
}

/// Those that read: slow readers are in no arm's figures.
fn clients(plan: &Plan, arm: usize) -> u64 {
    let arms = id(plan.arms.len());
    let of = |total| u64::from(size(id(arm), total, arms));
    of(plan.subscribers) + of(plan.crowd)
}

fn connect(connects: &ArmConnects) -> ArmConnect {
    ArmConnect {
        connected: connects.connected,
        failed: connects.failed,
        upgrade: connects.upgrade.summary(),
    }
}

fn deliveries(round: &ArmRound) -> ArmDeliveries {
    let received = round.counts.received;
    ArmDeliveries {
        expected: round.expected,
        received,
        reach_percent: percent(received, round.expected),
        lost: round.expected.saturating_sub(received),
        duplicated: round.counts.duplicated,
        reordered: round.counts.reordered,
        merged: round.merged,
        merged_percent: percent(round.merged, received),
        left_out: round.left_out,
        unrecovered: round.unrecovered,
        staleness: round.corrected.summary(),
        staleness_uncorrected: round.uncorrected.summary(),
        outdated_percent: percent(round.outdated_ns, round.watched_ns),
    }
}

fn traffic(round: &ArmRound, plan: &Plan, clients: u64) -> ArmTraffic {
    let counted = &round.traffic;
    let of = |tally| counted.of(tally);
    let seconds = round.window_ns as f64 / 1e9;
    let deliveries = of(Tally::Deliveries);
    let app_bytes = of(Tally::UpBytes) + of(Tally::DownBytes);
    let (requests, answers) = (of(Tally::Requests), of(Tally::Answers));
    ArmTraffic {
        window_seconds: seconds,
        deliveries,
        requests,
        requests_per_second: (round.window_ns > 0).then(|| requests as f64 / seconds),
        requests_per_delivery: ratio(requests, deliveries),
        answers,
        empty_answers: of(Tally::Empty),
        empty_percent: percent(of(Tally::Empty), answers),
        not_modified_answers: of(Tally::NotModified),
        refused_answers: counted.refused.clone(),
        broken_requests: of(Tally::Broken),
        late_polls: of(Tally::Late),
        answer_time: round.answer_time.summary(),
        lateness: round.lateness.summary(),
        connections_opened: of(Tally::Opened),
        app_up_bytes: of(Tally::UpBytes),
        app_down_bytes: of(Tally::DownBytes),
        app_bytes_per_delivery: ratio(app_bytes, deliveries),
        app_bytes_per_client_second: each_second(app_bytes, clients, round.window_ns),
        wire: wire(counted, plan, clients, round.window_ns),
    }
}

/// A count for one client in a second.
fn each_second(count: u64, clients: u64, window_ns: u64) -> Option<f64> {
    let each = ratio(count, clients)?;
    (window_ns > 0).then(|| each / (window_ns as f64 / 1e9))
}

fn wire(counted: &Traffic, plan: &Plan, clients: u64, window_ns: u64) -> Option<ArmWire> {
    let of = |tally| counted.of(tally);
    let head = if plan.target.address.is_ipv4() {
        SEGMENT_HEAD_BYTES_V4
    } else {
        SEGMENT_HEAD_BYTES_V6
    };
    let (up, down) = (of(Tally::SegmentsUp), of(Tally::SegmentsDown));
    // Connections of io_uring have no descriptor by which TCP could be asked.
    if window_ns == 0 || plan.driver == DriverKind::Uring {
        return None;
    }
    let deliveries = of(Tally::Deliveries);
    let up_bytes = of(Tally::TcpUpBytes) + up * head;
    let down_bytes = of(Tally::TcpDownBytes) + down * head;
    let both = up_bytes + down_bytes;
    let more = more_segments(of(Tally::TcpUpBytes), of(Tally::DataSegmentsUp))
        + more_segments(of(Tally::TcpDownBytes), of(Tally::DataSegmentsDown));
    let ethernet = both + (up + down) * ETHERNET_BYTES + more * (head + ETHERNET_BYTES);
    Some(ArmWire {
        segments_up: up,
        segments_down: down,
        data_segments_up: of(Tally::DataSegmentsUp),
        data_segments_down: of(Tally::DataSegmentsDown),
        data_up_bytes: of(Tally::TcpUpBytes),
        data_down_bytes: of(Tally::TcpDownBytes),
        segment_head_bytes: head,
        up_bytes,
        down_bytes,
        bytes_per_delivery: ratio(both, deliveries),
        bytes_per_client_second: each_second(both, clients, window_ns),
        ethernet_estimate_bytes: ethernet,
        ethernet_estimate_bytes_per_delivery: ratio(ethernet, deliveries),
        unseen_connections: of(Tally::Unseen),
    })
}

/// Segments that data needs on Ethernet and did not need here, with an acknowledgement for each
/// second one.
fn more_segments(bytes: u64, segments: u64) -> u64 {
    let more = bytes.div_ceil(ETHERNET_DATA_BYTES).saturating_sub(segments);
    more + more / 2
}

/// What an arm that was alone cost the server.
fn server(measured: &Measured, memory: Option<&Memory>, clients: u64) -> ArmServer {
    let cpu = measured.server.map(|server| server.cpu_ns);
    let received = measured.round.counts.received;
    let span = measured.server.map_or(0, |server| server.span_ns);
    let each = |bytes: Option<u64>| {
        let memory = memory?;
        ratio(bytes?, memory.connections)
    };
    ArmServer {
        cpu_per_delivery_us: cpu.and_then(|ns| ratio(ns, received)).map(|ns| ns / 1e3),
        cpu_per_client_second_us: cpu
            .and_then(|ns| each_second(ns, clients, span))
            .map(|ns| ns / 1e3),
        memory_per_client_bytes: each(memory.and_then(|memory| memory.server_bytes)),
        kernel_memory_per_client_bytes: each(memory.and_then(|memory| memory.kernel_bytes)),
    }
}

fn over_repeats(run: &Run, place: usize) -> BTreeMap<String, Range> {
    let of = |repeat| Some((arm(run, place, repeat), repeat.round.arms.get(place)?));
    let repeats: Vec<(Arm, &ArmRound)> = run.repeats.iter().filter_map(of).collect();
    let figures = RANGED.iter().map(|figure| {
        let value = |(arm, round): &(Arm, &ArmRound)| {
            let staleness = &round.corrected;
            figure.of(ArmEvidence { arm, staleness })
        };
        (figure.name, value)
    });
    ranges(&repeats, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_needs_more_segments_for_more_data() {
        assert_eq!(more_segments(100, 1), 0);
        assert_eq!(more_segments(1448, 1), 0);
        // Five segments in place of one, and two acknowledgements for the four.
        assert_eq!(more_segments(5 * 1448, 1), 6);
        assert_eq!(more_segments(0, 0), 0);
    }

    #[test]
    fn a_rate_of_nothing_is_none() {
        assert_eq!(each_second(10, 0, 1), None);
        assert_eq!(each_second(10, 5, 0), None);
        assert_eq!(each_second(10, 5, 2_000_000_000), Some(1.0));
    }
}
