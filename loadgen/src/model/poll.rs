//! Short polling: a request every T seconds of each client, whatever there is.

use super::cost::{CONNECTION_SEGMENTS, EXCHANGE_SEGMENTS};
use super::{Cost, Traffic};

/// How long a closed socket of the side that closes first stays in TIME_WAIT, in seconds.
pub const TIME_WAIT_SECONDS: f64 = 60.0;

/// What of the publications since the last poll an answer carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerContent {
    /// The newest alone, always.
    Newest,
    /// The newest alone, and nothing if the client has it.
    NewestIfNew,
    /// All of them.
    All,
}

/// The bytes of one exchange.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exchange {
    /// The whole request.
    pub request: f64,
    /// An answer with publications, without them.
    pub full: f64,
    /// An answer without publications.
    pub empty: f64,
    /// One publication in an answer.
    pub publication: f64,
}

/// One polling client.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Poll {
    /// What is published.
    pub traffic: Traffic,
    /// T: from one poll to the next, in seconds.
    pub interval: f64,
    /// d and the server's work: from a poll that finds something to the client, in seconds.
    pub delay: f64,
    /// What answers carry.
    pub carries: AnswerContent,
    /// How many bytes there are to what.
    pub exchange: Exchange,
    /// Whether polls of a client share a connection.
    pub keep_alive: bool,
}

impl Poll {
    /// Requests a second of one client on a timetable: 1/T.
    #[must_use]
    pub fn requests(&self) -> f64 {
        1.0 / self.interval
    }

    /// Requests a second of a client that waits for T after each answer: 1/(T + R).
    #[must_use]
    pub fn requests_closed_loop(&self, round_trip: f64) -> f64 {
        1.0 / (self.interval + round_trip)
    }

    /// The share of polls that find nothing new: e^(−λT), or max(0, 1 − T/U) of even distances U.
    #[must_use]
    pub fn empty_share(&self) -> f64 {
        self.traffic.quiet(self.interval)
    }

    /// Staleness at a quantile from 0 to 1: a publication waits for the next poll, and any wait
    /// up to T is as likely as any other.
    #[must_use]
    pub fn staleness(&self, quantile: f64) -> f64 {
        quantile * self.interval + self.delay
    }

    /// Mean staleness: T/2 + d.
    #[must_use]
    pub fn staleness_mean(&self) -> f64 {
        self.staleness(0.5)
    }

    /// The share of publications that are the newest when their client hears of them:
    /// (1 − e^(−x))/x with x = λT. All others are merged into a later one.
    #[must_use]
    pub fn seen_share(&self) -> f64 {
        let mean = self.traffic.rate * self.interval;
        if mean <= 0.0 {
            return 1.0;
        }
        (1.0 - self.empty_share()) / mean
    }

    /// The share of time in which a client shows something old: 1 − (1 − e^(−x))/x for Poisson.
    #[must_use]
    pub fn outdated_share(&self) -> f64 {
        1.0 - self.traffic.calm(self.interval) / self.interval
    }

    /// The mean cost of one poll.
    #[must_use]
    pub fn exchange_cost(&self) -> Cost {
        let Exchange {
            request,
            full,
            empty,
            publication,
        } = self.exchange;
        let news = 1.0 - self.empty_share();
        let answer = match self.carries {
            AnswerContent::Newest => full + publication,
            AnswerContent::NewestIfNew => empty + news * (full + publication - empty),
            AnswerContent::All => {
                let count = self.traffic.rate * self.interval;
                empty + news * (full - empty) + count * publication
            }
        };
        let connection = if self.keep_alive {
            0.0
        } else {
            CONNECTION_SEGMENTS
        };
        Cost::new(request + answer, EXCHANGE_SEGMENTS + connection)
    }

