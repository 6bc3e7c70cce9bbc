//! The predicted column: which closed form of [`crate::model`] belongs to which figure of an arm.

use std::collections::BTreeMap;

use crate::base::transport::Transport;
use crate::figures::arm::Arm;
use crate::figures::{got, took};
use crate::model::cost::EXCHANGE_SEGMENTS;
use crate::model::poll::{AnswerContent, Exchange};
use crate::model::push::Keepalive;
use crate::model::{Cost, LongPoll, Poll, Push, Traffic};

use super::cell::{ArmResult, Basis, Cell};
use crate::plan::workload::Workload;

/// What polling's requests, emptiness and staleness may be off by.
const POLL_TOLERANCE_PERCENT: f64 = 5.0;

/// What long polling's requests and median may be off by: its round trip is the server's work.
const LONG_POLL_TOLERANCE_PERCENT: f64 = 10.0;

/// The timeout of a long poll where the client does not name one, as a node of ours has it.
const LONG_POLL_TIMEOUT_SECONDS: f64 = 25.0;

/// What a client's frame has more than a server's (RFC 6455 §5.3).
const FRAME_MASK_BYTES: f64 = 4.0;

/// What is predicted for an arm, by name of the figure: the value, and how far off is agreement.
pub(crate) type Predictions = BTreeMap<&'static str, (f64, Option<f64>)>;

/// Enters the predictions into all arms of a cell.
pub(crate) fn enter(cell: &mut Cell) {
    let alone = !cell.side_by_side;
    for result in &mut cell.arms {
        let predictions = predictions(result, &cell.workload, alone);
        for (name, (value, tolerance)) in predictions {
            if let Some(figure) = result.figures.get_mut(name) {
                figure.predicted = Some(value);
                figure.error_percent = error_percent(name, figure.median, value);
                figure.tolerance_percent = tolerance;
            }
        }
    }
}

/// How far off a prediction was. A share of less than a percent has no error worth a percentage:
/// none of a thousand instead of one is not "100 % off".
fn error_percent(name: &str, measured: f64, predicted: f64) -> Option<f64> {
    let is_tiny_share = name.ends_with("_percent") && predicted < 1.0;
    let error = 100.0 * (measured - predicted) / predicted;
    (error.is_finite() && !is_tiny_share).then_some(error)
}

/// Everything that is predicted for an arm. Push latencies are predicted only for an arm that
/// was alone: side by side each waits for all others' turns.
#[must_use]
pub(crate) fn predictions(result: &ArmResult, workload: &Workload, alone: bool) -> Predictions {
    let Some(arm) = result.arm() else {
        return Predictions::new();
    };
    let mut found = match arm.transport {
        Transport::Poll => of_poll(&poll(arm, &result.basis, workload), arm, workload),
        Transport::LongPoll => of_long_poll(result, arm, workload, alone),
        Transport::Ws | Transport::Sse | Transport::Stream => {
            of_push(&push(arm, &result.basis, workload), workload, alone)
        }
        Transport::Ask => of_ask(arm, workload),
    };
    let is_read_off = result.basis.publication_bytes.is_some();
    let bytes_known = is_read_off || arm.transport == Transport::Ask;
    found.retain(|name, _| bytes_known || !name.contains("bytes"));
    if workload.rate <= 0.0 {
        found.retain(|name, _| !name.ends_with("_per_delivery") && !name.starts_with("staleness"));
    }
    found
}

/// The model of a polling arm.
#[must_use]
pub(crate) fn poll(arm: &Arm, basis: &Basis, workload: &Workload) -> Poll {
    Poll {
        traffic: traffic(workload),
        interval: arm.interval_ms.unwrap_or(0.0) / 1e3,
        delay: basis.delay_us.unwrap_or(0.0) / 1e6,
        carries: if arm.newest {
            AnswerContent::Newest
        } else {
            AnswerContent::All
        },
        exchange: exchange(basis),
        keep_alive: arm.keep_alive,
    }
}

/// The model of an arm that is pushed to.
#[must_use]
pub(crate) fn push(arm: &Arm, basis: &Basis, workload: &Workload) -> Push {
    let drain = basis.drain_us.unwrap_or(0.0) / 1e6;
    let clients = f64::from(workload.clients);
    let seconds = basis.keepalive_seconds.unwrap_or(f64::INFINITY);
    let bytes = basis.keepalive_bytes.unwrap_or(0.0);
    let is_socket = arm.transport == Transport::Ws;
    Push {
        traffic: traffic(workload),
        clients,
        delay: basis.delay_us.unwrap_or(0.0) / 1e6,
        sends_per_second: if drain > 0.0 {
            clients / drain
        } else {
            f64::INFINITY
        },
        publication: basis.publication_bytes.unwrap_or(0.0),
        keepalive: if is_socket {
            Keepalive::ping(seconds)
        } else {
            Keepalive::comment(seconds, bytes)
        },
        conflate: arm.conflate_ms.map(|ms| ms as f64 / 1e3),
    }
}

