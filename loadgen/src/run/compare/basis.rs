//! What predictions start from: the bytes of one exchange, and how fast the server sends.
//!
//! Both are measured before the cells and apart from them: bytes with one client of each kind,
//! times with as many clients as an arm has, at ten publications a second. So a prediction that
//! holds says that the model carries over to another load, and not that it repeats a figure.

use std::time::Duration;

use crate::base::failure::Failure;
use crate::base::transport::Transport;
use crate::comparison::cell::Basis;
use crate::figures::arm::ArmTraffic;
use crate::model::Arrivals;
use crate::options::CompareOptions;
use crate::plan::presets::{ArmSpec, CellPlan, Head};
use crate::plan::workload::Workload;
use crate::report::whole::Report;

use super::words::{self, Place};

/// Publications a second while bytes are read off.
const RATE: f64 = 10.0;

/// Intervals at which one poll in two finds something, each finds one, and each finds two.
const INTERVALS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// How long bytes are read off.
const BYTES_LENGTH: Duration = Duration::from_secs(1);

/// How long the server's pace is watched.
const PACE_LENGTH: Duration = Duration::from_millis(1_500);

/// How often a node of ours says something on a silent connection, in seconds; its long polls
/// time out as late.
const KEEPALIVE_SECONDS: f64 = 25.0;

