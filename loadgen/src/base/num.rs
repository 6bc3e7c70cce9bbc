//! Conversions between the numbers of counters, clocks and figures, in one place.

use std::time::Duration;

use altavoz::base::Time;

/// Nanoseconds of a duration, at most `u64::MAX`.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds from one moment to another; 0 if it is not behind it.
#[must_use]
pub const fn between(from: Time, to: Time) -> u64 {
    to.as_nanos().saturating_sub(from.as_nanos())
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

/// A part in percent of the whole, or `None` where there is no whole.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    ratio(part, whole).map(|ratio| 100.0 * ratio)
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

/// A moment since 1970 as the calendar has it: `2026-11-22 18:04:05 UTC`.
#[must_use]
pub fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the leap day is a year's last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + 400 * era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_stand_in_the_calendar() {
        let check = |seconds: u64, text: &str| assert_eq!(utc(seconds * 1000), text);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_399, "2000-02-28 23:59:59 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(1_795_305_600, "2026-11-22 00:00:00 UTC");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
