//! `--fail 'p99<50ms'`: bounds on figures, which decide the exit code.
//!
//! Reads expressions and compares; the figures come by name from the report.

use std::collections::BTreeMap;
use std::fmt;

use altavoz::config::{UnitError, parse_bytes, parse_duration};
use serde::{Deserialize, Serialize};

use crate::base::number;

/// What a figure is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
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

/// Histograms whose percentiles can be named, with the prefix of their figures.
pub const HISTOGRAMS: &[(&str, &str)] = &[
    ("", "all deliveries, from the intended publish time"),
    ("uncorrected_", "all deliveries, from the actual send"),
    ("first_", "first delivery of each publication"),
    ("median_", "median delivery of each publication"),
    ("last_", "last delivery of each publication"),
    ("spread_", "first to last delivery"),
    ("connect_", "from the beginning of connect to the upgrade"),
    ("tcp_", "TCP connect"),
    ("upgrade_", "request to 101"),
    ("reconnect_", "back after a storm"),
    ("lateness_", "the generator's own timers"),
];

/// Figures that are single numbers.
pub const FIGURES: &[(&str, Unit)] = &[
    ("reach", Unit::Percent),
    ("expected", Unit::Count),
    ("received", Unit::Count),
    ("lost", Unit::Count),
    ("duplicated", Unit::Count),
    ("reordered", Unit::Count),
    ("closed", Unit::Count),
    ("deliveries_rate", Unit::Count),
    ("publications_rate", Unit::Count),
    ("achieved", Unit::Percent),
    ("connected", Unit::Count),
    ("connect_failures", Unit::Count),
    ("connect_rate", Unit::Count),
    ("back_99", Unit::Time),
    ("rss_per_conn", Unit::Bytes),
    ("kernel_per_conn", Unit::Bytes),
    ("generator_rss_per_conn", Unit::Bytes),
    ("rss_peak", Unit::Bytes),
    ("server_cpu", Unit::Percent),
    ("generator_cpu", Unit::Percent),
    ("cpu_per_delivery", Unit::Time),
    ("cpu_per_connect", Unit::Time),
    ("disagreements", Unit::Count),
];

/// Figures of one arm that are single numbers, behind its name and a point.
pub const ARM_FIGURES: &[(&str, Unit)] = &[
    ("reach", Unit::Percent),
    ("expected", Unit::Count),
    ("received", Unit::Count),
    ("lost", Unit::Count),
    ("duplicated", Unit::Count),
    ("reordered", Unit::Count),
    ("merged", Unit::Percent),
    ("outdated", Unit::Percent),
    ("requests_rate", Unit::Count),
    ("requests_per_delivery", Unit::Count),
    ("empty", Unit::Percent),
    ("late", Unit::Count),
    ("broken", Unit::Count),
    ("app_bytes", Unit::Bytes),
    ("wire_bytes", Unit::Bytes),
    ("connected", Unit::Count),
    ("rss_per_conn", Unit::Bytes),
    ("cpu_per_delivery", Unit::Time),
];

/// One bound.
#[derive(Clone, PartialEq, Debug)]
pub struct Threshold {
    text: String,
    /// The arm that it is about; all of them without.
    arm: Option<String>,
    metric: Metric,
    op: Op,
    bound: f64,
}

/// What became of a bound.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The expression.
    pub expression: String,
    /// The figure in its unit (microseconds, bytes, percent); `None` if this run has none.
    pub value: Option<f64>,
    /// What it is counted in.
    #[serde(default)]
    pub unit: Unit,
    /// Whether it held; a figure that was not measured does not.
    pub passed: bool,
}

impl Outcome {
    /// What was measured, with its unit.
    #[must_use]
    pub fn measured(&self) -> String {
        match (self.value, self.unit) {
            (None, _) => "not measured".to_owned(),
            (Some(value), Unit::Time) => number::micros(value),
            (Some(value), Unit::Bytes) => format!("{} B", number::figure(value)),
            (Some(value), Unit::Percent) => number::percent(value),
            (Some(value), Unit::Count) => number::figure(value),
        }
    }
}

/// Where figures come from.
pub trait Figures {
    /// A percentile of a histogram in microseconds; 100 is the maximum, `None` the mean.
    fn percentile(&self, prefix: &str, percentile: Option<f64>) -> Option<f64>;
    /// Single numbers by name.
    fn numbers(&self) -> BTreeMap<&'static str, f64>;
    /// The same of the staleness of one arm.
    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64>;
    /// The same of one arm.
    fn arm_numbers(&self, arm: &str) -> BTreeMap<&'static str, f64>;
}