    /// What a second of one client costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.exchange_cost() * self.requests()
    }

    /// Sockets in TIME_WAIT for so many clients without keep-alive: 60 N/T.
    #[must_use]
    pub fn time_waits(&self, clients: f64) -> f64 {
        TIME_WAIT_SECONDS * clients * self.requests()
    }

    /// How busy a server is that answers so many polls a second: ρ = N/(T μ). It is stable
    /// below 1.
    #[must_use]
    pub fn utilization(&self, clients: f64, answers_per_second: f64) -> f64 {
        clients * self.requests() / answers_per_second
    }

    /// How long a poll waits on average for those before it, with evenly long answers and polls
    /// at random moments: ρ/(2μ(1 − ρ)); endless from ρ = 1 on.
    #[must_use]
    pub fn queueing(&self, clients: f64, answers_per_second: f64) -> f64 {
        let busy = self.utilization(clients, answers_per_second);
        if busy >= 1.0 {
            return f64::INFINITY;
        }
        busy / (2.0 * answers_per_second * (1.0 - busy))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::SEGMENT_HEAD_BYTES;
    use super::super::traffic::Arrivals;
    use super::*;

    /// The example of docs/push-vs-polling.md: 100 bytes, short heads.
    pub(crate) fn example(rate: f64, interval: f64) -> Poll {
        Poll {
            traffic: Traffic {
                rate,
                arrivals: Arrivals::Poisson,
            },
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
        }
    }

    /// Bytes a second on the wire, as the table rounds them.
    fn check(rate: f64, expected: [f64; 4]) {
        let bytes = [2.0, 5.0, 10.0, 60.0].map(|interval| {
            let bytes = example(rate, interval).cost().wire(SEGMENT_HEAD_BYTES);
            if bytes < 10.0 {
                (10.0 * bytes).round() / 10.0
            } else {
                bytes.round()
            }
        });
        assert_eq!(bytes, expected, "at {rate}/s");
    }

    #[test]
    fn bytes_of_a_second_by_update_rate_and_interval() {
        check(10.0, [268.0, 107.0, 54.0, 8.9]);
        check(1.0, [259.0, 107.0, 54.0, 8.9]);
        check(0.1, [215.0, 91.0, 49.0, 8.9]);
        check(0.01, [204.0, 82.0, 42.0, 7.7]);
        check(0.001, [203.0, 81.0, 41.0, 6.9]);
    }

    #[test]
    fn staleness_is_even_between_the_delay_and_the_interval_behind_it() {
        let poll = Poll {
            delay: 0.1,
            ..example(0.1, 2.0)
        };
        let places = [0.0, 0.5, 0.95, 1.0].map(|q| (1000.0 * poll.staleness(q)).round());
        assert_eq!(places, [100.0, 1100.0, 2000.0, 2100.0]);
        assert_eq!(poll.staleness_mean(), poll.staleness(0.5));
    }

    #[test]
    fn ten_thousand_clients_once_a_minute_are_167_requests_a_second() {
        let poll = example(0.0, 60.0);
        assert_eq!((10_000.0 * poll.requests()).round(), 167.0);
        assert_eq!(poll.time_waits(10_000.0), 10_000.0);
        assert!((poll.requests_closed_loop(1.0) - 1.0 / 61.0).abs() < 1e-12);
    }

    #[test]
    fn a_queue_grows_without_end_at_full_use() {
        let poll = example(1.0, 2.0);
        assert_eq!(poll.utilization(1_000.0, 1_000.0), 0.5);
        assert_eq!(poll.queueing(1_000.0, 1_000.0), 0.0005);
        assert_eq!(poll.queueing(2_000.0, 1_000.0), f64::INFINITY);
    }

    #[test]
    fn what_answers_carry_decides_the_bytes_of_frequent_updates() {
        let bytes = |carries| {
            let poll = Poll {
                carries,
                ..example(10.0, 10.0)
            };
            poll.exchange_cost().app.round()
        };
        assert_eq!(bytes(AnswerContent::Newest), 380.0);
        assert_eq!(bytes(AnswerContent::NewestIfNew), 380.0);
        assert_eq!(bytes(AnswerContent::All), 280.0 + 100.0 * 100.0);
    }

    #[test]
    fn a_connection_for_each_request_costs_seven_segments() {
        let poll = Poll {
            keep_alive: false,
            ..example(0.0, 2.0)
        };
        assert_eq!(poll.exchange_cost(), Cost::new(250.0, 10.0));
        assert_eq!(poll.seen_share(), 1.0);
    }
}
