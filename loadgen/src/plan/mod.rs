//! What a run will do: the options checked against each other and against the host, in the form
//! in which the workers get it.

pub mod arms;
mod checked;
pub mod course;
pub mod presets;
pub mod search;
pub mod workload;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::arms::ArmPlan;
use self::course::{Course, Extent};
use crate::base::failure::Failure;
use crate::base::num::id;
use crate::base::transport::Transport;
use crate::model::Arrivals;
use crate::options::DriverKind;
use crate::speak::headers::Headers;
use crate::speak::message::{Envelope, Message};
use crate::speak::paths::Paths;
use crate::speak::sources::{SOURCE_PORTS_MAX, Sources};
use crate::speak::target::Target;
use crate::speak::tls::Authorities;

/// One run, the same for all workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Tells this run's publications from others.
    pub run: u32,
    /// What is behind the event loops of the workers.
    pub driver: DriverKind,
    /// Of everything random.
    pub seed: u64,
    /// The server.
    pub target: Target,
    /// The file of certificate authorities.
    pub ca: Option<String>,
    /// Whether any certificate is taken.
    #[serde(default)]
    pub insecure: bool,
    /// How clients read, at least one arm.
    pub arms: Vec<ArmPlan>,
    /// Whether polls and long polls share a connection.
    pub keep_alive: bool,
    /// Whether polls ask for the newest publication alone, and do not say how far they are.
    pub newest: bool,
    /// Whether they say `If-None-Match` where `after=` is known too.
    pub etag: bool,
    /// How long a long poll asks to be held, in whole milliseconds.
    pub longpoll_timeout_ms: Option<u64>,
    /// The names of the topics.
    pub topics: Vec<String>,
    /// What a crowd connects to.
    pub crowd_topic: String,
    /// Where topics are.
    pub paths: Paths,
    /// What is sent first on each WebSocket.
    pub on_open: Option<Message>,
    /// What a publication looks like.
    pub envelope: Envelope,
    /// `--header`, `--origin` and `--token` together.
    pub headers: Headers,
    /// To how many bytes the heads of requests are filled up.
    pub head_bytes: Option<u32>,
    /// Who publishes.
    pub publish: PublishBy,
    /// Where publishers connect to, if not to the target.
    pub publish_to: Option<Target>,
    /// Publishing connections, all in the first worker.
    pub publishers: u32,
    /// Publishers times topics as far as they differ; see [`Plan::stream_publisher`].
    pub streams: u32,
    /// Bytes of a payload.
    pub size: usize,
    /// The timetable.
    pub pace: Pace,
    /// How an open loop's publications are spread over time.
    pub arrivals: Arrivals,
    /// Connections in the ledger.
    pub subscribers: u32,
    /// Connections that never read.
    pub slow: u32,
    /// Connections that are only there.
    pub crowd: u32,
    /// Connections a second over all workers.
    pub connect_rate: Option<f64>,
    /// Processes.
    pub workers: u32,
    /// Whether an interval log is wanted.
    pub intervals: bool,
    /// The core of the first worker.
    pub pin: Option<usize>,
    /// `--source`, checked.
    pub source: String,
    /// Whether more connections may be asked for than the addresses have ports.
    pub until_full: bool,
}

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PublishBy {
    /// WebSockets that carry nothing else.
    Ws,
    /// POST requests on connections that are kept.
    Http,
    /// Somebody else.
    Others,
}

/// When the next publication leaves.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Pace {
    /// On a timetable, so many a second.
    Open {
        /// Publications a second over all streams.
        rate: f64,
    },
    /// When an earlier one has arrived everywhere.
    Closed {
        /// Publications under way.
        in_flight: u32,
    },
}

/// One worker's part of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerPlan {
    /// The whole.
    pub plan: Plan,
    /// Which worker, from 0.
    pub worker: u32,
}

/// A contiguous part of something that is shared out evenly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// The first one.
    pub start: u32,
    /// How many.
    pub count: u32,
}

