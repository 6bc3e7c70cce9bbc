//! The search for a capacity: the highest level that keeps its bounds.
//!
//! A pure state machine: it says which level to try next and is told what came of it. Doubling
//! finds a level that fails, bisection narrows the gap, and a longer hold confirms the result;
//! a result that does not hold is taken back, and the search goes on below it.

use serde::{Deserialize, Serialize};

/// The search is over when the lowest failing level is so close to the highest passing one.
const RESOLUTION_PERCENT: u64 = 5;

/// Confirming holds before the search gives up: a level that passes once and fails twice is at
/// the edge, and more tries would only find a lucky one.
const CONFIRMATIONS_MAX: u32 = 3;

/// How far below a level that did not hold the next one is held.
const STEP_BACK_PERCENT: u64 = 10;

/// Why a level is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbePurpose {
    /// To find a level that fails.
    Doubling,
    /// To narrow the gap between passing and failing.
    Bisection,
    /// To see whether the result holds for longer.
    Confirmation,
}

/// A level to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Clients, or publications a second.
    pub level: u64,
    /// Why.
    pub purpose: ProbePurpose,
}

/// What came of a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All bounds held.
    Passed,
    /// One did not.
    Failed,
    /// The generator was the limit, or the load was not reached: it says nothing of the server.
    Limited,
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// A level was found, and held when it was tried for longer.
    Confirmed,
    /// The highest level that the search may try passed, and held.
    AtMaximum,
    /// The generator cannot load the server more; the level below held.
    GeneratorLimited,
    /// Levels passed, and none of them held for longer.
    Unconfirmed,
    /// Not even the lowest level passed.
    Nothing,
}

/// The search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The highest level that may be tried.
    max: u64,
    /// Levels that passed and were not taken back, rising.
    passed: Vec<u64>,
    /// The lowest level that did not pass.
    /// Invariant: above every one in `passed`.
    failed: Option<u64>,
    /// Whether that one only showed the generator's limit.
    is_limited: bool,
    confirmations: u32,
    next: NextProbe,
}

#[derive(Clone, Copy, Debug)]
enum NextProbe {
    Probe(Probe),
    Over(SearchEnd),
}

impl Search {
    /// From `start` up to `max`.
    #[must_use]
    pub fn new(start: u64, max: u64) -> Self {
        let level = start.clamp(1, max.max(1));
        Self {
            max: max.max(1),
            passed: Vec::new(),
            failed: None,
            is_limited: false,
            confirmations: 0,
            next: NextProbe::Probe(Probe {
                level,
                purpose: ProbePurpose::Doubling,
            }),
        }
    }

    /// What to try next; `None` when the search is over.
    #[must_use]
    pub fn poll_probe(&self) -> Option<Probe> {
        match self.next {
            NextProbe::Probe(probe) => Some(probe),
            NextProbe::Over(_) => None,
        }
    }

    /// What came of the level that was to be tried.
    pub fn handle(&mut self, verdict: Verdict) {
        let NextProbe::Probe(probe) = self.next else {
            return;
        };
        let confirmed = probe.purpose == ProbePurpose::Confirmation;
        match verdict {
            Verdict::Passed if confirmed => return self.next = NextProbe::Over(self.end()),
            Verdict::Passed => self.passed.push(probe.level),
            Verdict::Failed | Verdict::Limited => {
                self.passed.retain(|level| *level < probe.level);
                self.failed = Some(probe.level);
                self.is_limited = verdict == Verdict::Limited;
            }
        }
        self.next = if confirmed {
            self.step_back(probe.level)
        } else {
            self.after()
        };
        self.check_invariants();
    }

    /// The highest level that passed and was not taken back.
    #[must_use]
    pub fn capacity(&self) -> Option<u64> {
        self.passed.last().copied()
    }

    /// How it ended, once it is over.
    #[must_use]
    pub fn ended(&self) -> Option<SearchEnd> {
        match self.next {
            NextProbe::Over(end) => Some(end),
            NextProbe::Probe(_) => None,
        }
    }

    fn after(&mut self) -> NextProbe {
        let probe = |level, purpose| NextProbe::Probe(Probe { level, purpose });
        match (self.capacity(), self.failed) {
            (Some(level), None) if level >= self.max => self.confirm(level),
            (Some(level), None) => probe((2 * level).min(self.max), ProbePurpose::Doubling),
            (None, Some(failed)) if failed <= 1 => NextProbe::Over(SearchEnd::Nothing),
            (None, Some(failed)) => probe(failed / 2, ProbePurpose::Bisection),
            (Some(level), Some(failed)) if is_close(level, failed) => self.confirm(level),
            (Some(level), Some(failed)) => {
                probe(level + (failed - level) / 2, ProbePurpose::Bisection)
            }
            (None, None) => NextProbe::Over(SearchEnd::Nothing),
        }
    }

