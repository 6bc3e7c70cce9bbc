//! The runs of a comparison, in the options that `fanout` and `connect` take.

use std::time::Duration;

use crate::comparison::cell::Basis;
use crate::options::preset::HeaderPreset;
use crate::options::{
    CompareOptions, ConnectOptions, FanoutOptions, LoadOptions, OutputOptions, Publish,
    ReadingOptions, TargetOptions,
};
use crate::plan::presets::{ArmSpec, CellPlan, Head};

/// Where a run of a comparison goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What the options say of the server.
    pub target: TargetOptions,
    /// What the live view calls the run.
    pub label: String,
}

/// A run of a cell with some of its arms.
pub(super) fn fanout(
    options: &CompareOptions,
    place: &Place,
    cell: &CellPlan,
    arms: &[ArmSpec],
    basis: &Basis,
) -> FanoutOptions {
    let scheduled = arms.iter().any(|arm| !arm.interval.is_zero());
    let lengths = arms.iter().map(|arm| arm.length(cell.length));
    FanoutOptions {
        target: target(place, cell),
        reading: reading(arms, basis),
        load: load(options, cell, arms),
        rate: Some(cell.workload.rate),
        arrivals: cell.workload.arrivals,
        in_flight: None,
        messages: None,
        duration: Some(lengths.max().unwrap_or(cell.length)),
        warmup: if scheduled {
            Duration::ZERO
        } else {
            cell.warmup
        },
        repeats: 1,
        hold: Duration::ZERO,
        drain: None,
        slow_readers: 0,
        resume_after: None,
        stages: Vec::new(),
        crowd: 0,
        output: output(options, place),
    }
}

/// A run of a cell in which nothing is published.
pub(super) fn connect(
    options: &CompareOptions,
    place: &Place,
    cell: &CellPlan,
    arms: &[ArmSpec],
    basis: &Basis,
) -> ConnectOptions {
    ConnectOptions {
        target: target(place, cell),
        reading: reading(arms, basis),
        load: load(options, cell, arms),
        hold: cell.length,
        until_full: false,
        storm: false,
        jitter: Duration::ZERO,
        bystanders: 0,
        rate: 1.0,
        output: output(options, place),
    }
}

fn target(place: &Place, cell: &CellPlan) -> TargetOptions {
    let load = &cell.workload;
    TargetOptions {
        topics: load.topics,
        publish: match place.target.publish {
            // A WebSocket publishes to its own topic only, so few publishers of many topics post.
            Publish::Ws if load.publishers < load.topics => Publish::Http,
            asked => asked,
        },
        ..place.target.clone()
    }
}

fn reading(arms: &[ArmSpec], basis: &Basis) -> ReadingOptions {
    let mut reading = ReadingOptions {
        transports: Vec::new(),
        intervals: Vec::new(),
        conflate: Vec::new(),
        no_keep_alive: arms.iter().any(|arm| !arm.keep_alive),
        newest: arms.iter().any(|arm| arm.newest),
        etag: arms.iter().any(|arm| arm.etag),
        longpoll_timeout: None,
        header_preset: HeaderPreset::Minimal,
        head_bytes: None,
    };
    for arm in arms {
        if !reading.transports.contains(&arm.transport) {
            reading.transports.push(arm.transport);
        }
        if !arm.interval.is_zero() && !reading.intervals.contains(&arm.interval) {
            reading.intervals.push(arm.interval);
        }
        if !arm.conflate.is_zero() && !reading.conflate.contains(&arm.conflate) {
            reading.conflate.push(arm.conflate);
        }
    }
    match arms.first().map(|arm| arm.head) {
        Some(Head::Preset(preset)) => reading.header_preset = preset,
        Some(Head::Together(bytes)) => {
            let answer = basis.full_answer_bytes.unwrap_or(0.0);
            let head = crate::base::num::whole(f64::from(bytes) - answer);
            reading.head_bytes = u32::try_from(head).ok().filter(|head| *head > 0);
        }
        None => {}
    }
    reading
}