impl Threshold {
    /// Reads `metric op value`, where a metric may be of one of `arms`, as in `sse.p99`.
    ///
    /// # Errors
    /// Says what is known, or which unit the metric takes.
    pub fn parse(text: &str, arms: &[&str]) -> Result<Self, String> {
        let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = packed
            .find(['<', '>', '=', '!'])
            .ok_or_else(|| format!("`{text}`: a threshold is METRIC OP VALUE, such as p99<50ms"))?;
        let (name, rest) = packed.split_at(at);
        let (op, value) =
            Op::split(rest).ok_or_else(|| format!("`{text}`: use <, <=, >, >=, == or !="))?;
        let (arm, metric) = match split_arm(name) {
            Some((arm, _)) if !arms.contains(&arm) => return Err(no_arm(arm, arms)),
            Some((arm, name)) => {
                let metric = Metric::parse_of_arm(name).ok_or_else(|| unknown_of_arm(name))?;
                (Some(arm.to_owned()), metric)
            }
            None => (None, Metric::parse(name).ok_or_else(|| unknown(name))?),
        };
        let bound = parse_value(value, metric.unit())
            .ok_or_else(|| format!("`{text}`: {}", metric.unit()))?;
        Ok(Self {
            text: text.to_owned(),
            arm,
            metric,
            op,
            bound,
        })
    }

