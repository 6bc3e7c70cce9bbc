//! A figure over the repeats of a run: its median, and from where to where it went.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::num::median;

/// A figure over repeats.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    /// Half of the repeats are at most this.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Range {
    /// Of some values; `None` of none.
    #[must_use]
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Some(Self {
            median: median(values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// Median and range of each figure over the repeats, by its name; nothing for a single repeat.
pub(crate) fn ranges<R>(
    repeats: &[R],
    figures: impl IntoIterator<Item = (&'static str, impl Fn(&R) -> Option<f64>)>,
) -> BTreeMap<String, Range> {
    let range = |(name, value): (&str, _)| {
        let values: Vec<f64> = repeats.iter().filter_map(value).collect();
        Some((name.to_owned(), Range::of(&values)?))
    };
    let figures = figures.into_iter().filter(|_| repeats.len() > 1);
    figures.filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_needs_two_repeats_and_a_value() {
        let half: fn(&f64) -> Option<f64> = |n| Some(n / 2.0);
        let figures = || [("half", half), ("none", |_: &f64| None)];
        let found = ranges(&[2.0, 8.0, 4.0], figures());
        let range = Range {
            median: 2.0,
            min: 1.0,
            max: 4.0,
        };
        assert_eq!(found, BTreeMap::from([("half".to_owned(), range)]));
        assert!(ranges(&[2.0], figures()).is_empty());
    }
}
