//! What one workload of a comparison is, and a whole comparison of several.

use std::time::Duration;

use crate::base::transport::Transport;
use crate::model::Arrivals;
use crate::plan::workload::Workload;

use super::arm::{ArmSpec, QUICK};

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
    pub shows: Vec<Exhibit>,
}

/// What is made of the figures in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exhibit {
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
    pub(super) fn quick(mut self) -> Self {
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
    /// Roughly how long it takes.
    #[must_use]
    pub fn takes(&self) -> Duration {
        self.cells.iter().map(CellPlan::takes).sum()
    }
}

/// A workload of one topic and one publisher.
#[must_use]
pub(super) fn workload(clients: u32, rate: f64) -> Workload {
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
pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
