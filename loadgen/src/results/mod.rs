//! What a run left in its JSON, as a list of figures with their ranges: all that two runs of
//! any command have in common.

pub(crate) mod diff;
pub(crate) mod merge;

use serde_json::Value;

use crate::comparison::cell::{ArmResult, Cell};
use crate::comparison::figure::Figure;
use crate::comparison::groups;
use crate::comparison::result::Comparison;
use crate::figures::of_arm;
use crate::figures::of_run::OF_RUN;
use crate::figures::unit::Better;
use crate::recording;

/// The figures of one run.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Results {
    /// The command, with its preset.
    pub title: String,
    /// What must be the same for two runs to be about the same thing: names and values.
    pub context: Vec<(String, String)>,
    /// The figures.
    pub figures: Vec<Measurement>,
}

/// One figure of one run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Measurement {
    /// Where it belongs and what it is: `one update a second / ws / staleness_p50_us`.
    pub name: String,
    /// The median over the repeats.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many repeats there were.
    pub repeats: u64,
    /// Which side is better.
    pub better: Better,
}

/// Which command made a result.
///
/// # Errors
/// When it is none of ours.
pub(crate) fn command_of(text: &str) -> Result<String, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        command: Option<String>,
    }
    let head: Head = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
    let missing = || "not a result of loadgen: it has no `command`".to_owned();
    head.command.ok_or_else(missing)
}

impl Results {
    /// Reads the JSON of any command.
    ///
    /// # Errors
    /// When it is none of ours, or of another version.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
        match value["command"].as_str() {
            Some("compare") => Ok(Self::of_comparison(&Comparison::parse(text)?)),
            Some("fanout" | "connect") => {
                let version = value["schema_version"].as_u64();
                if version != Some(u64::from(recording::SCHEMA_VERSION)) {
                    return Err(format!(
                        "its form is not version {}, which this program reads",
                        recording::SCHEMA_VERSION
                    ));
                }
                Ok(Self::of_run(&value))
            }
            Some(other) => Err(format!("a result of `{other}` has no repeats to compare")),
            None => Err("not a result of loadgen: it has no `command`".to_owned()),
        }
    }

    fn of_comparison(comparison: &Comparison) -> Self {
        let preset = comparison.preset.as_deref().unwrap_or("no preset");
        let mut context = vec![
            ("machine".to_owned(), comparison.machine.to_string()),
            ("quick".to_owned(), comparison.quick.to_string()),
        ];
        for cell in &comparison.cells {
            let load = groups::workload(cell);
            context.push((cell.name.clone(), load));
        }
        Self {
            title: format!("compare, {preset}"),
            context,
            figures: comparison.cells.iter().flat_map(of_cell).collect(),
        }
    }

    /// `fanout` and `connect`: the ranges over their repeats, or else the figures of the whole.
    fn of_run(value: &Value) -> Self {
        let options = value["options"].as_object();
        let told = [
            "clients",
            "topics",
            "publish",
            "size_bytes",
            "rate",
            "in_flight",
        ];
        let mut context = vec![("machine".to_owned(), value["machine"].to_string())];
        context.extend(told.into_iter().filter_map(|name| {
            let value = options?.get(name)?;
            Some((name.to_owned(), value.to_string()))
        }));
        let mut figures: Vec<Measurement> = over_repeats("", &value["over_repeats"]);
        for arm in value["arms"].as_array().into_iter().flatten() {
            let name = arm["name"].as_str().unwrap_or("arm");
            figures.extend(over_repeats(&format!("{name} / "), &arm["over_repeats"]));
        }
        if figures.is_empty() {
            figures = single(value);
        }
        Self {
            title: value["command"].as_str().unwrap_or_default().to_owned(),
            context,
            figures,
        }
    }
}

