//! Long polling: the request is held until there is something, at most for τ (RFC 6202).
//!
//! A cycle begins when an answer leaves the server. R later the next request is there. If
//! something was published meanwhile it is answered at once, else it is held until the next
//! publication or the timeout. The server keeps a cursor: what came in the gap is in the answer.

use super::cost::EXCHANGE_SEGMENTS;
use super::poll::Exchange;
use super::traffic::Arrivals;
use super::{Cost, Traffic};

/// One long polling client.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LongPoll {
    /// What is published.
    pub traffic: Traffic,
    /// d: from the server's answer to the client, in seconds.
    pub delay: f64,
    /// R: from an answer that leaves the server to the next request that is there, in seconds.
    pub round_trip: f64,
    /// τ, in seconds.
    pub timeout: f64,
    /// How many bytes there are to what.
    pub exchange: Exchange,
}

impl LongPoll {
    /// Requests a second of one client: 1/(R + e^(−λR)·(1 − e^(−λτ))/λ), which is λ for a short
    /// round trip and 1/R for frequent publications.
    #[must_use]
    pub fn requests(&self) -> f64 {
        let Traffic { rate, arrivals } = self.traffic;
        if rate <= 0.0 {
            return 1.0 / (self.round_trip + self.timeout);
        }
        match arrivals {
            Arrivals::Poisson => {
                let held = self.traffic.quiet(self.round_trip) * self.traffic.calm(self.timeout);
                1.0 / (self.round_trip + held)
            }
            Arrivals::Even if rate * self.round_trip >= 1.0 => 1.0 / self.round_trip,
            Arrivals::Even => rate * (1.0 + self.timeouts_of_a_period()),
        }
    }

    /// Requests a second within a window of so many seconds: where nothing is published, clients
    /// that connected together ask in step, and the window holds whole rounds of all of them.
    #[must_use]
    pub fn requests_within(&self, window: f64) -> f64 {
        if self.traffic.rate > 0.0 {
            return self.requests();
        }
        (window * self.requests()).floor() / window
    }

    /// The share of answers that bring nothing, those at the timeout: e^(−λ(R+τ)).
    #[must_use]
    pub fn empty_share(&self) -> f64 {
        let Traffic { rate, arrivals } = self.traffic;
        match arrivals {
            _ if rate <= 0.0 => 1.0,
            Arrivals::Poisson => self.traffic.quiet(self.round_trip + self.timeout),
            Arrivals::Even => {
                let timeouts = self.timeouts_of_a_period();
                timeouts / (1.0 + timeouts)
            }
        }
    }

    /// The share of publications that find no request and wait for the next one:
    /// λR/(λR + e^(−λR)·(1 − e^(−λτ))), where the last factor is 1 for a long timeout.
    #[must_use]
    pub fn delayed_share(&self) -> f64 {
        let Traffic { rate, arrivals } = self.traffic;
        let mean = rate * self.round_trip;
        match arrivals {
            _ if mean <= 0.0 => 0.0,
            Arrivals::Poisson => {
                let held = self.traffic.quiet(self.round_trip) * self.traffic.calm(self.timeout);
                mean / (mean + rate * held)
            }
            // At even distances every publication finds a request, or none does.
            Arrivals::Even if mean < 1.0 => 0.0,
            Arrivals::Even => 1.0,
        }
    }

    /// Staleness at a quantile from 0 to 1: d for those that find a request; any wait up to R
    /// more is as likely as any other for the rest. The most is d + R: the three transits of
    /// RFC 6202 §2.2 if R is two.
    #[must_use]
    pub fn staleness(&self, quantile: f64) -> f64 {
        let delayed = self.delayed_share();
        let into = quantile - (1.0 - delayed);
        if into <= 0.0 || delayed <= 0.0 {
            return self.delay;
        }
        self.delay + self.round_trip * into / delayed
    }

    /// Mean staleness: d + (R/2)·λR/(λR + e^(−λR)).
    #[must_use]
    pub fn staleness_mean(&self) -> f64 {
        self.delay + self.round_trip / 2.0 * self.delayed_share()
    }

