//! `loadgen capacity`: the search of [`crate::plan::search`], each level a run of `fanout` with a fresh
//! node.

use std::time::Duration;

use altavoz::base::clock;
use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;
use crate::base::number;
use crate::figures::thresholds::{Outcome, Threshold};
use crate::host::sample::{self, Machine};
use crate::options::{CapacityOptions, CapacityUnit, FanoutOptions, Publish};
use crate::plan::arms;
use crate::plan::search::{Probe, ProbePurpose, Search, SearchEnd, Verdict};
use crate::report::whole::Report;

/// How long a level is measured if nothing is said.
const LENGTH: Duration = Duration::from_secs(5);

/// How many times longer the level that was found must hold.
const CONFIRM_TIMES: u32 = 3;

/// The form of the JSON; it changes when a field changes its name or meaning.
const SCHEMA_VERSION: u32 = 1;

/// A search and its end, as it stands in JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Capacity {
    /// The form of this JSON.
    pub schema_version: u32,
    /// `loadgen`.
    pub generator: String,
    /// The generator's version.
    pub generator_version: String,
    /// `capacity`.
    pub command: String,
    /// The whole command line.
    pub command_line: String,
    /// When it began, since 1970.
    pub started_unix_ms: u64,
    /// Where it ran.
    pub machine: Machine,
    /// `clients` or `rate`.
    pub of: String,
    /// The bounds that had to hold.
    pub bounds: Vec<String>,
    /// The highest level that kept them.
    pub capacity: Option<u64>,
    /// How the search ended.
    pub end: Option<SearchEnd>,
    /// Every level that was tried.
    pub probes: Vec<Level>,
    /// Why the generator was the limit; empty if it was not.
    pub limits: Vec<String>,
}

/// One level.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Level {
    /// Which, and why.
    pub probe: Probe,
    /// What came of it.
    pub verdict: Verdict,
    /// The bounds, with what was measured.
    pub outcomes: Vec<Outcome>,
    /// What the run said against itself.
    pub limits: Vec<String>,
}

/// Runs the search.
///
/// # Errors
/// When a bound is none, or not even the first level can be tried.
pub(crate) fn run(options: &CapacityOptions, command_line: &str) -> Result<Capacity, Failure> {
    if options.load.target.publish == Publish::None {
        return Err(Failure::usage(
            "capacity needs a publisher of its own: leave --publish none out",
        ));
    }
    let arms = arms::names(&options.load.reading)?;
    let arms: Vec<&str> = arms.iter().map(String::as_str).collect();
    let bounds = options.bounds.iter();
    let bounds = bounds.map(|text| Threshold::parse(text, &arms));
    let bounds = bounds.collect::<Result<Vec<_>, _>>();
    let bounds = bounds.map_err(|e| Failure::usage(format!("--bound {e}")))?;
    let started = clock::unix();
    let mut search = Search::new(options.start, options.max);
    let mut probes: Vec<Level> = Vec::new();
    while let Some(probe) = search.poll_probe() {
        let tried = attempt(options, &bounds, probe);
        let tried = match tried {
            // What cannot be tried at all is the end of what this host can do.
            Err(failure) if !probes.is_empty() => Level {
                probe,
                verdict: Verdict::Limited,
                outcomes: Vec::new(),
                limits: vec![failure.message],
            },
            tried => tried?,
        };
        if !options.load.output.quiet {
            super::say(&line(name(options.of), &tried));
        }
        search.handle(tried.verdict);
        probes.push(tried);
    }
    let end = search.ended();
    Ok(Capacity {
        schema_version: SCHEMA_VERSION,
        generator: "loadgen".to_owned(),
        generator_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "capacity".to_owned(),
        command_line: command_line.to_owned(),
        started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        machine: sample::machine(),
        of: name(options.of).to_owned(),
        bounds: options.bounds.clone(),
        capacity: search.capacity(),
        end,
        limits: match end {
            Some(SearchEnd::GeneratorLimited) => {
                vec!["the generator was the limit: the server may hold more".to_owned()]
            }
            _ => Vec::new(),
        },
        probes,
    })
}

