//! What a comparison runs: cells of one workload each, and the arms that meet it.
//!
//! Data alone; [`crate::run::compare`] does what stands here. A preset is a list of cells, and
//! so is a comparison that names its transports and rates itself.

use std::time::Duration;

use crate::base::transport::Transport;
use crate::model::Arrivals;
use crate::options::CompareOptions;
use crate::options::preset::{HeaderPreset, Preset};
use crate::plan::arms::short;
use crate::plan::workload::Workload;

pub mod literature;
pub mod seed;
pub mod uses;

/// By what a quick run divides intervals and durations, and multiplies rates.
const QUICK: u32 = 10;

/// Updates a second of one topic that a quick run does not multiply any more.
const QUICK_RATE_MAX: f64 = 10.0;

/// Clients of an arm in a quick run.
const QUICK_CLIENTS_MAX: u32 = 1_000;

/// Everything that one comparison runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// In this order.
    pub cells: Vec<CellPlan>,
    /// What it shows besides the figures of its cells.
    pub shows: Vec<Shows>,
}

/// What is made of the figures in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shows {
    /// The cases of Lubbers and Greco.
    Lubbers,
    /// Where polling becomes cheaper.
    Crossings,
    /// The CPU of push over that of polling.
    CpuRatios,
    /// The bytes of an idle hour and of a delivered update.
    Bytes,
}

/// One workload and who meets it.
#[derive(Clone, PartialEq, Debug)]
pub struct CellPlan {
    /// What it is called.
    pub name: String,
    /// What is published to whom; clients are those of one arm.
    pub workload: Workload,
    /// Who meets it.
    pub arms: Vec<ArmSpec>,
    /// All arms at once, or each alone and in turns.
    pub side_by_side: bool,
    /// How often.
    pub repeats: u8,
    /// How long it is measured; polling at least for some whole intervals.
    pub length: Duration,
    /// From the client to the server and back, where that is made longer.
    pub round_trip: Duration,
    /// How long is published before anything is measured, where nobody polls: polling begins
    /// with one interval of its own.
    pub warmup: Duration,
}

/// One arm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArmSpec {
    /// How its clients read.
    pub transport: Transport,
    /// From one poll to the next; nothing where nothing is polled.
    pub interval: Duration,
    /// At most one push in this time; nothing for all of them.
    pub conflate: Duration,
    /// Whether requests share a connection.
    pub keep_alive: bool,
    /// Whether requests say `If-None-Match`.
    pub etag: bool,
    /// Whether polls ask for the newest alone.
    pub newest: bool,
    /// How long the heads of requests are.
    pub head: Head,
}

/// How long the head of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// One of the presets.
    Preset(HeaderPreset),
    /// As long as it takes for request and answer to have so many bytes together, but for what
    /// was published.
    Together(u32),
}

impl ArmSpec {
    /// A transport as it is.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self {
            transport,
            interval: Duration::ZERO,
            conflate: Duration::ZERO,
            keep_alive: true,
            etag: false,
            newest: false,
            head: Head::Preset(HeaderPreset::Minimal),
        }
    }

    /// Polling.
    #[must_use]
    pub const fn poll(interval: Duration) -> Self {
        let mut arm = Self::new(Transport::Poll);
        arm.interval = interval;
        arm
    }

    /// What it is called: what differs from the plainest client of its kind stands in it.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.transport.name().to_owned();
        if !self.interval.is_zero() {
            name.push_str(&format!("-{}", short(self.interval)));
        }
        if !self.conflate.is_zero() {
            name.push_str(&format!("-per-{}", short(self.conflate)));
        }
        let marks = [
            (!self.keep_alive, "-close"),
            (self.etag, "-etag"),
            (self.newest, "-newest"),
        ];
        marks
            .iter()
            .filter(|(is_so, _)| *is_so)
            .for_each(|(_, mark)| name.push_str(mark));
        match self.head {
            Head::Preset(preset) => {
                if let Some(bytes) = preset.bytes() {
                    name.push_str(&format!("-{bytes}B"));
                }
            }
            Head::Together(bytes) => name.push_str(&format!("-{bytes}B")),
        }
        name
    }

    /// Whether both can be in one run: only their transports and times may differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let of = |arm: &Self| (arm.keep_alive, arm.etag, arm.head);
        of(self) == of(other)
    }

    /// How long it is measured if everybody else is for `length`: whole intervals, two at least.
    #[must_use]
    pub fn length(&self, length: Duration) -> Duration {
        if self.interval.is_zero() {
            return length;
        }
        let intervals = length.as_nanos().div_ceil(self.interval.as_nanos()).max(2);
        self.interval * u32::try_from(intervals).unwrap_or(u32::MAX)
    }

    fn quick(mut self) -> Self {
        self.interval /= QUICK;
        self.conflate /= QUICK;
        self
    }
}