    /// The share of publications that a client hears of one by one, and not in an answer with a
    /// later one: answers that bring something for each publication, 1/(λR + e^(−λR)) for a
    /// long timeout.
    #[must_use]
    pub fn seen_share(&self) -> f64 {
        let rate = self.traffic.rate;
        if rate <= 0.0 {
            return 1.0;
        }
        self.requests() * (1.0 - self.empty_share()) / rate
    }

    /// The share of publications that arrive at all where the server keeps no cursor: what comes
    /// between two requests is lost, 1/(1 + λR) is left.
    #[must_use]
    pub fn share_without_cursor(&self) -> f64 {
        1.0 / (1.0 + self.traffic.rate * self.round_trip)
    }

    /// What a second of one client costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let Exchange {
            request,
            full,
            empty,
            publication,
        } = self.exchange;
        let none = self.empty_share();
        let answer = none * empty + (1.0 - none) * full;
        let exchange = Cost::new(request + answer, EXCHANGE_SEGMENTS);
        exchange * self.requests() + Cost::new(self.traffic.rate * publication, 0.0)
    }

    /// Timeouts between two publications at even distances.
    fn timeouts_of_a_period(&self) -> f64 {
        let period = 1.0 / self.traffic.rate;
        (period / (self.round_trip + self.timeout)).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn example(rate: f64, round_trip: f64) -> LongPoll {
        LongPoll {
            traffic: Traffic {
                rate,
                arrivals: Arrivals::Poisson,
            },
            delay: round_trip / 2.0,
            round_trip,
            timeout: 30.0,
            exchange: Exchange {
                request: 180.0,
                full: 100.0,
                empty: 70.0,
                publication: 100.0,
            },
        }
    }

    #[test]
    fn five_updates_a_second_over_a_tenth_of_a_second() {
        let poll = example(5.0, 0.1);
        assert_eq!((1000.0 / poll.requests()).round(), 221.0);
        assert_eq!((10_000.0 * poll.staleness_mean()).round(), 726.0);
        assert!((poll.staleness(1.0) - 0.150).abs() < 1e-9, "three transits");
        assert_eq!((1000.0 * poll.share_without_cursor()).round(), 667.0);
    }

    #[test]
    fn rare_updates_find_a_request_and_frequent_ones_wait_for_one() {
        let rare = example(0.01, 0.1);
        assert_eq!(rare.staleness(0.5), rare.delay);
        assert!((rare.requests() / (0.01 / (1.0 - (-0.3f64).exp())) - 1.0).abs() < 0.01);
        let frequent = example(1000.0, 0.1);
        assert!((frequent.requests() - 10.0).abs() < 1e-6);
        assert!((frequent.staleness(0.5) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn who_asks_in_step_asks_whole_rounds() {
        let idle = example(0.0, 0.1);
        assert_eq!(idle.requests_within(29.0), 0.0);
        assert_eq!(idle.requests_within(70.0), 2.0 / 70.0);
        let busy = example(5.0, 0.1);
        assert_eq!(busy.requests_within(1.0), busy.requests());
    }

    #[test]
    fn nothing_published_is_one_request_a_timeout() {
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            let mut poll = example(0.0, 0.0);
            poll.traffic.arrivals = arrivals;
            assert!((poll.requests() - 1.0 / 30.0).abs() < 1e-12);
            assert_eq!(poll.empty_share(), 1.0);
        }
    }

    #[test]
    fn even_distances_longer_than_the_timeout_are_counted_in_timeouts() {
        let mut poll = example(0.01, 0.0);
        poll.traffic.arrivals = Arrivals::Even;
        assert_eq!((poll.requests(), poll.empty_share()), (0.04, 0.75));
        poll.traffic.rate = 1.0;
        assert_eq!((poll.requests(), poll.empty_share()), (1.0, 0.0));
        assert_eq!(poll.delayed_share(), 0.0);
    }

    #[test]
    fn every_publication_is_paid_for_once_and_every_request_too() {
        let mut poll = example(1.0, 0.0);
        poll.traffic.arrivals = Arrivals::Even;
        assert_eq!(poll.cost(), Cost::new(380.0, 3.0));
    }
}
