//! Conversions between the numbers of counters, clocks and figures, in one place.

use std::time::Duration;

/// Nanoseconds of a duration, at most `u64::MAX`.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The nearest whole number, 0 for anything negative or not a number.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, which is what is wanted"
)]
pub fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The quotient, or `None` without a divisor.
#[must_use]
pub fn ratio(dividend: u64, divisor: u64) -> Option<f64> {
    (divisor != 0).then(|| dividend as f64 / divisor as f64)
}

/// A count as an index; the platforms that Linux runs event loops on have 64 bits.
#[must_use]
pub fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// An index as a 32-bit id, at most `u32::MAX`.
#[must_use]
pub fn id(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The median of some values; `None` of none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
