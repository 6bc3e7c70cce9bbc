//! What figures are counted in, and which side of each is better.

use std::fmt;

use altavoz::config::{UnitError, parse_bytes, parse_duration};
use serde::{Deserialize, Serialize};

use crate::base::number;

/// What a figure is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    /// Microseconds; bounds carry a unit, such as `50ms`.
    #[serde(rename = "us")]
    Time,
    /// Bytes; bounds carry a unit, such as `8KiB`.
    Bytes,
    /// Percent; bounds carry `%`.
    Percent,
    /// A plain number, or one a second, with `/s` if wanted.
    #[default]
    Count,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Better {
    /// The higher one.
    Higher,
    /// The lower one.
    Lower,
    /// Neither.
    Neither,
}

impl Unit {
    /// A value as people read it; bytes and counts are numbers alone.
    #[must_use]
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Time => number::micros(value),
            Self::Percent => number::percent(value),
            Self::Bytes | Self::Count => number::figure(value),
        }
    }

    /// A bound in microseconds, bytes, percent or pieces. Times and sizes are those of every
    /// other option.
    #[must_use]
    pub(crate) fn parse(self, text: &str) -> Option<f64> {
        let number = match self {
            Self::Time => {
                return parse_duration(text)
                    .ok()
                    .map(|time| time.as_secs_f64() * 1e6);
            }
            Self::Bytes => return parse_bytes(text).ok().map(|bytes| bytes as f64),
            Self::Percent => text.strip_suffix('%')?,
            Self::Count => text.strip_suffix("/s").unwrap_or(text),
        };
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
        number
            .parse()
            .ok()
            .filter(|_| number.chars().all(is_number))
    }
}

/// What a bound must look like.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => return UnitError::Duration.fmt(f),
            Self::Bytes => return UnitError::Bytes.fmt(f),
            Self::Percent => "the bound is in percent, such as 99.9%",
            Self::Count => "the bound is a plain number",
        })
    }
}
