//! The histograms of a comparison in HdrHistogram's own files.

use std::time::Duration;

use crate::show::hgrm::hgrm;
use crate::show::hlog::Interval;

use super::cell::{ArmResult, Repeat, Second};
use super::result::Comparison;

/// The interval log of each arm in each cell, in the order of time, with a name for its file:
/// `1-ws`, or none where there is only one.
#[must_use]
pub(crate) fn hlogs(comparison: &Comparison) -> Vec<(String, String)> {
    let log = |number: usize, arm: &ArmResult| {
        let of = |repeat: &Repeat| {
            let started = Duration::from_millis(repeat.started_unix_ms);
            let second = |second: &Second| Interval {
                start: started + Duration::from_secs_f64(second.start_ms / 1e3),
                length: Duration::from_secs(1),
                latency: second.staleness.clone(),
            };
            repeat.seconds.iter().map(second).collect::<Vec<_>>()
        };
        let mut intervals: Vec<Interval> = arm.repeats.iter().flat_map(of).collect();
        intervals.sort_by_key(|interval| interval.start);
        let cell = &comparison.cells[number].name;
        let comment = format!(
            "loadgen compare, staleness {}\n{cell}, {}",
            comparison.latency_basis, arm.name
        );
        crate::show::hlog::hlog(&comment, &intervals)
    };
    named(comparison, |number, arm| Some(log(number, arm)))
}

/// The percentiles of each arm in each cell, named the same way.
#[must_use]
pub(crate) fn hgrms(comparison: &Comparison) -> Vec<(String, String)> {
    named(comparison, |_, arm| {
        let staleness = arm.staleness();
        (!staleness.is_empty()).then(|| hgrm(&staleness))
    })
}

/// A text of each arm, under a name that tells it from all others.
fn named(
    comparison: &Comparison,
    text: impl Fn(usize, &ArmResult) -> Option<String>,
) -> Vec<(String, String)> {
    let arms = comparison.cells.iter().map(|cell| cell.arms.len());
    let is_single = arms.sum::<usize>() == 1;
    let mut files = Vec::new();
    for (number, cell) in comparison.cells.iter().enumerate() {
        for arm in &cell.arms {
            let name = match is_single {
                true => String::new(),
                false => format!("{}-{}", number + 1, arm.name),
            };
            files.extend(text(number, arm).map(|text| (name, text)));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::super::synthetic;
    use super::*;

    #[test]
    fn each_arm_has_a_log_with_every_second_and_no_tags() {
        let comparison = synthetic::comparison();
        let logs = hlogs(&comparison);
        // Three cells of seven arms, three repeats of twenty seconds.
        assert_eq!(logs.len(), 3 * 7);
        assert!(logs.iter().any(|(name, _)| name == "2-poll-5s"));
        for (name, text) in &logs {
            let entries = IntervalLogIterator::new(text.as_bytes());
            let tags = entries.filter_map(|entry| match entry.expect("a legal line") {
                LogEntry::Interval(interval) => Some(interval.tag().map(|tag| tag.to_string())),
                _ => None,
            });
            assert_eq!(tags.collect::<Vec<_>>(), vec![None; 3 * 20], "{name}");
        }
        assert_eq!(hgrms(&comparison).len(), 21);
    }

    #[test]
    fn a_single_arm_has_the_file_that_was_asked_for() {
        let mut comparison = synthetic::comparison();
        comparison.cells.truncate(1);
        comparison.cells[0].arms.truncate(1);
        let names = |files: Vec<(String, String)>| files.into_iter().map(|(name, _)| name);
        assert_eq!(names(hlogs(&comparison)).collect::<Vec<_>>(), [""]);
        assert_eq!(names(hgrms(&comparison)).collect::<Vec<_>>(), [""]);
    }
}
