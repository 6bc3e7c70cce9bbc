//! Axes: where a value stands, and which values are written beside it.

use crate::base::number;

/// Room of one character of a tick, in units of the drawing; a little more than it needs.
pub(crate) const CHARACTER: f64 = 6.4;

/// How often ticks are made fewer before an axis has none.
const THINNING_MAX: u32 = 6;

/// How values are spread over the length of an axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Scale {
    /// Equal differences are equally long.
    Linear,
    /// Equal ratios are equally long.
    Log,
    /// Percentiles from 0 to 100: each nine is equally long, as HdrHistogram draws them.
    Percentile,
}

/// One axis.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Axis {
    /// What is on it, with its unit.
    pub title: String,
    /// How.
    pub scale: Scale,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    /// Invariant: `min < max`, and `0 < min` on a log scale.
    pub max: f64,
}

impl Axis {
    /// From nothing to the greatest of some values, rounded up.
    #[must_use]
    pub(crate) fn linear(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let most = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step(most, 5);
        Self {
            title: title.to_owned(),
            scale: Scale::Linear,
            min: 0.0,
            max: (most / step).ceil() * step,
        }
    }

    /// Decades around some values; those that are not positive have no place.
    #[must_use]
    pub(crate) fn log(title: &str, values: impl Iterator<Item = f64>) -> Self {
        let legal = values.filter(|v| v.is_finite() && *v > 0.0);
        let (least, most) = legal.fold((f64::INFINITY, 0.0f64), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        let (least, most) = if most > 0.0 {
            (least, most)
        } else {
            (1.0, 10.0)
        };
        let (low, high) = (decade_below(least), decade_above(most));
        Self {
            title: title.to_owned(),
            scale: Scale::Log,
            min: low,
            max: if high > low { high } else { low * 10.0 },
        }
    }

    /// Percentiles of so many values: as many nines as they have.
    #[must_use]
    pub(crate) fn percentiles(title: &str, count: u64) -> Self {
        let nines = (count.max(10) as f64).log10().clamp(2.0, 5.0);
        Self {
            title: title.to_owned(),
            scale: Scale::Percentile,
            min: 0.0,
            max: 100.0 * (1.0 - 10f64.powf(-nines)),
        }
    }

    /// Where a value stands, from 0 to 1; values beyond the ends stand at them.
    #[must_use]
    pub(crate) fn place(&self, value: f64) -> f64 {
        let at = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
            Scale::Percentile => -(1.0 - value / 100.0).max(1e-12).log10(),
        };
        let part = (at(value) - at(self.min)) / (at(self.max) - at(self.min));
        part.clamp(0.0, 1.0)
    }

    /// Whether a value can be drawn.
    #[must_use]
    pub(crate) fn has_place(&self, value: f64) -> bool {
        value.is_finite() && (self.scale != Scale::Log || value > 0.0)
    }

    /// Values with their texts, from least to greatest, that lie on the axis.
    #[must_use]
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        self.ticks_thinned(0)
    }

    /// As many ticks as have room for their texts along so many units of length.
    #[must_use]
    pub(crate) fn ticks_along(&self, length: f64) -> Vec<(f64, String)> {
        let fitting = (0..THINNING_MAX)
            .map(|thinning| self.ticks_thinned(thinning))
            .find(|ticks| self.fit(ticks, length));
        fitting.unwrap_or_default()
    }

    /// Fewer ticks the higher `thinning` is.
    fn ticks_thinned(&self, thinning: u32) -> Vec<(f64, String)> {
        let values = match self.scale {
            Scale::Linear => linear_ticks(self.min, self.max, 5u32.saturating_sub(thinning).max(1)),
            Scale::Log => log_ticks(self.min, self.max, thinning),
            Scale::Percentile => {
                let nines = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
                let on_axis = nines.into_iter().filter(|v| *v <= self.max + 1e-9);
                on_axis.step_by(thinning as usize + 1).collect()
            }
        };
        let text = |value: f64| match self.scale {
            // 99.999 is not 100.
            Scale::Percentile => format!("{value}"),
            Scale::Linear | Scale::Log => number::figure(value),
        };
        values
            .into_iter()
            .map(|value| (value, text(value)))
            .collect()
    }

    /// Whether no text touches the next.
    fn fit(&self, ticks: &[(f64, String)], length: f64) -> bool {
        let ends = |(value, text): &(f64, String)| {
            let half = text.chars().count() as f64 * CHARACTER / 2.0;
            let middle = self.place(*value) * length;
            (middle - half, middle + half)
        };
        ticks
            .windows(2)
            .all(|pair| ends(&pair[0]).1 + CHARACTER / 2.0 <= ends(&pair[1]).0)
    }
}

