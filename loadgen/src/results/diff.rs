//! Two runs side by side: what differs by more than the runs differ from themselves.
//!
//! Noise is what the repeats of each run were apart. A difference counts when the ranges do not
//! touch and the medians are farther apart than both ranges together; anything less is not
//! found, which is an answer too.

use crate::base::number;
use crate::figures::unit::Better;
use crate::results::{Measurement, Results};

/// Less than this part of a value is no difference, whatever the ranges: histograms have three
/// digits, and clocks have ticks.
const RESOLUTION: f64 = 0.005;

/// What became of one figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// No difference found within the noise.
    Same,
    /// The second run is better.
    Better,
    /// The second run is worse.
    Worse,
    /// They differ, and neither side is better.
    Different,
    /// One of them has a single repeat: the noise is not known.
    Unknown,
}

/// One figure of both runs.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Change {
    /// The figure.
    pub name: String,
    /// The first run.
    pub before: f64,
    /// The second run.
    pub after: f64,
    /// Second less first, in percent of the first; none from 0.
    pub percent: Option<f64>,
    /// How far apart counts as noise.
    pub noise: f64,
    /// What became of it.
    pub verdict: Verdict,
}

/// Two runs.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Diff {
    /// Figures that both have.
    pub changes: Vec<Change>,
    /// Why they may not be comparable.
    pub warnings: Vec<String>,
}

impl Diff {
    /// Compares the second run with the first.
    #[must_use]
    pub(crate) fn new(first: &Results, second: &Results) -> Self {
        let pair = |a: &Measurement| {
            let b = second.figures.iter().find(|b| b.name == a.name)?;
            Some(change(a, b))
        };
        Self {
            changes: first.figures.iter().filter_map(pair).collect(),
            warnings: warnings(first, second),
        }
    }

