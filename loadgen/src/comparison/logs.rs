//! The histograms of a comparison in HdrHistogram's own files.

use std::time::Duration;

use crate::report::hgrm::hgrm;
use crate::report::hlog::Interval;

use super::Comparison;

/// The interval log of all arms, each with its tag, in the order of time.
#[must_use]
pub fn hlog(comparison: &Comparison) -> String {
    let mut intervals = Vec::new();
    for (number, cell) in (1..).zip(&comparison.cells) {
        for arm in &cell.arms {
            for repeat in &arm.repeats {
                let started = Duration::from_millis(repeat.started_unix_ms);
                intervals.extend(repeat.seconds.iter().map(|second| Interval {
                    tag: Some(format!("{number}-{}", arm.name)),
                    start: started + Duration::from_secs_f64(second.start_ms / 1e3),
                    length: Duration::from_secs(1),
                    latency: second.staleness.clone(),
                }));
            }
        }
    }
    intervals.sort_by_key(|interval| interval.start);
    let comment = format!("loadgen compare, staleness {}", comparison.latency_basis);
    crate::report::hlog::hlog(&comment, &intervals)
}

/// The percentiles of each arm in each cell, with a name for its file: `1-ws`.
#[must_use]
pub fn hgrms(comparison: &Comparison) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (number, cell) in (1..).zip(&comparison.cells) {
        for arm in &cell.arms {
            let staleness = arm.staleness();
            if !staleness.is_empty() {
                files.push((format!("{number}-{}", arm.name), hgrm(&staleness)));
            }
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
    fn a_log_has_every_second_of_every_arm_with_its_tag() {
        let comparison = synthetic::comparison();
        let text = hlog(&comparison);
        let entries = IntervalLogIterator::new(text.as_bytes());
        let tags: Vec<String> = entries
            .filter_map(|entry| match entry.expect("a legal line") {
                LogEntry::Interval(interval) => interval.tag().map(|tag| tag.to_string()),
                _ => None,
            })
            .collect();
        // Three cells of seven arms, three repeats of twenty seconds.
        assert_eq!(tags.len(), 3 * 7 * 3 * 20);
        assert!(tags.contains(&"2-poll-5s".to_owned()));
        assert_eq!(hgrms(&comparison).len(), 21);
    }
}