fn attempt(
    options: &CapacityOptions,
    bounds: &[Threshold],
    probe: Probe,
) -> Result<Level, Failure> {
    let report = super::fanout::run(&level(options, probe))?;
    let outcomes: Vec<Outcome> = bounds.iter().map(|bound| bound.judge(&report)).collect();
    let held = outcomes.iter().all(|outcome| outcome.passed);
    let verdict = if is_generators(&report) {
        Verdict::Limited
    } else if held && report.limits.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    Ok(Level {
        probe,
        verdict,
        outcomes,
        limits: report.limits,
    })
}

/// Whether the run was not one about the server.
fn is_generators(report: &Report) -> bool {
    let says = |line: &String| line.starts_with("the generator was the limit");
    report.limits.iter().any(says)
}

/// The run of a level.
fn level(options: &CapacityOptions, probe: Probe) -> FanoutOptions {
    let mut load = options.load.clone();
    match options.of {
        CapacityUnit::Clients => {
            load.load.clients = u32::try_from(probe.level).unwrap_or(u32::MAX);
        }
        CapacityUnit::Rate => load.rate = Some(probe.level as f64),
    }
    let length = load.duration.unwrap_or(LENGTH);
    load.duration = Some(match probe.purpose {
        ProbePurpose::Confirmation => options.confirm.unwrap_or(CONFIRM_TIMES * length),
        ProbePurpose::Doubling | ProbePurpose::Bisection => length,
    });
    load.repeats = 1;
    load.output.label = format!("{} {}", probe.level, words(name(options.of)));
    load
}

const fn name(of: CapacityUnit) -> &'static str {
    match of {
        CapacityUnit::Clients => "clients",
        CapacityUnit::Rate => "rate",
    }
}

/// What is counted, for people.
fn words(of: &str) -> &str {
    if of == "rate" { "publications/s" } else { of }
}

impl Capacity {
    /// The report for people.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let what = words(&self.of);
        let mut lines = vec![
            format!(
                "loadgen capacity: {what} that keep {}",
                self.bounds.join(", ")
            ),
            format!("  {}", self.machine),
        ];
        lines.extend(self.probes.iter().map(|tried| line(&self.of, tried)));
        let capacity = self.capacity.map_or_else(
            || "none".to_owned(),
            |level| format!("{} {what}", number::figure(level as f64)),
        );
        let end = match self.end {
            Some(SearchEnd::Confirmed) => "and held when it was tried for longer",
            Some(SearchEnd::AtMaximum) => "the most that was to be tried; there may be more",
            Some(SearchEnd::GeneratorLimited) => {
                "beyond it the generator was the limit, not the server"
            }
            Some(SearchEnd::Unconfirmed) => "but nothing held when it was tried for longer",
            Some(SearchEnd::Nothing) => "not even the lowest level kept the bounds",
            None => "the search was not finished",
        };
        lines.push(format!("capacity: {capacity}, {end}"));
        lines.join("\n") + "\n"
    }

    /// All of it as JSON.
    ///
    /// # Panics
    /// Never: every field is a number, a text or a list of them.
    #[must_use]
    pub(crate) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }
}

/// One level in a line.
fn line(of: &str, tried: &Level) -> String {
    let purpose = match tried.probe.purpose {
        ProbePurpose::Doubling => "doubling",
        ProbePurpose::Bisection => "bisection",
        ProbePurpose::Confirmation => "confirming",
    };
    let verdict = match tried.verdict {
        Verdict::Passed => "held",
        Verdict::Failed => "failed",
        Verdict::Limited => "generator's limit",
    };
    let outcome = |outcome: &Outcome| format!("{}: {}", outcome.expression, outcome.measured());
    let outcomes: Vec<String> = tried.outcomes.iter().map(outcome).collect();
    let level = number::figure(tried.probe.level as f64);
    let mut text = format!(
        "  {level:>7} {} {purpose:<10} {verdict}; {}",
        words(of),
        outcomes.join(", ")
    );
    if let Some(limit) = tried.limits.first() {
        text.push_str(&format!("; {limit}"));
    }
    text
}
