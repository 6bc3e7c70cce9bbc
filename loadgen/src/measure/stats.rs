//! Latency histograms in nanoseconds: recording, joining, carrying between processes, summing up.

use std::fmt;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// An hour: nothing that a run waits for takes longer.
const NANOS_MAX: u64 = 3_600_000_000_000;

/// Durations in nanoseconds, to three digits.
#[derive(Clone, PartialEq)]
pub struct Latency(Histogram<u64>);

/// Its figures: a histogram has tens of thousands of counts.
impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

impl Latency {
    /// Without any value.
    ///
    /// # Panics
    /// Never: the bounds are constants that the histogram takes.
    #[must_use]
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, NANOS_MAX, 3).expect("the bounds are valid"))
    }

    /// Enters a duration.
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Adds everything from another one.
    pub fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "all histograms have the same bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at a percentile from 0 to 100, in nanoseconds; `None` without values.
    #[must_use]
    pub fn percentile(&self, percentile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.value_at_percentile(percentile))
    }

    /// The largest value in nanoseconds; `None` without values.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.max())
    }

    /// The mean in nanoseconds; `None` without values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.mean())
    }

    /// The value at a percentile, or the mean without one, in microseconds; `None` without values.
    #[must_use]
    pub fn micros_at(&self, percentile: Option<f64>) -> Option<f64> {
        match percentile {
            None => self.mean().map(|nanos| nanos / 1e3),
            Some(place) => self.percentile(place).map(micros),
        }
    }

    /// The histogram itself, for its file formats.
    #[must_use]
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// Base64 of the compressed V2 encoding, as `.hlog` files carry it.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("memory takes everything");
        BASE64.encode(bytes)
    }

    /// The inverse of [`Latency::encode`].
    ///
    /// # Errors
    /// When the text is no histogram.
    pub fn decode(text: &str) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|e| e.to_string())?;
        let histogram = Deserializer::new()
            .deserialize(&mut Cursor::new(bytes))
            .map_err(|e| format!("{e:?}"))?;
        let mut latency = Self::new();
        latency.0.add(&histogram).map_err(|e| format!("{e:?}"))?;
        Ok(latency)
    }

    /// The figures of a report.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let at = |percentile| self.percentile(percentile).map(micros);
        Summary {
            count: self.len(),
            min_us: (!self.is_empty()).then(|| micros(self.0.min())),
            mean_us: self.mean().map(|nanos| nanos / 1e3),
            p50_us: at(50.0),
            p90_us: at(90.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            p9999_us: at(99.99),
            max_us: self.max().map(micros),
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Latency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::decode(&text).map_err(serde::de::Error::custom)
    }
}

/// What a report says of a histogram; nothing but the count without values.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// How many values there are.
    pub count: u64,
    /// The smallest, in microseconds, as all of these are.
    pub min_us: Option<f64>,
    /// The mean.
    pub mean_us: Option<f64>,
    /// Half of the values are at most this.
    pub p50_us: Option<f64>,
    /// 90 % are.
    pub p90_us: Option<f64>,
    /// 99 % are.
    pub p99_us: Option<f64>,
    /// 99.9 % are.
    pub p999_us: Option<f64>,
    /// 99.99 % are.
    pub p9999_us: Option<f64>,
    /// The largest.
    pub max_us: Option<f64>,
}

/// Nanoseconds as microseconds.
#[must_use]
pub fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(values: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::new();
        values.into_iter().for_each(|value| latency.record(value));
        latency
    }

    #[test]
    fn joining_loses_nothing_also_through_the_encoding() {
        let mut joined = Latency::new();
        for part in [latency(1..500), latency(500..1_000), latency([7, 7])] {
            joined.add(&Latency::decode(&part.encode()).expect("decodes"));
        }
        assert_eq!(joined, latency((1..1_000).chain([7, 7])));
    }

    #[test]
    fn a_summary_of_nothing_has_no_figures() {
        let summary = Latency::new().summary();
        assert_eq!((summary.count, summary.p99_us), (0, None));
    }

    #[test]
    fn a_value_beyond_the_bounds_is_the_largest_there_is() {
        assert!(latency([u64::MAX]).max() >= Some(NANOS_MAX));
    }

    #[test]
    fn text_that_is_no_histogram_is_an_error() {
        assert!(Latency::decode("AAAA").is_err());
        assert!(Latency::decode("%").is_err());
    }
}