impl CellPlan {
    /// A cell of arms side by side, measured once.
    #[must_use]
    pub fn new(name: &str, workload: Workload, arms: Vec<ArmSpec>, length: Duration) -> Self {
        Self {
            name: name.to_owned(),
            workload,
            arms,
            side_by_side: true,
            repeats: 1,
            length,
            round_trip: Duration::ZERO,
            warmup: seconds(1),
        }
    }

    /// The same with each arm alone, in turns over the repeats.
    #[must_use]
    pub fn alone(mut self, repeats: u8) -> Self {
        self.side_by_side = false;
        self.repeats = repeats;
        self
    }

    /// Roughly how long it takes, publishing before and after it and connecting included.
    #[must_use]
    pub fn takes(&self) -> Duration {
        let of = |arm: &ArmSpec| {
            let warmup = if arm.interval.is_zero() {
                self.warmup
            } else {
                2 * arm.interval
            };
            arm.length(self.length) + warmup
        };
        let arms = self.arms.iter().map(of);
        let once = if self.side_by_side {
            arms.max().unwrap_or_default() + RUN_OVERHEAD
        } else {
            arms.map(|time| time + RUN_OVERHEAD).sum()
        };
        once * u32::from(self.repeats)
    }

    /// A tenth of every interval and duration, all arms at once where that can be.
    fn quick(mut self) -> Self {
        self.arms = self.arms.into_iter().map(ArmSpec::quick).collect();
        let load = &mut self.workload;
        // Ten times as much of what is fast already would measure the host.
        if load.rate_of_a_client() < QUICK_RATE_MAX {
            load.rate *= f64::from(QUICK);
        }
        if load.clients > QUICK_CLIENTS_MAX {
            load.clients = QUICK_CLIENTS_MAX;
            self.name.push_str(&format!(", as {QUICK_CLIENTS_MAX}"));
        }
        self.length /= QUICK;
        self.warmup /= QUICK;
        self.repeats = 1;
        let alike = self.arms.windows(2).all(|pair| pair[0].is_like(&pair[1]));
        let asks = self.arms.iter().any(|arm| arm.transport == Transport::Ask);
        self.side_by_side |= alike && !asks;
        self
    }
}

/// Starting a server, connecting and ending.
const RUN_OVERHEAD: Duration = Duration::from_millis(1_200);

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

    /// Roughly how long it takes.
    #[must_use]
    pub fn takes(&self) -> Duration {
        self.cells.iter().map(CellPlan::takes).sum()
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

/// A workload of one topic and one publisher.
#[must_use]
pub fn workload(clients: u32, rate: f64) -> Workload {
    Workload {
        clients,
        topics: 1,
        publishers: 1,
        rate,
        arrivals: Arrivals::Poisson,
        size_bytes: 64,
    }
}

/// A whole number of seconds.
#[must_use]
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// WebSocket, server-sent events, long polling, streaming.
#[must_use]
pub fn held() -> Vec<ArmSpec> {
    let transports = [
        Transport::Ws,
        Transport::Sse,
        Transport::LongPoll,
        Transport::Stream,
    ];
    transports.map(ArmSpec::new).to_vec()
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
        shows: vec![Shows::Bytes],
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
    use clap::ValueEnum;

    use clap::Parser;

    use super::*;
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
