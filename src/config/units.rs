//! Durations and sizes with their unit: `30s`, `250ms`, `64KiB`.

use std::fmt;
use std::time::Duration;

/// Reads a duration such as `250ms`, `30s`, `5m`, `2h`; `0` needs no unit.
///
/// # Errors
/// When the number or the unit is missing or unknown, or the value is out of range.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const UNITS: &[(&str, u64)] = &[
        ("us", 1),
        ("ms", 1_000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
    ];
    scaled(text, UNITS)
        .map(Duration::from_micros)
        .ok_or(UnitError::Duration)
}

/// Reads a size such as `512B`, `64KiB`, `1MiB`, `2GiB`; `0` needs no unit.
///
/// # Errors
/// When the number or the unit is missing or unknown, or the value is out of range.
pub fn parse_bytes(text: &str) -> Result<usize, UnitError> {
    const UNITS: &[(&str, u64)] = &[
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let bytes = scaled(text, UNITS).ok_or(UnitError::Bytes)?;
    usize::try_from(bytes).map_err(|_| UnitError::Bytes)
}

/// A duration as [`parse_duration`] reads it, in the largest unit that leaves no fraction.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    show(
        micros,
        &[
            (3_600_000_000, "h"),
            (60_000_000, "m"),
            (1_000_000, "s"),
            (1_000, "ms"),
            (1, "us"),
        ],
    )
}

/// A size as [`parse_bytes`] reads it, in the largest unit that leaves no fraction.
#[must_use]
pub fn show_bytes(bytes: usize) -> String {
    show(
        bytes as u128,
        &[
            (1 << 30, "GiB"),
            (1 << 20, "MiB"),
            (1 << 10, "KiB"),
            (1, "B"),
        ],
    )
}

fn show(value: u128, units: &[(u128, &str)]) -> String {
    let fits = units
        .iter()
        .find(|(scale, _)| value != 0 && value.is_multiple_of(*scale));
    fits.map_or_else(
        || "0".into(),
        |(scale, unit)| format!("{}{unit}", value / scale),
    )
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() {
        return (number == "0").then_some(0);
    }
    let scale = units.iter().find(|(name, _)| *name == unit)?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let tail = fraction_of(fraction, scale)?;
    whole.checked_mul(scale)?.checked_add(tail)
}

/// `fraction` (the digits behind the point) of `scale`, rounded down.
fn fraction_of(fraction: &str, scale: u64) -> Option<u64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = u32::try_from(fraction.len()).ok().filter(|n| *n <= 9)?;
    let value: u128 = fraction.parse().ok()?;
    u64::try_from(value * u128::from(scale) / 10u128.pow(digits)).ok()
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
            Self::Duration => "a duration is a number with its unit, such as 250ms, 30s, 5m or 2h",
            Self::Bytes => "a size is a number with its unit, such as 512B, 64KiB, 1MiB or 2GiB",
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
        fn what_is_shown_reads_back(micros in 0..u64::MAX / 2, bytes in 0..usize::MAX / 2) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC*|[0-9.]{0,25}[a-zA-Z]{0,4}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }
    }

    #[test]
    fn values_are_shown_in_their_largest_whole_unit() {
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::from_secs(300)), "5m");
        assert_eq!(show_duration(Duration::ZERO), "0");
        assert_eq!(show_bytes(65536), "64KiB");
        assert_eq!(show_bytes(65537), "65537B");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1 s",
            "1S",
            "1.s.",
            "99999999999999999999s",
            "1.2.3s",
        ] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("64KiB"), Ok(65536));
        assert_eq!(parse_bytes("1.5MiB"), Ok(1_572_864));
        for text in ["", "64", "64kb", "64KB", "KiB", "-1B"] {
            assert_eq!(parse_bytes(text), Err(UnitError::Bytes), "{text}");
        }
    }
}
