//! What a comparison runs: cells of one workload each, and the arms that meet it.
//!
//! Data alone; `run::compare` does what stands here. A preset is a list of cells, and
//! so is a comparison that names its transports and rates itself.

mod arm;
mod cell;
mod literature;
mod seed;
mod uses;

use crate::base::transport::Transport;
use crate::options::CompareOptions;
use crate::options::preset::Preset;

pub use self::arm::{ArmSpec, Head, held};
pub use self::cell::{CellPlan, Exhibit, Scenario};

use self::cell::{seconds, workload};

impl Scenario {
    /// What the options ask for.
    #[must_use]
    pub fn new(options: &CompareOptions) -> Self {
        let mut scenario = match options.preset {
            Some(preset) => of_preset(preset),
            None => own(options),
        };
        for cell in &mut scenario.cells {
            override_by(cell, options);
        }
        if options.quick {
            scenario.cells = scenario.cells.into_iter().map(CellPlan::quick).collect();
        }
        scenario
    }
}

/// What a preset stands for.
fn of_preset(preset: Preset) -> Scenario {
    match preset {
        Preset::Seed => seed::scenario(),
        Preset::Lubbers => literature::lubbers(),
        Preset::Bozdag => literature::bozdag(),
        Preset::Pimentel => literature::pimentel(),
        Preset::Crossover => literature::crossover(),
        Preset::Chat => uses::chat(),
        Preset::Game => uses::game(),
        Preset::Tasks => uses::tasks(),
        Preset::Sensors => uses::sensors(),
        Preset::Quotes => uses::quotes(),
        Preset::Notify => uses::notify(),
        Preset::Live => uses::live(),
        Preset::Ondemand => uses::ondemand(),
    }
}

/// Rates below this are measured side by side: nothing else can be seen in a short time.
const RARE: f64 = 0.5;

/// What the command line says without a preset.
fn own(options: &CompareOptions) -> Scenario {
    let transports = match &options.transports[..] {
        [] => [
            &[Transport::Ws, Transport::Sse][..],
            &[Transport::LongPoll, Transport::Stream, Transport::Poll],
        ]
        .concat(),
        some => some.to_vec(),
    };
    let mut arms = Vec::new();
    for transport in transports {
        let plain = ArmSpec {
            keep_alive: !options.no_keep_alive || transport.is_push(),
            etag: options.etag && !transport.is_push(),
            newest: options.newest && transport == Transport::Poll,
            ..ArmSpec::new(transport)
        };
        let heads = &options.header_preset;
        let with_heads = |arm: ArmSpec| {
            heads.iter().map(move |preset| ArmSpec {
                head: Head::Preset(*preset),
                ..arm
            })
        };
        if transport.is_scheduled() {
            for interval in &options.intervals {
                let interval = *interval;
                arms.extend(with_heads(ArmSpec { interval, ..plain }));
            }
            continue;
        }
        arms.extend(with_heads(plain));
        for conflate in options.conflate.iter().filter(|_| transport.is_push()) {
            let conflate = *conflate;
            arms.extend(with_heads(ArmSpec { conflate, ..plain }));
        }
    }
    let cell = |rate: &f64| {
        let name = format!("{rate} updates a second");
        let cell = CellPlan::new(&name, workload(1_000, *rate), arms.clone(), seconds(10));
        let alike = arms.windows(2).all(|pair| pair[0].is_like(&pair[1]));
        if alike && (*rate < RARE || options.side_by_side) {
            cell
        } else {
            cell.alone(3)
        }
    };
    Scenario {
        cells: options.rates.iter().map(cell).collect(),
        shows: vec![Exhibit::Bytes],
    }
}

/// What the command line says besides the preset.
fn override_by(cell: &mut CellPlan, options: &CompareOptions) {
    let load = &mut cell.workload;
    load.clients = options.clients.unwrap_or(load.clients);
    load.size_bytes = options.size.map_or(load.size_bytes, |size| size as u64);
    load.arrivals = options.arrivals.unwrap_or(load.arrivals);
    cell.length = options.duration.unwrap_or(cell.length);
    cell.repeats = options.repeats.unwrap_or(cell.repeats);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{Parser, ValueEnum};

    use super::*;
    use crate::options::preset::HeaderPreset;
    use crate::options::{Cli, Command};

    fn scenario(line: &str) -> Scenario {
        let words = ["loadgen", "compare"].into_iter();
        let more = line.split(' ').filter(|word| !word.is_empty());
        match Cli::try_parse_from(words.chain(more)).expect(line).command {
            Command::Compare(options) => Scenario::new(&options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_arm_of_a_cell_has_a_name_of_its_own() {
        for preset in Preset::value_variants() {
            let scenario = of_preset(*preset);
            assert!(!scenario.cells.is_empty(), "{preset:?}");
            for cell in &scenario.cells {
                let mut names: Vec<String> = cell.arms.iter().map(ArmSpec::name).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), cell.arms.len(), "{preset:?}: {names:?}");
                if cell.side_by_side {
                    let alike = cell.arms.windows(2).all(|pair| pair[0].is_like(&pair[1]));
                    assert!(alike, "{preset:?}: {}", cell.name);
                }
            }
        }
    }

    #[test]
    fn every_preset_is_over_soon_and_a_quick_one_sooner() {
        for preset in Preset::value_variants() {
            let name = preset.name();
            let whole = scenario(&format!("--preset {name}")).takes();
            assert!(whole < seconds(12 * 60), "{name}: {whole:?}");
            let quick = scenario(&format!("--preset {name} --quick")).takes();
            assert!(quick < seconds(55), "{name}: {quick:?}");
        }
    }

    #[test]
    fn a_quick_run_keeps_updates_for_each_poll() {
        let whole = scenario("--preset seed");
        let quick = scenario("--preset seed --quick");
        let of = |scenario: &Scenario| {
            let cell = &scenario.cells[1];
            let interval = cell.arms.iter().map(|arm| arm.interval).max();
            cell.workload.rate * interval.map_or(0.0, |i| i.as_secs_f64())
        };
        assert!((of(&whole) - of(&quick)).abs() < 1e-9);
    }

    #[test]
    fn a_comparison_names_its_own_arms_and_rates() {
        let scenario = scenario(
            "--transports ws,poll --interval 2s --interval 5s --conflate 1s --rate 0.1 --rate 4 \
             --clients 50 --duration 8s",
        );
        let names: Vec<String> = scenario.cells[0].arms.iter().map(ArmSpec::name).collect();
        assert_eq!(names, ["ws", "ws-per-1s", "poll-2s", "poll-5s"]);
        assert!(scenario.cells[0].side_by_side && !scenario.cells[1].side_by_side);
        assert_eq!(scenario.cells[1].workload.clients, 50);
        assert_eq!(scenario.cells[0].arms[3].length(seconds(8)), seconds(10));
    }

    #[test]
    fn what_differs_stands_in_the_name() {
        let arm = ArmSpec {
            keep_alive: false,
            etag: true,
            head: Head::Preset(HeaderPreset::Small),
            ..ArmSpec::poll(Duration::from_millis(250))
        };
        assert_eq!(arm.name(), "poll-250ms-close-etag-352B");
        assert!(!arm.is_like(&ArmSpec::poll(seconds(2))));
    }
}