    /// A level passed and did not hold: the next one to be held is clearly below it. Bisection
    /// would only find again what passes for a short time.
    fn step_back(&mut self, level: u64) -> NextProbe {
        let below = |passed: &u64| passed * 100 <= level * (100 - STEP_BACK_PERCENT);
        self.passed.retain(below);
        match self.capacity() {
            Some(level) => self.confirm(level),
            None => NextProbe::Over(SearchEnd::Unconfirmed),
        }
    }

    fn confirm(&mut self, level: u64) -> NextProbe {
        if self.confirmations == CONFIRMATIONS_MAX {
            return NextProbe::Over(SearchEnd::Unconfirmed);
        }
        self.confirmations += 1;
        NextProbe::Probe(Probe {
            level,
            purpose: ProbePurpose::Confirmation,
        })
    }

    fn end(&self) -> SearchEnd {
        match self.failed {
            None => SearchEnd::AtMaximum,
            Some(_) if self.is_limited => SearchEnd::GeneratorLimited,
            Some(_) => SearchEnd::Confirmed,
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.passed.is_sorted());
        let highest = self.capacity().unwrap_or(0);
        debug_assert!(self.failed.is_none_or(|failed| highest < failed));
    }
}

/// Whether nothing worth trying lies between.
fn is_close(passed: u64, failed: u64) -> bool {
    let gap = failed - passed;
    gap <= 1 || gap * 100 <= passed * RESOLUTION_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search against a server that passes as `judge` says; what was tried, and the end.
    fn run(
        start: u64,
        max: u64,
        judge: impl Fn(Probe) -> Verdict,
    ) -> (Vec<u64>, Option<u64>, SearchEnd) {
        let mut search = Search::new(start, max);
        let mut tried = Vec::new();
        while let Some(probe) = search.poll_probe() {
            tried.push(probe.level);
            assert!(tried.len() < 200, "it does not end: {tried:?}");
            search.handle(judge(probe));
        }
        let end = search.ended().expect("it is over");
        (tried, search.capacity(), end)
    }

    fn up_to(limit: u64) -> impl Fn(Probe) -> Verdict {
        move |probe| {
            if probe.level <= limit {
                Verdict::Passed
            } else {
                Verdict::Failed
            }
        }
    }

    #[test]
    fn doubling_then_bisection_then_a_confirming_hold() {
        let (tried, capacity, end) = run(100, 10_000, up_to(1_000));
        assert_eq!(tried[..5], [100, 200, 400, 800, 1600]);
        assert_eq!(end, SearchEnd::Confirmed);
        let capacity = capacity.expect("found");
        assert!((950..=1_000).contains(&capacity), "{capacity}");
        assert_eq!(tried.last(), Some(&capacity));
    }

    #[test]
    fn every_limit_is_found_within_the_resolution() {
        for limit in (1..400).chain([999, 5_000, 9_999]) {
            let (_, capacity, end) = run(64, 10_000, up_to(limit));
            let capacity = capacity.expect("found");
            assert_eq!(end, SearchEnd::Confirmed, "{limit}");
            assert!(capacity <= limit, "{capacity} of {limit}");
            assert!(
                (limit - capacity) * 100 <= capacity * 5 + 100,
                "{capacity} of {limit}"
            );
        }
    }

    #[test]
    fn the_highest_level_that_may_be_tried_is_said_to_be_that() {
        let (tried, capacity, end) = run(300, 1_000, up_to(5_000));
        assert_eq!(tried, [300, 600, 1_000, 1_000]);
        assert_eq!((capacity, end), (Some(1_000), SearchEnd::AtMaximum));
    }

    #[test]
    fn nothing_passes() {
        let (tried, capacity, end) = run(10, 100, |_| Verdict::Failed);
        assert_eq!(
            (tried, capacity, end),
            (vec![10, 5, 2, 1], None, SearchEnd::Nothing)
        );
    }

    #[test]
    fn a_level_that_does_not_hold_is_taken_back() {
        let holds = |probe: Probe| match (probe.purpose, probe.level) {
            (ProbePurpose::Confirmation, 901..) => Verdict::Failed,
            (_, level) => up_to(1_000)(Probe { level, ..probe }),
        };
        let (_, capacity, end) = run(100, 10_000, holds);
        assert_eq!(end, SearchEnd::Confirmed);
        assert!(capacity.is_some_and(|level| level <= 900), "{capacity:?}");
    }

    #[test]
    fn a_search_that_never_confirms_ends() {
        let never = |probe: Probe| match probe.purpose {
            ProbePurpose::Confirmation => Verdict::Failed,
            _ => Verdict::Passed,
        };
        let (_, _, end) = run(100, 10_000, never);
        assert_eq!(end, SearchEnd::Unconfirmed);
    }

    #[test]
    fn the_generators_own_limit_is_not_the_servers() {
        let limited = |probe: Probe| {
            if probe.level > 500 {
                Verdict::Limited
            } else {
                Verdict::Passed
            }
        };
        let (_, capacity, end) = run(100, 10_000, limited);
        assert_eq!(end, SearchEnd::GeneratorLimited);
        assert!(capacity.is_some_and(|level| level > 470), "{capacity:?}");
    }
}