/// What has been read off so far: runs that would read the same are not repeated.
#[derive(Debug, Default)]
pub(super) struct Bases {
    bytes: Vec<(BytesKey, Vec<(Transport, Basis)>)>,
    paces: Vec<(PaceKey, Pace)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BytesKey {
    arm: ArmSpec,
    size_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PaceKey {
    transport: Transport,
    clients: u32,
    size_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    delay_us: Option<f64>,
    drain_us: Option<f64>,
}

impl Bases {
    /// The bytes of an arm's exchanges.
    ///
    /// # Errors
    /// When the run that reads them off fails.
    pub(super) fn bytes(
        &mut self,
        options: &CompareOptions,
        place: &Place,
        cell: &CellPlan,
        arm: &ArmSpec,
    ) -> Result<Basis, Failure> {
        if arm.transport == Transport::Ask {
            return Ok(Basis::default());
        }
        let plain = ArmSpec {
            transport: Transport::Poll,
            interval: Duration::ZERO,
            conflate: Duration::ZERO,
            ..*arm
        };
        let key = BytesKey {
            arm: plain,
            size_bytes: cell.workload.size_bytes,
        };
        let found = self.bytes.iter().position(|(known, _)| *known == key);
        let at = match found {
            Some(at) => at,
            None => {
                let bases = self.read_off(options, place, cell, &plain)?;
                self.bytes.push((key, bases));
                self.bytes.len() - 1
            }
        };
        let of = |(transport, _): &&(Transport, Basis)| *transport == arm.transport;
        let basis = self.bytes[at].1.iter().find(of);
        Ok(basis.map(|(_, basis)| basis.clone()).unwrap_or_default())
    }

    /// Enters how fast the server serves an arm that is alone.
    ///
    /// # Errors
    /// When the run that watches it fails.
    pub(super) fn pace(
        &mut self,
        options: &CompareOptions,
        place: &Place,
        cell: &CellPlan,
        arm: &ArmSpec,
        basis: &mut Basis,
    ) -> Result<(), Failure> {
        let load = &cell.workload;
        if arm.transport.is_scheduled() || load.topics > 1 || load.rate <= 0.0 {
            return Ok(());
        }
        let key = PaceKey {
            transport: arm.transport,
            clients: load.clients,
            size_bytes: load.size_bytes,
        };
        let known = self.paces.iter().find(|(known, _)| *known == key);
        let pace = match known {
            Some((_, pace)) => *pace,
            None => {
                let pace = watch(options, place, cell, arm)?;
                self.paces.push((key, pace));
                pace
            }
        };
        (basis.delay_us, basis.drain_us) = (pace.delay_us, pace.drain_us);
        Ok(())
    }

    /// One client of each kind, ten publications a second.
    fn read_off(
        &self,
        options: &CompareOptions,
        place: &Place,
        cell: &CellPlan,
        plain: &ArmSpec,
    ) -> Result<Vec<(Transport, Basis)>, Failure> {
        let mut arms = Vec::new();
        let is_plain = plain.keep_alive && !plain.etag && !plain.newest;
        if is_plain {
            arms.extend(crate::plan::presets::held());
        }
        let head = plain.head;
        arms.iter_mut().for_each(|arm| arm.head = head);
        let polls = INTERVALS.map(|interval| ArmSpec { interval, ..*plain });
        arms.extend(polls);
        let small = CellPlan {
            workload: Workload {
                clients: 1,
                topics: 1,
                publishers: 1,
                rate: RATE,
                arrivals: Arrivals::Even,
                size_bytes: cell.workload.size_bytes,
            },
            ..CellPlan::new("", cell.workload.clone(), Vec::new(), BYTES_LENGTH)
        };
        // Where heads are filled up to a sum, the answer has to be known first.
        let known = self.bytes.iter().flat_map(|(_, bases)| bases);
        let poll = |(transport, _): &&(Transport, Basis)| *transport == Transport::Poll;
        let answer = known.filter(poll).map(|(_, basis)| basis.clone()).next();
        let place = Place {
            label: "reading off bytes".to_owned(),
            ..place.clone()
        };
        let run = words::fanout(options, &place, &small, &arms, &answer.unwrap_or_default());
        Ok(bases(&super::super::fanout::run(&run)?, plain))
    }
}

/// What has to be read off before an arm's own bytes can be.
pub(super) fn before(arm: &ArmSpec) -> Option<ArmSpec> {
    let is_sum = matches!(arm.head, Head::Together(_));
    is_sum.then(|| ArmSpec::poll(arm.interval))
}

fn bases(report: &Report, plain: &ArmSpec) -> Vec<(Transport, Basis)> {
    let polls: Vec<&ArmTraffic> = report
        .arms
        .iter()
        .filter(|arm| arm.transport == Transport::Poll)
        .map(|arm| &arm.traffic)
        .collect();
    let poll = if plain.newest {
        newest(&polls, report.options.size_bytes as f64)
    } else {
        solved(&polls)
    };
    let others = report
        .arms
        .iter()
        .filter(|arm| arm.transport != Transport::Poll);
    let others = others.map(|arm| {
        let traffic = &arm.traffic;
        let basis = if arm.transport == Transport::LongPoll {
            held(traffic, &poll)
        } else {
            pushed(traffic, arm.transport)
        };
        (arm.transport, basis)
    });
    let mut bases: Vec<(Transport, Basis)> = others.collect();
    bases.push((Transport::Poll, poll));
    bases
}

/// Bytes of one delivery of a stream.
fn pushed(traffic: &ArmTraffic, transport: Transport) -> Basis {
    let each = crate::base::num::ratio(traffic.app_down_bytes, traffic.deliveries);
    // A ping and its pong; a colon; an empty object. The last two are chunks.
    let keepalive = match transport {
        Transport::Ws => 8.0,
        Transport::Sse => "2\r\n:\n\r\n".len() as f64,
        _ => "3\r\n{}\n\r\n".len() as f64,
    };
    Basis {
        publication_bytes: each,
        keepalive_bytes: Some(keepalive),
        keepalive_seconds: Some(KEEPALIVE_SECONDS),
        ..Basis::default()
    }
}

/// A long poll's own bytes; an answer's publication is the same as polling's.
fn held(traffic: &ArmTraffic, poll: &Basis) -> Basis {
    let each = crate::base::num::ratio(traffic.app_down_bytes, traffic.answers);
    Basis {
        request_bytes: crate::base::num::ratio(traffic.app_up_bytes, traffic.requests),
        full_answer_bytes: each.zip(poll.publication_bytes).map(|(a, p)| a - p),
        keepalive_seconds: Some(KEEPALIVE_SECONDS),
        ..poll.clone()
    }
}

/// Where an answer always holds one publication, what it has besides.
fn newest(polls: &[&ArmTraffic], size_bytes: f64) -> Basis {
    let sum = |of: fn(&ArmTraffic) -> u64| polls.iter().map(|traffic| of(traffic)).sum::<u64>();
    let answer = crate::base::num::ratio(sum(|t| t.app_down_bytes), sum(|t| t.answers));
    Basis {
        request_bytes: crate::base::num::ratio(sum(|t| t.app_up_bytes), sum(|t| t.requests)),
        full_answer_bytes: answer.map(|bytes| bytes - size_bytes),
        publication_bytes: Some(size_bytes),
        ..Basis::default()
    }
}

/// Three arms, three unknowns: what an answer has with publications and without, and what one
/// publication has in it.
fn solved(polls: &[&ArmTraffic]) -> Basis {
    let row = |traffic: &&ArmTraffic| {
        let full = traffic.answers - traffic.empty_answers;
        let counts = [full, traffic.empty_answers, traffic.deliveries];
        (counts.map(|n| n as f64), traffic.app_down_bytes as f64)
    };
    let rows: Vec<_> = polls.iter().map(row).collect();
    let sum = |of: fn(&ArmTraffic) -> u64| polls.iter().map(|traffic| of(traffic)).sum::<u64>();
    let request = crate::base::num::ratio(sum(|t| t.app_up_bytes), sum(|t| t.requests));
    let solution = solve(&rows);
    let times = polls.first().and_then(|traffic| traffic.answer_time.p50_us);
    Basis {
        request_bytes: request,
        full_answer_bytes: solution.map(|s| s[0]),
        empty_answer_bytes: solution.map(|s| s[1]),
        publication_bytes: solution.map(|s| s[2]),
        delay_us: times,
        ..Basis::default()
    }
}

/// The solution of three equations (Cramer's rule); `None` if they do not determine one.
fn solve(rows: &[([f64; 3], f64)]) -> Option<[f64; 3]> {
    let [(a, x), (b, y), (c, z)] = rows else {
        return None;
    };
    let whole = determinant(*a, *b, *c);
    if whole.abs() < 1.0 {
        return None;
    }
    let with = |column: usize| {
        let replaced = |row: &[f64; 3], value: &f64| {
            let mut row = *row;
            row[column] = *value;
            row
        };
        determinant(replaced(a, x), replaced(b, y), replaced(c, z)) / whole
    };
    Some([with(0), with(1), with(2)])
}

fn determinant(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// As many clients as the arm has, ten publications a second: from the intended moment to the
/// first of them, and from the first to the last.
fn watch(
    options: &CompareOptions,
    place: &Place,
    cell: &CellPlan,
    arm: &ArmSpec,
) -> Result<Pace, Failure> {
    let mut other = cell.clone();
    other.workload.rate = RATE;
    other.workload.arrivals = Arrivals::Even;
    other.length = PACE_LENGTH;
    let place = Place {
        label: format!("watching {}", arm.name()),
        ..place.clone()
    };
    let plain = ArmSpec {
        conflate: Duration::ZERO,
        ..*arm
    };
    let run = words::fanout(options, &place, &other, &[plain], &Basis::default());
    let report = super::super::fanout::run(&run)?;
    let total = report.total.as_ref();
    Ok(Pace {
        delay_us: total.and_then(|total| total.first.p50_us),
        drain_us: total.and_then(|total| total.spread.p50_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_intervals_tell_answers_and_publications_apart() {
        let counts = [[10.0, 10.0, 10.0], [10.0, 0.0, 10.0], [5.0, 0.0, 10.0]];
        let bytes = |row: [f64; 3]| 250.0 * row[0] + 210.0 * row[1] + 90.0 * row[2];
        let rows = counts.map(|row| (row, bytes(row)));
        let solution = solve(&rows).expect("it is determined");
        let rounded = solution.map(f64::round);
        assert_eq!(rounded, [250.0, 210.0, 90.0]);
        assert_eq!(solve(&rows[..2]), None);
        assert_eq!(solve(&[rows[0], rows[0], rows[1]]), None);
    }
}
