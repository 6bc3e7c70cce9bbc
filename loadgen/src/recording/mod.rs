//! What a run brought, before it is put into figures: everything that was counted, and every
//! histogram. It stands in the JSON of a report, so that one can be drawn again and the runs of
//! several generators can be joined without loss.

pub(crate) mod measured;
pub(crate) mod metrics;
#[cfg(test)]
pub(crate) mod synthetic;

use std::time::Duration;

use altavoz::base::{Time, clock};
use serde::{Deserialize, Serialize};

use self::measured::{Connected, Measured};
use self::metrics::Metrics;
use crate::base::failure::Failure;
use crate::host::doctor::local_port_range;
use crate::host::sample::{self, Machine, Sample};
use crate::lines::{Back, Finished, IntervalNote};
use crate::measure::stats::Latency;
use crate::plan::Plan;
use crate::speak::headers::Headers;
use crate::speak::paths::Paths;

/// The form of the JSON; it changes when a figure changes its name or meaning.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// `fanout` or `connect`.
    pub command: String,
    /// What was to be done, without what is nobody's business.
    pub plan: Plan,
    /// Whether the run started its server.
    pub own_node: bool,
    /// CPUs that the server may use.
    pub server_cpus: Option<u64>,
    /// Where it ran.
    pub machine: Machine,
    /// The ports that the host gives to clients, from and to.
    pub port_range: Option<String>,
    /// When it began, since 1970.
    pub started: Duration,
    /// What the clock of all moments read at the beginning of 1970.
    pub epoch: Duration,
    /// Who came in.
    pub connected: Connected,
    /// What was measured.
    pub repeats: Vec<Measured>,
    /// What each repeat was, if they are the stages of a run.
    pub stages: Vec<StageRun>,
    /// How connections ended.
    pub finished: Finished,
    /// What connections cost.
    pub memory: Option<Memory>,
    /// What clients did while nothing was published.
    pub idle: Option<Measured>,
    /// What a storm did.
    pub storm: Option<StormRun>,
    /// What the server says of itself.
    pub metrics: Metrics,
    /// What did not work out, and took nothing from the figures.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How long stragglers were waited for.
    pub drain: Duration,
    /// The server, five times a second.
    pub samples: Vec<Sample>,
    /// Deliveries second by second.
    pub intervals: Vec<IntervalNote>,
}

/// Growth from before the first connection to the end of the hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Connections that it is divided by.
    pub connections: u64,
    /// Resident memory of the server.
    pub server_bytes: Option<u64>,
    /// Proportional memory of the server at the end, not its growth.
    pub server_pss_bytes: Option<u64>,
    /// Resident memory of the generator.
    pub generator_bytes: u64,
    /// The kernel's objects and buffers for both ends, where it may be read.
    pub kernel_bytes: Option<u64>,
    /// Of these, the buffers.
    pub buffer_bytes: u64,
}

/// A storm, joined over all workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StormRun {
    /// Who was cut and came back.
    pub back: Back,
    /// Deliveries to the bystanders before it.
    pub calm: Latency,
}

/// One stage of a run; its deliveries are those of the repeat in the same place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StageRun {
    /// As it was asked for.
    pub name: String,
    /// Who was cut in it and came back.
    pub back: Option<Back>,
}

impl Run {
    /// A run in which everybody is connected and nothing has been measured yet. `server` is the
    /// first of its processes, if they are on this host and known.
    #[must_use]
    pub(crate) fn new(
        command: &str,
        plan: &Plan,
        connected: Connected,
        server: Option<u32>,
    ) -> Self {
        let now = clock::unix();
        Self {
            command: command.to_owned(),
            plan: public(plan),
            own_node: false,
            server_cpus: server.and_then(sample::cpus_allowed),
            machine: sample::machine(),
            port_range: local_port_range(),
            started: now,
            epoch: now.saturating_sub(clock::now().since(Time::ZERO)),
            connected,
            repeats: Vec::new(),
            stages: Vec::new(),
            finished: Finished::default(),
            memory: None,
            idle: None,
            storm: None,
            metrics: Metrics::new(),
            notes: Vec::new(),
            drain: Duration::ZERO,
            samples: Vec::new(),
            intervals: Vec::new(),
        }
    }

    /// Enters what the server says of itself at the end, beside what it said before; a run is not
    /// lost with the server's word.
    pub(crate) fn enter_metrics(&mut self, before: &Metrics, after: Result<Metrics, Failure>) {
        match after {
            Ok(after) => self.metrics = metrics::difference(before, &after),
            Err(failure) => self.notes.push(failure.message),
        }
    }

    /// Reads it out of a report.
    ///
    /// # Errors
    /// When the text is no report of a run, or of another version.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Recorded {
            schema_version: u32,
            run: Run,
        }
        let recorded: Recorded = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if recorded.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "its form is version {}, this program reads version {}",
                recorded.schema_version, SCHEMA_VERSION
            ));
        }
        Ok(recorded.run)
    }
}

/// A plan without keys, and without paths and texts that may hold some.
fn public(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.headers = Headers::default();
    plan.ca = None;
    plan.on_open = None;
    plan.paths = Paths::default();
    plan.target.path = None;
    plan
}
