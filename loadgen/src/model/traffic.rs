//! When publications come: the only thing that polling's staleness and emptiness depend on.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How publications are spread over time.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At equal distances.
    Even,
    /// Independent of each other: a Poisson process, the one that the literature assumes.
    #[default]
    Poisson,
}

/// The publications of one topic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Traffic {
    /// λ: publications a second.
    pub rate: f64,
    /// How they are spread.
    pub arrivals: Arrivals,
}

impl Traffic {
    /// The chance that a span of time that begins at any moment sees no publication:
    /// e^(−λt) for Poisson, max(0, 1 − λt) for even distances.
    #[must_use]
    pub fn quiet(self, seconds: f64) -> f64 {
        let mean = self.rate * seconds;
        match self.arrivals {
            Arrivals::Poisson => (-mean).exp(),
            Arrivals::Even => (1.0 - mean).max(0.0),
        }
    }

    /// How much of a span that begins at any moment passes, on average, before its first
    /// publication: the integral of [`Traffic::quiet`].
    #[must_use]
    pub fn calm(self, seconds: f64) -> f64 {
        let mean = self.rate * seconds;
        match self.arrivals {
            _ if self.rate <= 0.0 => seconds,
            Arrivals::Poisson => -(-mean).exp_m1() / self.rate,
            Arrivals::Even if mean < 1.0 => seconds * (1.0 - mean / 2.0),
            Arrivals::Even => 0.5 / self.rate,
        }
    }

    /// Pushes a second of a server that conflates: the first publication after a quiet interval
    /// goes at once, all others at most one an interval. A cycle is the interval, and if nothing
    /// came in it, the wait for the next publication.
    #[must_use]
    pub fn conflated(self, interval: f64) -> f64 {
        match self.arrivals {
            _ if self.rate <= 0.0 => 0.0,
            Arrivals::Poisson => 1.0 / (interval + self.quiet(interval) / self.rate),
            Arrivals::Even => self.rate.min(1.0 / interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_empty_polls_at_one_update_in_ten_seconds() {
        let traffic = Traffic {
            rate: 0.1,
            arrivals: Arrivals::Poisson,
        };
        let shares = [2.0, 5.0, 10.0].map(|t| (1000.0 * traffic.quiet(t)).round() / 1000.0);
        assert_eq!(shares, [0.819, 0.607, 0.368]);
    }

    #[test]
    fn even_distances_leave_no_chance() {
        let traffic = Traffic {
            rate: 0.1,
            arrivals: Arrivals::Even,
        };
        assert_eq!([2.0, 10.0, 30.0].map(|t| traffic.quiet(t)), [0.8, 0.0, 0.0]);
        assert_eq!(traffic.calm(20.0), 5.0);
        assert_eq!(traffic.conflated(2.0), 0.1);
        assert_eq!(traffic.conflated(40.0), 0.025);
    }

    #[test]
    fn nothing_published_is_all_quiet() {
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            let traffic = Traffic {
                rate: 0.0,
                arrivals,
            };
            assert_eq!((traffic.quiet(9.0), traffic.calm(9.0)), (1.0, 9.0));
            assert_eq!(traffic.conflated(1.0), 0.0);
        }
    }
}