    /// Compares with a run's figures.
    #[must_use]
    pub fn judge(&self, figures: &impl Figures) -> Outcome {
        let value = match (&self.arm, &self.metric) {
            (None, Metric::Histogram(prefix, place)) => figures.percentile(prefix, *place),
            (None, Metric::Number(name, _)) => figures.numbers().get(name).copied(),
            (Some(arm), Metric::Histogram(_, place)) => figures.arm_percentile(arm, *place),
            (Some(arm), Metric::Number(name, _)) => figures.arm_numbers(arm).get(name).copied(),
        };
        Outcome {
            expression: self.text.clone(),
            value,
            unit: self.metric.unit(),
            passed: value.is_some_and(|value| self.op.holds(value, self.bound)),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Metric {
    /// Prefix and percentile; `None` is the mean.
    Histogram(&'static str, Option<f64>),
    Number(&'static str, Unit),
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        if let Some((name, unit)) = FIGURES.iter().find(|(known, _)| *known == name) {
            return Some(Self::Number(name, *unit));
        }
        // The longest prefix first: the empty one fits everything.
        HISTOGRAMS.iter().rev().find_map(|(prefix, _)| {
            let place = name.strip_prefix(prefix)?;
            Some(Self::Histogram(prefix, parse_place(place)?))
        })
    }

    fn parse_of_arm(name: &str) -> Option<Self> {
        match ARM_FIGURES.iter().find(|(known, _)| *known == name) {
            Some((name, unit)) => Some(Self::Number(name, *unit)),
            None => Some(Self::Histogram("", parse_place(name)?)),
        }
    }

    fn unit(&self) -> Unit {
        match self {
            Self::Histogram(..) => Unit::Time,
            Self::Number(_, unit) => *unit,
        }
    }
}

fn parse_place(place: &str) -> Option<Option<f64>> {
    match place {
        "max" => Some(Some(100.0)),
        "min" => Some(Some(0.0)),
        "mean" => Some(None),
        _ => {
            let digits = place.strip_prefix('p')?;
            let legal = digits.starts_with(|c: char| c.is_ascii_digit());
            let percentile: f64 = digits.parse().ok().filter(|_| legal)?;
            (percentile <= 100.0).then_some(Some(percentile))
        }
    }
}

/// In microseconds, bytes, percent or pieces. Times and sizes are those of every other option.
fn parse_value(text: &str, unit: Unit) -> Option<f64> {
    let number = match unit {
        Unit::Time => {
            return parse_duration(text)
                .ok()
                .map(|time| time.as_secs_f64() * 1e6);
        }
        Unit::Bytes => return parse_bytes(text).ok().map(|bytes| bytes as f64),
        Unit::Percent => text.strip_suffix('%')?,
        Unit::Count => text.strip_suffix("/s").unwrap_or(text),
    };
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    number
        .parse()
        .ok()
        .filter(|_| number.chars().all(is_number))
}

/// An arm's name and what stands behind the point; a point in a number is none.
fn split_arm(name: &str) -> Option<(&str, &str)> {
    let (arm, rest) = name.split_once('.')?;
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        .then_some((arm, rest))
}

fn no_arm(arm: &str, arms: &[&str]) -> String {
    format!(
        "`{arm}` is no arm of this run; they are {}",
        arms.join(", ")
    )
}

fn unknown_of_arm(name: &str) -> String {
    let names: Vec<_> = ARM_FIGURES.iter().map(|(name, _)| *name).collect();
    format!(
        "`{name}` is no figure of an arm; known are p50, p99, p99.9, min, mean, max and {}",
        names.join(", ")
    )
}

fn unknown(name: &str) -> String {
    let prefixes: Vec<_> = HISTOGRAMS.iter().map(|(prefix, _)| *prefix).collect();
    let names: Vec<_> = FIGURES.iter().map(|(name, _)| *name).collect();
    format!(
        "`{name}` is no figure; known are p50, p99, p99.9, min, mean, max, also after {}, and {}",
        prefixes[1..].join(", "),
        names.join(", ")
    )
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Equal,
    Unequal,
}

impl Op {
    /// Two characters before one, so that `<=` is not `<` and a value that begins with `=`.
    const SIGNS: [(&'static str, Self); 6] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::MoreOrEqual),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Less),
        (">", Self::More),
    ];

    fn split(text: &str) -> Option<(Self, &str)> {
        let mut signs = Self::SIGNS.iter();
        signs.find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::More => value > bound,
            Self::MoreOrEqual => value >= bound,
            Self::Equal => value.total_cmp(&bound).is_eq(),
            Self::Unequal => value.total_cmp(&bound).is_ne(),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    struct Run;

    impl Figures for Run {
        fn percentile(&self, prefix: &str, percentile: Option<f64>) -> Option<f64> {
            match (prefix, percentile) {
                ("", Some(place)) => Some(place * 1000.0),
                ("last_", None) => Some(7.0),
                _ => None,
            }
        }

        fn numbers(&self) -> BTreeMap<&'static str, f64> {
            BTreeMap::from([("reach", 99.9995), ("lost", 0.0), ("rss_per_conn", 5000.0)])
        }

        fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
            let place = percentile.unwrap_or(0.0);
            (arm == "sse").then_some(place * 2000.0)
        }

        fn arm_numbers(&self, arm: &str) -> BTreeMap<&'static str, f64> {
            let all = [("poll-2s", BTreeMap::from([("empty", 60.5)]))];
            let mut known = all.into_iter().filter(|(name, _)| *name == arm);
            known.next().map(|(_, numbers)| numbers).unwrap_or_default()
        }
    }

    const ARMS: &[&str] = &["sse", "poll-2s"];

    fn check(text: &str, passed: bool) {
        let threshold = Threshold::parse(text, ARMS).expect(text);
        assert_eq!(threshold.judge(&Run).passed, passed, "{text}");
    }

    #[test]
    fn bounds_hold_or_not_in_their_units() {
        check("p50<51ms", true);
        check("p50 <= 50ms", true);
        check("p50<50ms", false);
        check("p99.9>99899us", true);
        check("max<0.11s", true);
        check("last_mean==7us", true);
        check("reach>=99.999%", true);
        check("reach>=100%", false);
        check("lost==0", true);
        check("lost!=0", false);
        check("rss_per_conn<8KiB", true);
        check("rss_per_conn<4KiB", false);
        check("rss_per_conn<=5kB", true);
        check("p50<1m30s", true);
        check("p50>49ms900us", true);
    }

    #[test]
    fn a_bound_may_be_one_arms_own() {
        check("sse.p50<101ms", true);
        check("sse.p99.9<199ms", false);
        check("poll-2s.empty>60%", true);
        check("sse.empty>60%", false);
    }

    #[test]
    fn what_was_not_measured_does_not_pass() {
        check("cpu_per_delivery<5us", false);
        check("first_p99<5s", false);
    }

    #[test]
    fn mistakes_name_what_is_known() {
        let says = |text: &str, words: &str| {
            let message = Threshold::parse(text, ARMS).expect_err(text);
            assert!(message.contains(words), "{text}: {message}");
        };
        says("p99", "METRIC OP VALUE");
        says("latency<5ms", "cpu_per_delivery");
        says("p101<5ms", "p99.9");
        says("pinf<5ms", "p99.9");
        says("p99=5ms", "<=");
        says("p99<5", "unit");
        says("reach>99", "percent");
        says("rss_per_conn<8K", "KiB");
        says("lost==0%", "plain number");
        says("ws.p99<5ms", "sse, poll-2s");
        says("sse.first_p99<5ms", "wire_bytes");
        says("sse.wire_bytes<5", "KiB");
    }
}
