//! `--fail 'p99<50ms'`: bounds on figures, which decide the exit code.
//!
//! Reads expressions and compares; the figures come by name from the report.

use serde::{Deserialize, Serialize};

use super::metric::{Figures, Metric};
use super::unit::Unit;

/// One bound.
#[derive(Clone, Debug)]
pub(crate) struct Threshold {
    text: String,
    metric: Metric,
    op: Op,
    bound: f64,
}

/// What became of a bound.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
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
    pub(crate) fn measured(&self) -> String {
        match (self.value, self.unit) {
            (None, _) => "not measured".to_owned(),
            (Some(value), Unit::Bytes) => format!("{} B", Unit::Bytes.text(value)),
            (Some(value), unit) => unit.text(value),
        }
    }
}

impl Threshold {
    /// Reads `metric op value`, where a metric may be of one of `arms`, as in `sse.p99`.
    ///
    /// # Errors
    /// Says what is known, or which unit the metric takes.
    pub(crate) fn parse(text: &str, arms: &[&str]) -> Result<Self, String> {
        let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = packed
            .find(['<', '>', '=', '!'])
            .ok_or_else(|| format!("`{text}`: a threshold is METRIC OP VALUE, such as p99<50ms"))?;
        let (name, rest) = packed.split_at(at);
        let (op, value) =
            Op::split(rest).ok_or_else(|| format!("`{text}`: use <, <=, >, >=, == or !="))?;
        let metric = Metric::parse(name, arms)?;
        let unit = metric.unit();
        let bound = unit
            .parse(value)
            .ok_or_else(|| format!("`{text}`: {unit}"))?;
        Ok(Self {
            text: text.to_owned(),
            metric,
            op,
            bound,
        })
    }

    /// Compares with a run's figures.
    #[must_use]
    pub(crate) fn judge(&self, figures: &impl Figures) -> Outcome {
        let value = self.metric.of(figures);
        Outcome {
            expression: self.text.clone(),
            value,
            unit: self.metric.unit(),
            passed: value.is_some_and(|value| self.op.holds(value, self.bound)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::arm_bounds::ArmBound;
    use super::super::histogram::Histogram;
    use super::super::of_run::RunKey;
    use super::*;

    struct Run;

    impl Figures for Run {
        fn percentile(&self, of: Histogram, percentile: Option<f64>) -> Option<f64> {
            match (of, percentile) {
                (Histogram::Deliveries, Some(place)) => Some(place * 1000.0),
                (Histogram::Last, None) => Some(7.0),
                _ => None,
            }
        }

        fn number(&self, key: RunKey) -> Option<f64> {
            match key {
                RunKey::Reach => Some(99.9995),
                RunKey::Lost => Some(0.0),
                RunKey::RssPerConn => Some(5000.0),
                _ => None,
            }
        }

        fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
            let place = percentile.unwrap_or(0.0);
            (arm == "sse").then_some(place * 2000.0)
        }

        fn arm_number(&self, arm: &str, bound: &ArmBound) -> Option<f64> {
            (arm == "poll-2s" && bound.name == "empty").then_some(60.5)
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