    /// How many figures came out so.
    #[must_use]
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        let same = self.changes.iter().filter(|c| c.verdict == verdict);
        same.count()
    }

    /// The text; figures without a difference only where they are asked for.
    #[must_use]
    pub(crate) fn text(&self, all: bool) -> String {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.warnings.iter().map(|w| format!("warning: {w}")));
        let groups = [
            (Verdict::Worse, "worse"),
            (Verdict::Better, "better"),
            (Verdict::Different, "different"),
            (
                Verdict::Unknown,
                "noise not known: one repeat, use --repeats",
            ),
            (Verdict::Same, "no difference found"),
        ];
        for (verdict, name) in groups {
            let count = self.count(verdict);
            if count == 0 {
                continue;
            }
            lines.push(format!("{name}: {count} of {} figures", self.changes.len()));
            if verdict != Verdict::Same || all {
                let of_it = self.changes.iter().filter(|c| c.verdict == verdict);
                lines.extend(of_it.map(Change::line));
            }
        }
        if self.changes.is_empty() {
            lines.push("the two have no figure in common".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

impl Change {
    fn line(&self) -> String {
        let percent = self.percent;
        let percent = percent.map_or_else(String::new, |p| format!(" ({p:+.1} %)"));
        format!(
            "  {}: {} -> {}{percent}, noise {}",
            self.name,
            number::figure(self.before),
            number::figure(self.after),
            number::figure(self.noise)
        )
    }
}

fn change(a: &Measurement, b: &Measurement) -> Change {
    let spread = (a.max - a.min) + (b.max - b.min);
    let noise = spread.max(RESOLUTION * a.median.abs().max(b.median.abs()));
    let difference = b.median - a.median;
    let apart = a.max < b.min || b.max < a.min;
    let verdict = if a.median.total_cmp(&b.median).is_eq() {
        Verdict::Same
    } else if a.repeats < 2 || b.repeats < 2 {
        Verdict::Unknown
    } else if !apart || difference.abs() <= noise {
        Verdict::Same
    } else {
        match (a.better, difference > 0.0) {
            (Better::Neither, _) => Verdict::Different,
            (Better::Higher, true) | (Better::Lower, false) => Verdict::Better,
            (Better::Higher, false) | (Better::Lower, true) => Verdict::Worse,
        }
    };
    let percent = 100.0 * difference / a.median;
    Change {
        name: a.name.clone(),
        before: a.median,
        after: b.median,
        percent: percent.is_finite().then_some(percent),
        noise,
        verdict,
    }
}

fn warnings(first: &Results, second: &Results) -> Vec<String> {
    let mut warnings = Vec::new();
    if first.title != second.title {
        warnings.push(format!(
            "different commands: {}, and {}",
            first.title, second.title
        ));
    }
    for (name, value) in &first.context {
        let other = second.context.iter().find(|(other, _)| other == name);
        match other {
            Some((_, other)) if other != value => {
                warnings.push(format!("{name} differs: {value}, and {other}"));
            }
            Some(_) => {}
            None => warnings.push(format!("{name}: only the first has it")),
        }
    }
    let has = |of: &Results, name: &str| of.figures.iter().any(|figure| figure.name == name);
    let alone = |of: &Results, other: &Results| {
        let missing = of.figures.iter().filter(|f| !has(other, &f.name));
        missing.count()
    };
    for (count, which) in [
        (alone(first, second), "first"),
        (alone(second, first), "second"),
    ] {
        if count > 0 {
            warnings.push(format!("{count} figures are in the {which} alone"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(median: f64, spread: f64, repeats: u64, better: Better) -> Measurement {
        Measurement {
            name: "x".to_owned(),
            median,
            min: median - spread / 2.0,
            max: median + spread / 2.0,
            repeats,
            better,
        }
    }

    fn verdict(a: (f64, f64), b: (f64, f64)) -> Verdict {
        let make = |(median, spread)| figure(median, spread, 3, Better::Lower);
        change(&make(a), &make(b)).verdict
    }

    #[test]
    fn a_difference_within_the_repeats_is_not_found() {
        assert_eq!(verdict((100.0, 20.0), (110.0, 20.0)), Verdict::Same);
        assert_eq!(verdict((100.0, 20.0), (139.0, 20.0)), Verdict::Same);
        assert_eq!(verdict((100.0, 20.0), (141.0, 20.0)), Verdict::Worse);
        assert_eq!(verdict((100.0, 20.0), (59.0, 20.0)), Verdict::Better);
    }

    #[test]
    fn repeats_that_are_all_the_same_still_have_a_resolution() {
        assert_eq!(verdict((100.0, 0.0), (100.4, 0.0)), Verdict::Same);
        assert_eq!(verdict((100.0, 0.0), (101.0, 0.0)), Verdict::Worse);
        assert_eq!(verdict((0.0, 0.0), (1.0, 0.0)), Verdict::Worse);
        assert_eq!(verdict((0.0, 0.0), (0.0, 0.0)), Verdict::Same);
    }

    #[test]
    fn one_repeat_knows_no_noise_and_some_figures_no_better_side() {
        let one = figure(1.0, 0.0, 1, Better::Lower);
        let other = figure(9.0, 0.0, 3, Better::Lower);
        assert_eq!(change(&one, &other).verdict, Verdict::Unknown);
        let neither = |median| figure(median, 0.0, 3, Better::Neither);
        assert_eq!(
            change(&neither(1.0), &neither(2.0)).verdict,
            Verdict::Different
        );
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let json = crate::comparison::synthetic::comparison().json();
        let results = Results::parse(&json).expect("a result");
        let diff = Diff::new(&results, &results);
        assert_eq!(diff.count(Verdict::Same), diff.changes.len());
        assert!(diff.warnings.is_empty(), "{:?}", diff.warnings);
        assert!(diff.text(false).starts_with("no difference found"));
    }

    #[test]
    fn what_is_not_comparable_is_said() {
        let first = Results {
            title: "fanout".to_owned(),
            context: vec![("clients".to_owned(), "5".to_owned())],
            figures: vec![figure(1.0, 0.0, 3, Better::Lower)],
        };
        let mut second = first.clone();
        second.context[0].1 = "6".to_owned();
        second.figures[0].name = "y".to_owned();
        let text = Diff::new(&first, &second).text(false);
        assert!(text.contains("clients differs: 5, and 6"), "{text}");
        assert!(text.contains("1 figures are in the first alone"), "{text}");
        assert!(text.contains("no figure in common"), "{text}");
    }
}