/// A round step, so that at most about `count` fit: 1, 2 or 5 times a power of ten.
fn step(range: f64, count: u32) -> f64 {
    let rough = range / f64::from(count);
    let power = 10f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter();
    let round = times
        .map(|t| t * power)
        .find(|step| *step >= rough * 0.999_999);
    round.unwrap_or(10.0 * power)
}

fn linear_ticks(min: f64, max: f64, count: u32) -> Vec<f64> {
    let step = step(max - min, count);
    let first = (min / step).ceil();
    let count = crate::base::num::whole(((max - first * step) / step + 1e-6).floor());
    (0..=count.min(20))
        .map(|i| (first + i as f64) * step)
        .collect()
}

/// Powers of ten; of few, also 2 and 5 times them; of many, every second or third one.
fn log_ticks(min: f64, max: f64, thinning: u32) -> Vec<f64> {
    let (low, high) = (min.log10(), max.log10());
    let few = high - low <= 1.5 && thinning == 0;
    let times: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = if high - low > 7.0 { 2 } else { 1 } + thinning;
    let mut ticks = Vec::new();
    let mut power = (low + 1e-9).floor();
    while power <= high + 1e-9 {
        ticks.extend(times.iter().map(|t| t * 10f64.powf(power)));
        power += f64::from(every);
    }
    let inside = |v: &f64| *v >= min * 0.999_999 && *v <= max * 1.000_001;
    ticks.into_iter().filter(inside).collect()
}

fn decade_below(value: f64) -> f64 {
    10f64.powf((value.log10() + 1e-9).floor())
}

fn decade_above(value: f64) -> f64 {
    10f64.powf((value.log10() - 1e-9).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, length: f64) -> String {
        let texts: Vec<String> = axis.ticks_along(length).into_iter().map(|t| t.1).collect();
        texts.join(" ")
    }

    #[test]
    fn round_values_stand_on_a_linear_axis() {
        let axis = |most| Axis::linear("x", [most].into_iter());
        assert_eq!(texts(&axis(10.0), 300.0), "0 2 4 6 8 10");
        assert_eq!(texts(&axis(0.37), 300.0), "0 0.1 0.2 0.3 0.4");
        assert_eq!(texts(&axis(1_900.0), 300.0), "0 500 1,000 1,500 2,000");
        assert_eq!(axis(0.0).max, 1.0);
    }

    #[test]
    fn decades_stand_on_a_log_axis() {
        let axis = Axis::log("x", [0.3, 4_000.0].into_iter());
        assert_eq!((axis.min, axis.max), (0.1, 10_000.0));
        assert_eq!(texts(&axis, 300.0), "0.1 1 10 100 1,000 10,000");
        assert!((axis.place(1.0) - 0.2).abs() < 1e-9);
        let narrow = Axis::log("x", [1.0].into_iter());
        assert_eq!(texts(&narrow, 300.0), "1 2 5 10");
        assert_eq!(Axis::log("x", [0.0].into_iter()).max, 10.0);
    }

    #[test]
    fn each_nine_is_equally_long() {
        let axis = Axis::percentiles("x", 10_000);
        assert_eq!(texts(&axis, 300.0), "0 50 90 99 99.9 99.99");
        assert!((axis.place(90.0) - 0.25).abs() < 1e-9);
        assert!((axis.place(99.9) - 0.75).abs() < 1e-9);
        assert_eq!(axis.place(100.0), 1.0);
    }

    #[test]
    fn texts_that_would_touch_are_left_out() {
        let axis = Axis::linear("x", [1e6].into_iter());
        assert_eq!(texts(&axis, 120.0), "0 500,000 1,000,000");
        let places = axis.ticks_along(120.0);
        for pair in places.windows(2) {
            let half = |t: &(f64, String)| t.1.len() as f64 * CHARACTER / 2.0;
            let gap = (axis.place(pair[1].0) - axis.place(pair[0].0)) * 120.0;
            assert!(gap > half(&pair[0]) + half(&pair[1]));
        }
    }
}
