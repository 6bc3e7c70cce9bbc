//! The closed forms against a small simulation that knows none of them: publications on a line
//! of time, clients that poll or wait, counted one by one. Seeded, so that it is the same always.

use super::poll::{AnswerContent, Exchange};
use super::traffic::{Arrivals, Traffic};
use super::{LongPoll, Poll};

/// Publications of each simulated run.
const PUBLICATIONS: usize = 400_000;

/// How far a closed form may be from what was counted.
const ERROR_MAX: f64 = 0.01;

const EXCHANGE: Exchange = Exchange {
    request: 180.0,
    full: 100.0,
    empty: 70.0,
    publication: 100.0,
};

/// What was counted.
#[derive(Debug, Default)]
struct Counted {
    seconds: f64,
    requests: f64,
    empty: f64,
    /// Staleness of each publication.
    waits: Vec<f64>,
    /// Publications behind which nothing stood in the same answer.
    seen: f64,
    /// Seconds in which something old was shown.
    outdated: f64,
}

fn moments(traffic: Traffic) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut now = 0.0;
    let mut next = || {
        now += match traffic.arrivals {
            Arrivals::Even => 1.0 / traffic.rate,
            Arrivals::Poisson => -(1.0 - random.f64()).ln() / traffic.rate,
        };
        now
    };
    (0..PUBLICATIONS).map(|_| next()).collect()
}

/// One client at some phase for a span of time, then another one at another phase.
fn poll(model: &Poll) -> Counted {
    let moments = moments(model.traffic);
    let mut counted = Counted::default();
    let (mut start, mut phase) = (0.0, 0.0);
    // So many intervals that the first and the last of a span do not count.
    let span = model.interval * 1000.0;
    while start + span < moments[PUBLICATIONS - 1] {
        poll_for(
            model,
            &moments,
            start + phase * model.interval,
            &mut counted,
        );
        // Phases are spread as evenly as can be, by steps of the golden ratio.
        phase = (phase + 0.618_033_988_75) % 1.0;
        start += span;
    }
    counted
}

/// A client that has everything up to `start` and polls 999 times.
fn poll_for(model: &Poll, moments: &[f64], start: f64, counted: &mut Counted) {
    let mut next = moments.partition_point(|moment| *moment <= start);
    for i in 1..1000 {
        let at = start + model.interval * f64::from(i);
        let first = next;
        while next < moments.len() && moments[next] <= at {
            counted.waits.push(at - moments[next] + model.delay);
            next += 1;
        }
        counted.requests += 1.0;
        counted.seconds += model.interval;
        if next == first {
            counted.empty += 1.0;
        } else {
            counted.seen += 1.0;
            counted.outdated += at - moments[first];
        }
    }
}

/// One client behind a server with a cursor.
fn long_poll(model: &LongPoll) -> Counted {
    let moments = moments(model.traffic);
    let mut counted = Counted::default();
    let (mut next, mut armed) = (0, 0.0);
    while next < PUBLICATIONS {
        counted.requests += 1.0;
        let first = next;
        let answered = moments[next].max(armed);
        if answered > armed + model.timeout {
            counted.empty += 1.0;
            armed += model.timeout + model.round_trip;
            continue;
        }
        while next < PUBLICATIONS && moments[next] <= answered {
            counted.waits.push(answered - moments[next] + model.delay);
            next += 1;
        }
        counted.seen += f64::from(u8::from(next > first));
        armed = answered + model.round_trip;
    }
    counted.seconds = armed;
    counted
}

impl Counted {
    fn mean(&self) -> f64 {
        self.waits.iter().sum::<f64>() / self.waits.len() as f64
    }

    fn quantile(&mut self, quantile: f64) -> f64 {
        self.waits.sort_by(f64::total_cmp);
        let last = self.waits.len() - 1;
        self.waits[crate::base::num::index(crate::base::num::whole(quantile * last as f64))]
    }
}

#[track_caller]
fn close(what: &str, counted: f64, predicted: f64) {
    let error = (counted / predicted - 1.0).abs();
    // Shares near nothing are compared as shares.
    let is_close = error < ERROR_MAX || (counted - predicted).abs() < 1e-3;
    assert!(is_close, "{what}: counted {counted}, predicted {predicted}");
}

fn check_poll(rate: f64, interval: f64, arrivals: Arrivals) {
    let model = Poll {
        traffic: Traffic { rate, arrivals },
        interval,
        delay: 0.01,
        carries: AnswerContent::All,
        exchange: EXCHANGE,
        keep_alive: true,
    };
    let mut counted = poll(&model);
    let waits = counted.waits.len() as f64;
    close(
        "empty",
        counted.empty / counted.requests,
        model.empty_share(),
    );
    close("rate", counted.requests / counted.seconds, model.requests());
    close("mean", counted.mean(), model.staleness_mean());
    for quantile in [0.5, 0.95, 0.99, 1.0] {
        let predicted = model.staleness(quantile);
        close("quantile", counted.quantile(quantile), predicted);
    }
    close("seen", counted.seen / waits, model.seen_share());
    let outdated = counted.outdated / counted.seconds;
    close("outdated", outdated, model.outdated_share());
}

#[test]
fn polling_is_as_the_closed_forms_say() {
    for (rate, interval) in [(0.1, 2.0), (0.1, 10.0), (1.0, 5.0), (0.05, 10.0)] {
        check_poll(rate, interval, Arrivals::Poisson);
    }
}

#[test]
fn polling_of_even_distances_is_as_the_closed_forms_say() {
    for (rate, interval) in [(0.1, 2.0), (0.2, 2.3), (0.33, 5.0), (1.0, 3.7)] {
        check_poll(rate, interval, Arrivals::Even);
    }
}

#[test]
fn long_polling_is_as_the_closed_forms_say() {
    for (rate, round_trip, timeout) in [(5.0, 0.1, 30.0), (1.0, 0.5, 2.0), (0.05, 0.1, 25.0)] {
        let model = LongPoll {
            traffic: Traffic {
                rate,
                arrivals: Arrivals::Poisson,
            },
            delay: round_trip / 2.0,
            round_trip,
            timeout,
            exchange: EXCHANGE,
        };
        let mut counted = long_poll(&model);
        let waits = counted.waits.len() as f64;
        close("rate", counted.requests / counted.seconds, model.requests());
        close(
            "empty",
            counted.empty / counted.requests,
            model.empty_share(),
        );
        close("mean", counted.mean(), model.staleness_mean());
        close("seen", counted.seen / waits, model.seen_share());
        for quantile in [0.5, 0.95, 0.99, 1.0] {
            close(
                "quantile",
                counted.quantile(quantile),
                model.staleness(quantile),
            );
        }
    }
}

#[test]
fn a_server_that_conflates_pushes_as_the_closed_form_says() {
    for (rate, interval) in [(0.1, 2.0), (1.0, 2.0), (10.0, 0.5)] {
        let traffic = Traffic {
            rate,
            arrivals: Arrivals::Poisson,
        };
        let moments = moments(traffic);
        let (mut pushes, mut free, mut next) = (0.0, 0.0, 0);
        while next < PUBLICATIONS {
            let at = moments[next].max(free);
            next += moments[next..].partition_point(|moment| *moment <= at);
            pushes += 1.0;
            free = at + interval;
        }
        let counted = pushes / moments[PUBLICATIONS - 1];
        close("pushes", counted, traffic.conflated(interval));
    }
}
