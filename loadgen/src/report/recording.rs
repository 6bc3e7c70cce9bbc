//! What a run brought, before it is put into figures: everything that was counted, and every
//! histogram. It stands in the JSON of a report, so that one can be drawn again and the runs of
//! several generators can be joined without loss.

use std::time::Duration;

use altavoz::base::{Time, clock};
use serde::{Deserialize, Serialize};

use crate::crew::{Crew, Sample};
use crate::failure::Failure;
use crate::headers::Headers;
use crate::paths::Paths;
use crate::plan::Plan;
use crate::protocol::{Back, Finished, IntervalNote};
use crate::run::metrics_url::{self, Metrics};
use crate::run::{Connected, Measured, Server};
use crate::sample::{self, Machine};
use crate::stats::Latency;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
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
pub struct Memory {
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
pub struct StormRun {
    /// Who was cut and came back.
    pub back: Back,
    /// Deliveries to the bystanders before it.
    pub calm: Latency,
}

/// One stage of a run; its deliveries are those of the repeat in the same place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRun {
    /// As it was asked for.
    pub name: String,
    /// Who was cut in it and came back.
    pub back: Option<Back>,
}

impl Run {
    /// A run in which everybody is connected and nothing has been measured yet.
    #[must_use]
    pub fn new(command: &str, plan: &Plan, server: &Server, connected: Connected) -> Self {
        let now = clock::unix();
        Self {
            command: command.to_owned(),
            plan: public(plan),
            own_node: server.is_own(),
            server_cpus: server.pids.first().copied().and_then(sample::cpus_allowed),
            machine: sample::machine(),
            port_range: crate::doctor::local_port_range(),
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
    pub fn enter_metrics(&mut self, before: &Metrics, after: Result<Metrics, Failure>) {
        match after {
            Ok(after) => self.metrics = metrics_url::difference(before, &after),
            Err(failure) => self.notes.push(failure.message),
        }
    }

    /// Takes over what the crew saw, and how it ended.
    #[must_use]
    pub fn finish(mut self, crew: &mut Crew, finished: Finished) -> Self {
        self.samples = std::mem::take(&mut crew.samples);
        self.intervals = std::mem::take(&mut crew.intervals);
        self.finished = finished;
        self
    }

    /// Reads it out of a report.
    ///
    /// # Errors
    /// When the text is no report of a run, or of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Recorded {
            schema_version: u32,
            run: Run,
        }
        let recorded: Recorded = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if recorded.schema_version != super::SCHEMA_VERSION {
            return Err(format!(
                "its form is version {}, this program reads version {}",
                recorded.schema_version,
                super::SCHEMA_VERSION
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