fn of_cell(cell: &Cell) -> Vec<Measurement> {
    let of_arm = |arm: &ArmResult| {
        let repeats = arm.repeats.len() as u64;
        let place = format!("{} / {}", cell.name, arm.name);
        let one = |(name, figure): (&String, &Figure)| Measurement {
            name: format!("{place} / {name}"),
            median: figure.median,
            min: figure.min,
            max: figure.max,
            repeats,
            better: better(name),
        };
        arm.figures.iter().map(one).collect::<Vec<_>>()
    };
    cell.arms.iter().flat_map(of_arm).collect()
}

fn over_repeats(place: &str, ranges: &Value) -> Vec<Measurement> {
    let one = |(name, range): (&String, &Value)| {
        Some(Measurement {
            name: format!("{place}{name}"),
            median: range["median"].as_f64()?,
            min: range["min"].as_f64()?,
            max: range["max"].as_f64()?,
            // The report says ranges only where there are several.
            repeats: 2,
            better: better(name),
        })
    };
    let ranges = ranges.as_object().into_iter().flatten();
    ranges.filter_map(one).collect()
}

/// Figures of a run of one repeat: their noise is not known.
fn single(value: &Value) -> Vec<Measurement> {
    let places = [
        ("p50_us", "/total/latency/p50_us"),
        ("p99_us", "/total/latency/p99_us"),
        ("max_us", "/total/latency/max_us"),
        ("deliveries_per_second", "/total/deliveries_per_second"),
        ("reach_percent", "/total/reach_percent"),
        (
            "server_cpu_per_delivery_us",
            "/total/server_cpu_per_delivery_us",
        ),
        ("connect_rate", "/connect/rate"),
        ("connect_p99_us", "/connect/total/p99_us"),
        (
            "server_per_connection_bytes",
            "/memory/server_per_connection_bytes",
        ),
        (
            "kernel_per_connection_bytes",
            "/memory/kernel_per_connection_bytes",
        ),
    ];
    let one = |(name, place): (&str, &str)| {
        let value = value.pointer(place)?.as_f64()?;
        Some(Measurement {
            name: name.to_owned(),
            median: value,
            min: value,
            max: value,
            repeats: 1,
            better: better(name),
        })
    };
    places.into_iter().filter_map(one).collect()
}

/// What else a run says of itself is a time, a size or a loss.
fn better(name: &str) -> Better {
    let of_arm = of_arm::find(name).map(|figure| figure.better);
    let of_run = OF_RUN.iter().find(|figure| figure.name == name);
    of_arm
        .or_else(|| Some(of_run?.better))
        .unwrap_or(Better::Lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::synthetic;

    #[test]
    fn a_comparison_has_a_figure_for_each_arm_and_cell() {
        let comparison = synthetic::comparison();
        let results = Results::parse(&comparison.json()).expect("a result");
        let wanted = "0.2 updates a second / poll-5s / empty_percent";
        assert!(results.figures.iter().any(|figure| figure.name == wanted));
        assert!(results.figures.iter().all(|figure| figure.repeats == 3));
    }

    #[test]
    fn a_run_has_its_ranges_or_its_single_figures() {
        let ranges = r#"{"command":"fanout","schema_version":2,"options":{"clients":5},
            "over_repeats":{"p50_us":{"median":2.0,"min":1.0,"max":3.0}},
            "arms":[{"name":"sse","over_repeats":{"lost":{"median":0.0,"min":0.0,"max":0.0}}}]}"#;
        let results = Results::parse(ranges).expect("a result");
        let names: Vec<&str> = results.figures.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["p50_us", "sse / lost"]);
        assert!(
            results
                .context
                .contains(&("clients".to_owned(), "5".to_owned()))
        );
        let one = r#"{"command":"connect","schema_version":2,"connect":{"rate":9.0}}"#;
        let results = Results::parse(one).expect("a result");
        assert_eq!((results.figures.len(), results.figures[0].repeats), (1, 1));
    }

    #[test]
    fn what_is_no_result_says_so() {
        for (text, words) in [
            ("{", "no JSON"),
            ("{}", "no `command`"),
            (r#"{"command":"capacity"}"#, "no repeats"),
        ] {
            let why = Results::parse(text).expect_err(text);
            assert!(why.contains(words), "{why}");
        }
    }
}