fn load(options: &CompareOptions, cell: &CellPlan, arms: &[ArmSpec]) -> LoadOptions {
    let arms = u32::try_from(arms.len()).unwrap_or(1);
    LoadOptions {
        clients: cell.workload.clients.saturating_mul(arms),
        connect_rate: None,
        size: usize::try_from(cell.workload.size_bytes).unwrap_or(usize::MAX),
        publishers: cell.workload.publishers,
        source: options.source.clone(),
        workers: options.workers,
        driver: options.driver,
        pin: options.pin,
        seed: options.seed,
    }
}

fn output(options: &CompareOptions, place: &Place) -> OutputOptions {
    OutputOptions {
        json: None,
        html: None,
        // What is drawn over time is wanted of every run.
        hlog: Some(String::new()),
        hgrm: None,
        fail: Vec::new(),
        strict: false,
        quiet: options.output.quiet,
        label: place.label.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use clap::{Parser, ValueEnum};

    use super::*;
    use crate::base::golden;
    use crate::options::preset::Preset;
    use crate::options::{Cli, Command};
    use crate::plan::Plan;
    use crate::plan::presets::Scenario;
    use crate::speak::target::Target;

    fn options(line: &str) -> CompareOptions {
        let words = ["loadgen", "compare", "--seed", "1"].into_iter();
        match Cli::try_parse_from(words.chain(line.split(' ')))
            .expect(line)
            .command
        {
            Command::Compare(options) => options,
            other => panic!("{other:?}"),
        }
    }

    /// The plan of a run and how long it is, without what differs from host to host.
    fn run(options: &CompareOptions, cell: &CellPlan, arms: &[ArmSpec]) -> String {
        let place = Place {
            target: options.target.clone(),
            label: String::new(),
        };
        let basis = Basis {
            full_answer_bytes: Some(100.0),
            ..Basis::default()
        };
        let to = Target::parse("ws://127.0.0.1:9").expect("a target");
        let (plan, times) = if cell.workload.rate > 0.0 {
            let options = fanout(options, &place, cell, arms, &basis);
            let times = (options.duration, options.warmup, options.repeats);
            (Plan::fanout(&options, to), format!("{times:?}"))
        } else {
            let options = connect(options, &place, cell, arms, &basis);
            (Plan::connect(&options, to), format!("{:?}", options.hold))
        };
        let mut plan = plan.expect("a preset fits the host");
        (plan.run, plan.workers) = (0, 0);
        format!("{times} {}", serde_json::to_string(&plan).expect("plain"))
    }

    fn cell(out: &mut String, options: &CompareOptions, cell: &CellPlan) {
        let load = serde_json::to_string(&cell.workload).expect("plain");
        let names: Vec<String> = cell.arms.iter().map(ArmSpec::name).collect();
        let runs: Vec<String> = if cell.side_by_side {
            vec![run(options, cell, &cell.arms)]
        } else {
            let alone = cell.arms.iter().map(|arm| run(options, cell, &[*arm]));
            alone.collect()
        };
        let written = writeln!(
            out,
            "  {}: {}, {} run(s) x {}, {:?} behind {:?}, round trip {:?}, about {:?}\n    {load}\n    {}",
            cell.name,
            names.join(" "),
            runs.len(),
            cell.repeats,
            cell.length,
            cell.warmup,
            cell.round_trip,
            cell.takes(),
            golden::digest(&runs.join("\n"))
        );
        written.expect("memory takes everything");
    }

    #[test]
    fn the_plans_of_all_presets_are_what_they_were() {
        let mut out = String::new();
        for preset in Preset::value_variants() {
            for quick in ["", " --quick"] {
                let line = format!("--preset {}{quick}", preset.name());
                let options = options(&line);
                let scenario = Scenario::new(&options);
                out.push_str(&format!("{line}, shows {:?}\n", scenario.shows));
                for it in &scenario.cells {
                    cell(&mut out, &options, it);
                }
            }
        }
        golden::check("plans.txt", &out);
    }
}