impl Plan {
    /// The topic of a client, counted over all workers: each arm reads every topic.
    #[must_use]
    pub fn client_topic(&self, client: u32) -> u32 {
        self.publisher_topic(client / id(self.arms.len()).max(1))
    }

    /// The topic of a publisher.
    #[must_use]
    pub fn publisher_topic(&self, publisher: u32) -> u32 {
        publisher % id(self.topics.len()).max(1)
    }

    /// Whether a server leaves out publications by design.
    #[must_use]
    pub fn is_conflated(&self) -> bool {
        self.arms.iter().any(|arm| arm.conflate_ms.is_some())
    }

    /// Whether any client reads that way.
    #[must_use]
    pub fn has(&self, transport: Transport) -> bool {
        self.arms.iter().any(|arm| arm.transport == transport)
    }

    /// How long stragglers are waited for if nothing else is said: polls come late by nature.
    #[must_use]
    pub fn drain(&self, asked: Option<Duration>) -> Duration {
        let longest = self.arms.iter().map(ArmPlan::patience).max().unwrap_or(0);
        asked.unwrap_or_else(|| Duration::from_secs(2) + Duration::from_nanos(longest))
    }

    /// A round of this plan: publishing begins one interval of the slowest poller earlier,
    /// unless publications are counted, or nobody publishes here on a timetable.
    #[must_use]
    pub fn course(&self, extent: Extent) -> Course {
        let is_timed = matches!(self.pace, Pace::Open { .. }) && extent.messages == u64::MAX;
        let longest = self.arms.iter().map(ArmPlan::patience).max().unwrap_or(0);
        let leads = is_timed && self.publish != PublishBy::Others;
        Course {
            lead: if leads { longest } else { 0 },
            ..Course::from(extent)
        }
    }

    /// The publishing connection of a stream.
    #[must_use]
    pub fn stream_publisher(&self, stream: u32) -> u32 {
        stream % self.publishers.max(1)
    }

    /// Streams that the topic with most has.
    #[must_use]
    pub fn streams_per_topic(&self) -> usize {
        (self.streams as usize).div_ceil(self.topics.len().max(1))
    }

    /// A worker's part of `total`.
    #[must_use]
    pub fn share(&self, total: u32, worker: u32) -> Share {
        let at = |i: u32| {
            let before = u64::from(total) * u64::from(i) / u64::from(self.workers);
            u32::try_from(before).unwrap_or(u32::MAX)
        };
        Share {
            start: at(worker),
            count: at(worker + 1) - at(worker),
        }
    }

    /// The source address of a connection, counted over all workers.
    ///
    /// # Errors
    /// Never after the plan was checked.
    pub fn sources(&self) -> Result<Sources, Failure> {
        let target = self.target.address.ip();
        Sources::parse(&self.source, target, self.connections(), self.ports())
    }

    /// Connections that one source address is good for.
    fn ports(&self) -> u64 {
        if self.until_full {
            u64::MAX
        } else {
            SOURCE_PORTS_MAX
        }
    }

    /// Finds the address that answers, of each server whose name has several.
    ///
    /// # Errors
    /// When there is a server of which none does.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let connections = self.connections();
        let (source, ports) = (self.source.clone(), self.ports());
        self.target.settle(|address| {
            Sources::parse(&source, address, connections, ports)
                .is_ok_and(|sources| sources.fit(address, connections))
        })?;
        if let Some(to) = &mut self.publish_to {
            to.settle(|_| true)?;
        }
        self.sources()?.check_family(self.target.address)
    }

    /// Whose certificates are believed.
    #[must_use]
    pub fn authorities(&self) -> Authorities<'_> {
        match &self.ca {
            _ if self.insecure => Authorities::Anybody,
            Some(path) => Authorities::File(path),
            None => Authorities::Host,
        }
    }

    /// All connections of the run.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let kinds = [self.subscribers, self.slow, self.crowd, self.publishers];
        kinds.into_iter().map(u64::from).sum()
    }
}