fn of_poll(model: &Poll, arm: &Arm, workload: &Workload) -> Predictions {
    let mut found = Predictions::new();
    let tolerance = Some(POLL_TOLERANCE_PERCENT);
    requests(&mut found, model.requests(), workload, tolerance);
    found.insert(took::EMPTY.name, (100.0 * model.empty_share(), tolerance));
    let unseen = 100.0 * (1.0 - model.seen_share());
    found.insert(got::OUTDATED.name, (100.0 * model.outdated_share(), None));
    let mut delivered = workload.rate_of_a_client();
    if arm.newest {
        found.insert(got::LEFT_OUT.name, (unseen, None));
        delivered *= model.seen_share();
    } else {
        found.insert(got::MERGED.name, (unseen, None));
        staleness(&mut found, |quantile| model.staleness(quantile));
    }
    for name in [
        got::STALENESS_P50.name,
        got::STALENESS_P95.name,
        got::STALENESS_MAX.name,
    ] {
        found
            .entry(name)
            .and_modify(|(_, bound)| *bound = tolerance);
    }
    everything_arrives(&mut found);
    bytes(&mut found, model.cost(), delivered, arm);
    found
}

/// A question and its answer on a held socket: a masked frame, a frame, one acknowledgement.
fn of_ask(arm: &Arm, workload: &Workload) -> Predictions {
    let interval = arm.interval_ms.unwrap_or(0.0) / 1e3;
    let size = workload.size_bytes as f64;
    let exchange = Cost::new(
        2.0 * (size + frame_head(size)) + FRAME_MASK_BYTES,
        EXCHANGE_SEGMENTS,
    );
    let mut found = Predictions::new();
    let each = 1.0 / interval;
    requests(&mut found, each, workload, Some(POLL_TOLERANCE_PERCENT));
    found.insert(took::REQUESTS_PER_DELIVERY.name, (1.0, None));
    per_delivery(&mut found, exchange, 1.0);
    per_second(&mut found, exchange * each);
    found
}

/// The head of an unmasked frame (RFC 6455 §5.2).
fn frame_head(payload: f64) -> f64 {
    match payload {
        ..126.0 => 2.0,
        ..65_536.0 => 4.0,
        _ => 10.0,
    }
}

fn of_long_poll(result: &ArmResult, arm: &Arm, workload: &Workload, alone: bool) -> Predictions {
    let basis = &result.basis;
    let (delay, drain) = (basis.delay_us, basis.drain_us);
    let seconds = |us: Option<f64>| us.unwrap_or(0.0) / 1e6;
    let model = LongPoll {
        traffic: traffic(workload),
        delay: seconds(delay),
        // On one host a client is back as soon as the server has had its turn with all others.
        round_trip: seconds(delay) + seconds(drain),
        timeout: basis.keepalive_seconds.unwrap_or(LONG_POLL_TIMEOUT_SECONDS),
        exchange: exchange(basis),
    };
    let mut found = Predictions::new();
    let tolerance = Some(LONG_POLL_TOLERANCE_PERCENT);
    let each = model.requests_within(arm.traffic.window_seconds);
    requests(&mut found, each, workload, tolerance);
    found.insert(took::EMPTY.name, (100.0 * model.empty_share(), None));
    found.insert(got::MERGED.name, (100.0 * (1.0 - model.seen_share()), None));
    if alone && drain.is_some() {
        staleness(&mut found, |quantile| {
            model.staleness(quantile) + quantile * seconds(drain)
        });
        let p50 = found.entry(got::STALENESS_P50.name);
        p50.and_modify(|(_, bound)| *bound = tolerance);
    }
    everything_arrives(&mut found);
    let cost = model.cost() * (each / model.requests());
    bytes(&mut found, cost, workload.rate_of_a_client(), arm);
    found
}

fn of_push(model: &Push, workload: &Workload, alone: bool) -> Predictions {
    let mut found = Predictions::new();
    let rate = workload.rate_of_a_client();
    if alone && model.sends_per_second.is_finite() && model.conflate.is_none() {
        staleness(&mut found, |quantile| model.staleness(quantile));
        found.insert(got::OUTDATED.name, (100.0 * model.outdated_share(), None));
    }
    let delivered = model.pushes();
    everything_arrives(&mut found);
    if model.conflate.is_some() && rate > 0.0 {
        found.insert(got::LEFT_OUT.name, (100.0 * (1.0 - delivered / rate), None));
    }
    let cost = model.cost();
    per_delivery(&mut found, cost, delivered);
    per_second(&mut found, cost);
    found
}

