//! Durations and sizes with their unit: `30s`, `1m30s`, `64KiB`, `1.5MB`.
//!
//! The one place where they are read, whether a flag, a variable, a file, a request's query or the
//! load generator has them.

use std::fmt;
use std::time::Duration;

/// From the largest to the smallest, in nanoseconds.
const TIME_UNITS: &[(&str, u128)] = &[
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// In lower case: there is no other size that `kb` or `KIB` could mean. A bare `k` may be either
/// thousand, so it is none.
const SIZE_UNITS: &[(&str, u128)] = &[
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
];

/// Reads a duration such as `250ms`, `1.5s`, `1m30s`, `1d 12h`; `0` needs no unit.
///
/// # Errors
/// When a number or a unit is missing or unknown, a larger unit follows a smaller one, or the
/// value is out of range.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const SECOND: u128 = 1_000_000_000;
    let nanos = total(text, TIME_UNITS).ok_or(UnitError::Duration)?;
    let seconds = u64::try_from(nanos / SECOND).map_err(|_| UnitError::Duration)?;
    let rest = u32::try_from(nanos % SECOND).map_err(|_| UnitError::Duration)?;
    Ok(Duration::new(seconds, rest))
}

/// Reads a size such as `512B`, `64KiB` (of 1024), `1.5MB` (of 1000), in upper or lower case; `0`
/// needs no unit.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_bytes(text: &str) -> Result<usize, UnitError> {
    let bytes = total(&text.to_ascii_lowercase(), SIZE_UNITS).ok_or(UnitError::Bytes)?;
    usize::try_from(bytes).map_err(|_| UnitError::Bytes)
}

/// A duration as [`parse_duration`] reads it, in the largest unit that leaves no fraction.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    // Two weeks are shown as 14d, as people say it.
    show(duration.as_nanos(), &TIME_UNITS[1..])
}

/// A size as [`parse_bytes`] reads it, in the largest unit that leaves no fraction.
#[must_use]
pub fn show_bytes(bytes: usize) -> String {
    const UNITS: &[(&str, u128)] = &[
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    show(bytes as u128, UNITS)
}

fn show(value: u128, units: &[(&str, u128)]) -> String {
    let fits = units
        .iter()
        .find(|(_, scale)| value != 0 && value.is_multiple_of(*scale));
    fits.map_or_else(
        || "0".into(),
        |(unit, scale)| format!("{}{unit}", value / scale),
    )
}

/// The sum of all numbers with their units, with or without blanks around each.
fn total(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let (mut sum, mut last) = (0_u128, None);
    while !rest.is_empty() {
        let (number, tail) = split_at_first(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, tail) = split_at_first(tail.trim_start(), |c| !c.is_alphabetic());
        let scale = units.iter().find(|(name, _)| *name == unit)?.1;
        // Downwards only, so that a slip such as `30s1m` is not taken for something.
        if last.is_some_and(|last| scale >= last) {
            return None;
        }
        sum = sum.checked_add(scaled(number, scale)?)?;
        (last, rest) = (Some(scale), tail.trim_start());
    }
    last.map(|_| sum)
}

fn split_at_first(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// So many units; a fraction of the smallest thing is rounded down.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let whole = whole.parse::<u64>().ok()?;
    let tail = fraction.map_or(Some(0), |digits| fraction_of(digits, scale))?;
    u128::from(whole).checked_mul(scale)?.checked_add(tail)
}

/// `digits` (which stand behind the point) of `scale`.
fn fraction_of(digits: &str, scale: u128) -> Option<u128> {
    let places = u32::try_from(digits.len()).ok().filter(|n| *n <= 18)?;
    let value: u64 = digits.parse().ok()?;
    Some(u128::from(value) * scale / 10u128.pow(places))
}

/// The text is no duration or size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitError {
    /// Not a duration.
    Duration,
    /// Not a size.
    Bytes,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => {
                "a duration is a number with its unit (ns, us, ms, s, m, h, d or w), or several \
                 from the largest down, such as 250ms, 30s, 1m30s or 1d12h"
            }
            Self::Bytes => {
                "a size is a number with its unit (B, of 1024: KiB, MiB, GiB, TiB, of 1000: kB, \
                 MB, GB, TB), such as 512B, 64KiB or 1.5MB"
            }
        })
    }
}

impl std::error::Error for UnitError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in 0..u64::MAX, bytes in 0..usize::MAX / 2) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC*|([0-9.]{0,25} ?[a-zA-Zµ]{0,4} ?){0,4}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }
    }

    #[test]
    fn values_are_shown_in_their_largest_whole_unit() {
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::from_secs(300)), "5m");
        assert_eq!(show_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(show_duration(Duration::from_nanos(1_500)), "1500ns");
        assert_eq!(show_duration(Duration::ZERO), "0");
        assert_eq!(show_bytes(65536), "64KiB");
        assert_eq!(show_bytes(65537), "65537B");
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("1.5s", 1_500),
            ("0", 0),
            ("0s", 0),
            ("1m30s", 90_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            (" 1 h 30 m ", 5_400_000),
            ("2h45m30.5s", 9_930_500),
            ("1d", 86_400_000),
            ("1d12h", 129_600_000),
            ("1w2d", 777_600_000),
            ("1s250ms", 1_250),
            ("1500us", 1),
            ("90m", 5_400_000),
        ] {
            let found = parse_duration(text).map(|found| found.as_millis());
            assert_eq!(found, Ok(millis), "{text}");
        }
        assert_eq!(parse_duration("15µs"), parse_duration("15us"));
        assert_eq!(parse_duration("0.5us"), Ok(Duration::from_nanos(500)));
    }

    #[test]
    fn what_could_mean_two_things_is_no_duration() {
        for text in [
            "",
            " ",
            "5",
            "s",
            "-1s",
            "+1s",
            "1S",
            "1M",
            "30s1m",
            "1m1m",
            "1m30",
            "1 000ms",
            "1_000ms",
            "1,5s",
            "1e3s",
            ".5s",
            "5.s",
            "1.s.",
            "1.2.3s",
            "1y",
            "1sec",
            "PT30S",
            "99999999999999999999s",
            "infinity",
        ] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("64Ki", 65_536),
            ("64 KiB", 65_536),
            ("1.5MiB", 1_572_864),
            ("1MB", 1_000_000),
            ("1mb", 1_000_000),
            ("1kB", 1_000),
            ("1KB", 1_000),
            ("2GB", 2_000_000_000),
            ("1TiB", 1 << 40),
            ("512b", 512),
            ("1MiB512KiB", 1_572_864),
            ("0", 0),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "", "64", "64K", "64k", "1M", "1G", "KiB", "-1B", "1KiB1MiB", "1Mbit",
        ] {
            assert_eq!(parse_bytes(text), Err(UnitError::Bytes), "{text}");
        }
    }

    #[test]
    fn who_is_refused_is_told_every_unit() {
        let told = UnitError::Duration.to_string();
        for (unit, _) in TIME_UNITS.iter().filter(|(unit, _)| unit.is_ascii()) {
            assert!(
                told.contains(&format!("{unit},"))
                    || told.contains(&format!("{unit} or"))
                    || told.contains(&format!("or {unit}")),
                "{unit}"
            );
        }
        let told = UnitError::Bytes.to_string().to_ascii_lowercase();
        for (unit, _) in SIZE_UNITS.iter().filter(|(unit, _)| unit.ends_with('b')) {
            assert!(told.contains(unit), "{unit}");
        }
    }
}
