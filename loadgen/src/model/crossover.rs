//! From which update rate on polling takes fewer bytes than push.
//!
//! Only where the newest value is enough: a poll costs the same however many publications it
//! skips, while push pays for each. Staleness and skipped values are the price, and a server
//! that conflates takes the crossing away.

use super::cost::SEGMENT_HEAD_BYTES;
use super::{Cost, Poll, Push};

/// Rates at which a crossing is looked for, a second; beyond them nobody asks.
const RATE_MIN: f64 = 1e-5;
const RATE_MAX: f64 = 1e4;

/// Halvings of the rate: to the last digit of a double.
const HALVINGS: u32 = 200;

/// The rule of thumb: λ = c_p/(T·c_w), with the wire bytes of a poll that finds something and of
/// a push. It leaves out empty polls and pings.
#[must_use]
pub fn rule_of_thumb(poll: Cost, push: Cost, interval: f64) -> f64 {
    poll.wire(SEGMENT_HEAD_BYTES) / (interval * push.wire(SEGMENT_HEAD_BYTES))
}

/// The update rate above which polling takes fewer bytes on the wire than push; `None` if it
/// never does. The rates of the two models are not looked at.
#[must_use]
pub fn rate(poll: &Poll, push: &Push) -> Option<f64> {
    let is_push_dearer = |rate: f64| {
        let (mut poll, mut push) = (*poll, *push);
        poll.traffic.rate = rate;
        push.traffic.rate = rate;
        push.cost().wire(SEGMENT_HEAD_BYTES) > poll.cost().wire(SEGMENT_HEAD_BYTES)
    };
    if !is_push_dearer(RATE_MAX) {
        return None;
    }
    let (mut low, mut high) = (RATE_MIN, RATE_MAX);
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        if is_push_dearer(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The polling interval from which on an idle poll is cheaper than an idle socket's pings.
#[must_use]
pub fn idle_interval(poll: &Poll, push: &Push) -> f64 {
    let request = Cost::new(poll.exchange.request + poll.exchange.empty, 3.0);
    let keepalive = push.keepalive.cost.wire(SEGMENT_HEAD_BYTES) / push.keepalive.interval;
    request.wire(SEGMENT_HEAD_BYTES) / keepalive
}

/// Where two measured curves over the update rate cross: between the two rates at which the
/// sign of their difference changes, on straight lines between logarithms. `None` if they do
/// not cross. Points are rate, polling, push.
#[must_use]
pub fn found(points: &[(f64, f64, f64)]) -> Option<f64> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gap = |point: &(f64, f64, f64)| (point.2 / point.1).ln();
    let pair = sorted
        .windows(2)
        .find(|pair| gap(&pair[0]) <= 0.0 && gap(&pair[1]) > 0.0)?;
    let (before, after) = (gap(&pair[0]), gap(&pair[1]));
    let part = -before / (after - before);
    let (low, high) = (pair[0].0.ln(), pair[1].0.ln());
    Some((low + part * (high - low)).exp())
}

#[cfg(test)]
mod tests {
    use super::super::poll::{AnswerContent, Exchange};
    use super::super::push::Keepalive;
    use super::super::traffic::{Arrivals, Traffic};
    use super::*;

    fn models(interval: f64) -> (Poll, Push) {
        let traffic = Traffic {
            rate: 1.0,
            arrivals: Arrivals::Poisson,
        };
        let poll = Poll {
            traffic,
            interval,
            delay: 0.0,
            carries: AnswerContent::NewestIfNew,
            exchange: Exchange {
                request: 180.0,
                full: 100.0,
                empty: 70.0,
                publication: 100.0,
            },
            keep_alive: true,
        };
        let push = Push {
            traffic,
            clients: 1.0,
            delay: 0.0,
            sends_per_second: 1e6,
            publication: 102.0,
            keepalive: Keepalive::ping(25.0),
            conflate: None,
        };
        (poll, push)
    }

    #[test]
    fn the_rule_of_thumb_at_two_five_and_ten_seconds() {
        let (poll, push) = (Cost::new(380.0, 3.0), Cost::new(102.0, 2.0));
        let rates = [2.0, 5.0, 10.0].map(|t| (100.0 * rule_of_thumb(poll, push, t)).round());
        assert_eq!(rates, [130.0, 52.0, 26.0]);
    }

    #[test]
    fn the_whole_model_crosses_near_the_rule_of_thumb() {
        for interval in [2.0, 5.0, 10.0] {
            let (poll, push) = models(interval);
            let exact = rate(&poll, &push).expect("they cross");
            let rule = rule_of_thumb(Cost::new(380.0, 3.0), Cost::new(102.0, 2.0), interval);
            assert!((exact / rule - 1.0).abs() < 0.15, "{exact} {rule}");
        }
    }

    #[test]
    fn a_server_that_conflates_has_no_crossing() {
        for interval in [2.0, 5.0, 10.0] {
            let (poll, mut push) = models(interval);
            push.conflate = Some(interval);
            assert_eq!(rate(&poll, &push), None);
        }
    }

    #[test]
    fn an_idle_poll_is_cheaper_beyond_a_minute() {
        let (poll, push) = models(2.0);
        assert_eq!(idle_interval(&poll, &push).round(), 62.0);
    }

    #[test]
    fn measured_curves_cross_between_two_points() {
        let points = [(4.0, 10.0, 40.0), (1.0, 10.0, 10.0 / 4.0), (0.1, 10.0, 1.0)];
        let rate = found(&points).expect("they cross");
        assert!((rate - 2.0).abs() < 1e-9, "{rate}");
        assert_eq!(found(&points[1..]), None);
        assert_eq!(found(&[]), None);
    }
}