fn everything_arrives(found: &mut Predictions) {
    found.insert(got::REACH.name, (100.0, Some(0.0)));
    found.insert(got::LOST.name, (0.0, Some(0.0)));
}

fn requests(found: &mut Predictions, each: f64, workload: &Workload, tolerance: Option<f64>) {
    let all = each * f64::from(workload.clients);
    found.insert(took::REQUESTS_RATE.name, (all, tolerance));
    let rate = workload.rate_of_a_client();
    found.insert(took::REQUESTS_PER_DELIVERY.name, (each / rate, None));
}

fn staleness(found: &mut Predictions, at: impl Fn(f64) -> f64) {
    let places = [
        (got::STALENESS_MEAN.name, 0.5),
        (got::STALENESS_P50.name, 0.5),
        (got::STALENESS_P95.name, 0.95),
        (got::STALENESS_P99.name, 0.99),
        (got::STALENESS_P999.name, 0.999),
        (got::STALENESS_MAX.name, 1.0),
    ];
    for (name, quantile) in places {
        found.insert(name, (1e6 * at(quantile), None));
    }
}

fn bytes(found: &mut Predictions, cost: Cost, delivered: f64, arm: &Arm) {
    debug_assert!(!arm.transport.is_push());
    per_delivery(found, cost, delivered);
    per_second(found, cost);
}

fn per_delivery(found: &mut Predictions, cost: Cost, delivered: f64) {
    found.insert(took::APP_BYTES.name, (cost.app / delivered, None));
    let wire = cost.wire(crate::model::cost::SEGMENT_HEAD_BYTES);
    found.insert(took::WIRE_BYTES.name, (wire / delivered, None));
    found.insert(took::SEGMENTS.name, (cost.segments / delivered, None));
}

fn per_second(found: &mut Predictions, cost: Cost) {
    let wire = cost.wire(crate::model::cost::SEGMENT_HEAD_BYTES);
    found.insert(took::WIRE_RATE.name, (wire, None));
}

fn traffic(workload: &Workload) -> Traffic {
    Traffic {
        rate: workload.rate_of_a_client(),
        arrivals: workload.arrivals,
    }
}

fn exchange(basis: &Basis) -> Exchange {
    Exchange {
        request: basis.request_bytes.unwrap_or(0.0),
        full: basis.full_answer_bytes.unwrap_or(0.0),
        empty: basis.empty_answer_bytes.unwrap_or(0.0),
        publication: basis.publication_bytes.unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    fn at(predictions: &Predictions, name: &str) -> f64 {
        predictions.get(name).expect(name).0
    }

    #[test]
    fn polling_every_two_seconds_at_an_update_in_five() {
        let (result, workload) = synthetic::arm("poll-2s", 0.2);
        let found = predictions(&result, &workload, true);
        assert_eq!(at(&found, "requests_per_second"), 500.0);
        assert_eq!(at(&found, "requests_per_delivery"), 2.5);
        assert_eq!(at(&found, "empty_percent").round(), 67.0);
        assert!((at(&found, "staleness_p95_us") / 1.9e6 - 1.0).abs() < 0.001);
        assert_eq!(at(&found, "reach_percent"), 100.0);
        let wire = at(&found, "wire_bytes_per_delivery");
        assert!((wire / at(&found, "wire_bytes_per_client_second") - 5.0).abs() < 1e-9);
    }

    #[test]
    fn push_is_predicted_in_time_only_when_it_was_alone() {
        let (result, workload) = synthetic::arm("ws", 1.0);
        let alone = predictions(&result, &workload, true);
        // A delay of 0.2 ms and a drain of 4 ms.
        assert!((at(&alone, "staleness_p50_us") - 2200.0).abs() < 1.0);
        assert_eq!(at(&alone, "segments_per_delivery"), 2.0 + 3.0 / 25.0);
        let among = predictions(&result, &workload, false);
        assert!(!among.contains_key("staleness_p50_us"));
        assert!(among.contains_key("wire_bytes_per_delivery"));
    }

    #[test]
    fn an_idle_cell_has_no_deliveries_to_divide_by() {
        let (result, workload) = synthetic::arm("longpoll", 0.0);
        let found = predictions(&result, &workload, true);
        assert!(found.keys().all(|name| !name.ends_with("_per_delivery")));
        assert_eq!(at(&found, "empty_percent"), 100.0);
        assert!(
            found.values().all(|(value, _)| value.is_finite()),
            "{found:?}"
        );
    }

    #[test]
    fn bytes_that_nobody_read_off_are_not_predicted() {
        let (mut result, workload) = synthetic::arm("poll-2s", 1.0);
        result.basis = Basis::default();
        let found = predictions(&result, &workload, true);
        assert!(found.keys().all(|name| !name.contains("bytes")));
        assert!(found.contains_key("requests_per_second"));
    }
}
