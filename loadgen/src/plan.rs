//! What a run will do: the options checked against each other and against the host, in the form
//! in which the workers get it.

use std::time::Duration;

use altavoz::base::TopicName;
use altavoz::io::uring;
use serde::{Deserialize, Serialize};

use crate::arms::{self, ArmPlan};
use crate::doctor::{DESCRIPTORS_RESERVED, raise_descriptors};
use crate::failure::Failure;
use crate::headers::Headers;
use crate::message::{Envelope, Message};
use crate::model::Arrivals;
use crate::num::{id, nanos};
use crate::options::{
    ConnectOptions, DriverKind, FanoutOptions, LoadOptions, Publish, ReadingOptions, TargetOptions,
};
use crate::paths::Paths;
use crate::sources::{SOURCE_PORTS_MAX, Sources};
use crate::stages;
use crate::stamp::STAMP_BYTES;
use crate::target::Target;
use crate::transport::Transport;
use crate::worker::tls::Authorities;

/// The most clients of one worker: what a descriptor limit of 20,000 leaves room for.
const WORKER_CLIENTS_MAX: u64 = 19_000;
/// Clients of one worker on io_uring, which needs no descriptors for them: a core's worth.
const URING_WORKER_CLIENTS_MAX: u64 = 1_100_000;

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
    /// The plan of `loadgen fanout` against a server.
    ///
    /// # Errors
    /// When options do not fit each other or the host.
    pub fn fanout(options: &FanoutOptions, target: Target) -> Result<Self, Failure> {
        let clients = options.load.clients;
        if options.slow_readers >= clients {
            return Err(Failure::usage(
                "--slow-readers: there must be clients that read, raise --clients",
            ));
        }
        let mut plan = Self::common(&options.target, &options.reading, &options.load, target)?;
        plan.topics = topics(&options.target)?;
        plan.slow = options.slow_readers;
        plan.subscribers = clients - plan.slow;
        plan.intervals = options.output.wants_intervals();
        plan.pace = match options.in_flight {
            Some(in_flight) => Pace::Closed { in_flight },
            None => Pace::Open {
                rate: options.rate.unwrap_or(10.0),
            },
        };
        plan.arrivals = options.arrivals;
        plan.crowd = options.crowd;
        plan.check_arms()?;
        let is_polled = plan.arms.iter().any(|arm| arm.transport.is_scheduled());
        stages::check(&options.stages, plan.crowd, plan.slow, is_polled)?;
        plan.finish(&options.load, &options.target)
    }

    /// The plan of `loadgen connect` against a server.
    ///
    /// # Errors
    /// When options do not fit each other or the host.
    pub fn connect(options: &ConnectOptions, target: Target) -> Result<Self, Failure> {
        let mut plan = Self::common(&options.target, &options.reading, &options.load, target)?;
        plan.crowd = options.load.clients;
        plan.until_full = options.until_full;
        plan.pace = Pace::Open { rate: options.rate };
        plan.intervals = options.output.wants_intervals();
        if options.storm {
            if plan.arms.iter().any(|arm| arm.transport.is_scheduled()) {
                return Err(Failure::usage(
                    "--storm: between polls nothing is held that could be cut, leave poll out",
                ));
            }
            let name = format!("{}-bystanders", options.target.topic);
            plan.topics = vec![topic(&name)?];
            plan.subscribers = options.bystanders;
        } else {
            plan.publish = PublishBy::Others;
        }
        plan.finish(&options.load, &options.target)
    }

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

    fn common(
        target: &TargetOptions,
        reading: &ReadingOptions,
        load: &LoadOptions,
        to: Target,
    ) -> Result<Self, Failure> {
        check_load(load)?;
        let timeout = reading.longpoll_timeout.map(|time| time.as_millis());
        let seed = load.seed.unwrap_or_else(|| fastrand::u64(..));
        Ok(Self {
            driver: load.driver,
            run: fastrand::u32(..),
            seed,
            ca: target.ca.clone(),
            insecure: target.insecure,
            arms: arms::arms(reading)?,
            keep_alive: !reading.no_keep_alive,
            etag: reading.etag,
            newest: reading.newest,
            longpoll_timeout_ms: timeout.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            topics: Vec::new(),
            crowd_topic: topic(&target.topic)?,
            paths: Paths::new(target.path.as_deref().or(to.path.as_deref()), &target.paths)?,
            on_open: on_open(target)?,
            envelope: Envelope::new(target.message.as_deref(), target.message_hex.as_deref())?,
            headers: Headers::new(
                &target.headers,
                target.origin.as_deref(),
                target.token.as_deref(),
            )?,
            head_bytes: reading.head_bytes.or_else(|| reading.header_preset.bytes()),
            publish_to: target.publish_to.clone(),
            target: to,
            publish: publish_by(target)?,
            publishers: load.publishers,
            streams: 0,
            size: load.size,
            pace: Pace::Open { rate: 10.0 },
            arrivals: Arrivals::Even,
            subscribers: 0,
            slow: 0,
            crowd: 0,
            connect_rate: load.connect_rate,
            workers: 1,
            intervals: false,
            pin: load.pin,
            source: load.source.clone(),
            until_full: false,
        })
    }

    /// Publishes at another server, if one is named.
    fn publish_elsewhere(&mut self, url: Option<&str>) -> Result<(), Failure> {
        let Some(url) = url else {
            return Ok(());
        };
        let target = Target::parse_http("--publish-url", url)?;
        target
            .path
            .as_deref()
            .map_or(Ok(()), |path| self.paths.publish_at(path))?;
        self.publish_to = Some(target);
        Ok(())
    }

    /// What `fanout` cannot do with every transport.
    fn check_arms(&self) -> Result<(), Failure> {
        if matches!(self.pace, Pace::Closed { .. })
            && self.arms.iter().any(|arm| arm.transport.is_scheduled())
        {
            return Err(Failure::usage(
                "--in-flight waits for every client, and polls come on their own timetable: \
                 use --rate",
            ));
        }
        if matches!(self.pace, Pace::Closed { .. }) && self.is_conflated() {
            return Err(Failure::usage(
                "--in-flight waits for every publication, and --conflate leaves some out: \
                 use --rate",
            ));
        }
        if self.slow > 0 && !self.arms.iter().all(|arm| arm.transport.is_push()) {
            return Err(Failure::usage(
                "--slow-readers: who polls and does not read is not there, use ws, sse or stream",
            ));
        }
        if self.on_open.is_some() && !self.has(Transport::Ws) {
            return Err(Failure::usage("--on-open is for ws"));
        }
        Ok(())
    }

    /// Clients that poll say by themselves what they know.
    fn check_headers(&self) -> Result<(), Failure> {
        let polls = self.has(Transport::Poll) || self.has(Transport::LongPoll);
        match self.headers.condition().filter(|_| polls) {
            Some(name) => Err(Failure::usage(format!(
                "--header {name}: polls and long polls say it themselves, see --etag"
            ))),
            None => Ok(()),
        }
    }

    fn finish(mut self, load: &LoadOptions, target: &TargetOptions) -> Result<Self, Failure> {
        self.publish_elsewhere(target.publish_url.as_deref())?;
        let topics = id(self.topics.len());
        self.streams = load.publishers.max(topics);
        match self.publish {
            // A WebSocket publishes to its own topic only.
            PublishBy::Ws => self.publishers = self.streams,
            PublishBy::Http => {}
            PublishBy::Others => self.publishers = 0,
        }
        if self.publish == PublishBy::Others && matches!(self.pace, Pace::Closed { .. }) {
            return Err(Failure::usage(
                "--in-flight needs a publisher of its own: leave --publish none out",
            ));
        }
        if self.has(Transport::Ask) {
            // Its clients' own questions are all that there is.
            self.publish = PublishBy::Others;
            self.publishers = 0;
        }
        let is_ours = |transport| self.paths.reading(transport, transport, "").is_none();
        if self.longpoll_timeout_ms.is_some() && !is_ours(Transport::LongPoll) {
            return Err(Failure::usage(
                "--longpoll-timeout is for servers with /topics: say it in the path instead",
            ));
        }
        let ours = self.arms.iter().all(|arm| is_ours(arm.transport));
        if self.is_conflated() && !ours {
            return Err(Failure::usage(
                "--conflate is for servers with /topics: say it in the path instead",
            ));
        }
        if (target.ca.is_some() || target.insecure) && !self.target.tls {
            return Err(Failure::usage("--ca and --insecure are for wss:// targets"));
        }
        self.check_headers()?;
        self.workers = workers(load.workers, load.driver, self.connections())?;
        self.sources()?;
        Ok(self)
    }
}

fn check_load(load: &LoadOptions) -> Result<(), Failure> {
    if load.driver == DriverKind::Uring {
        uring::probe().map_err(|missing| {
            Failure::usage(format!("--driver uring: {missing}; use --driver epoll"))
        })?;
    }
    if load.size < STAMP_BYTES {
        return Err(Failure::usage(format!(
            "--size {}: a publication carries a stamp of {STAMP_BYTES} bytes, use --size 64",
            load.size
        )));
    }
    if load.size > 16 * 1024 * 1024 {
        return Err(Failure::usage("--size: at most 16777216 bytes"));
    }
    Ok(())
}

fn workers(asked: Option<u32>, driver: DriverKind, connections: u64) -> Result<u32, Failure> {
    let room = raise_descriptors()
        .soft
        .saturating_sub(DESCRIPTORS_RESERVED);
    let each = match driver {
        DriverKind::Auto | DriverKind::Epoll => room.clamp(1, WORKER_CLIENTS_MAX),
        // Its connections are in tables of its own.
        DriverKind::Uring => URING_WORKER_CLIENTS_MAX,
    };
    let needed = connections.div_ceil(each).max(1);
    match asked.map(u64::from) {
        Some(asked) if asked < needed => Err(Failure::usage(format!(
            "--workers {asked}: {connections} connections need {needed} workers of at most {each} \
             each; see loadgen doctor --clients {connections}"
        ))),
        asked => {
            u32::try_from(asked.unwrap_or(needed)).map_err(|_| Failure::usage("too many workers"))
        }
    }
}

fn topics(options: &TargetOptions) -> Result<Vec<String>, Failure> {
    if options.topics == 1 {
        return Ok(vec![topic(&options.topic)?]);
    }
    (0..options.topics)
        .map(|i| topic(&format!("{}-{i}", options.topic)))
        .collect()
}

fn topic(name: &str) -> Result<String, Failure> {
    TopicName::new(name).map_err(|e| Failure::usage(format!("--topic {name}: {e}")))?;
    Ok(name.to_owned())
}

fn on_open(target: &TargetOptions) -> Result<Option<Message>, Failure> {
    let (text, hex) = (target.on_open.as_deref(), target.on_open_hex.as_deref());
    Message::new("--on-open", text, hex)
}

fn publish_by(target: &TargetOptions) -> Result<PublishBy, Failure> {
    match (target.publish, &target.publish_url) {
        (Publish::None, Some(_)) => Err(Failure::usage(
            "--publish-url needs a publisher: leave --publish none out",
        )),
        (Publish::Http, _) | (_, Some(_)) => Ok(PublishBy::Http),
        (Publish::Ws, None) => Ok(PublishBy::Ws),
        (Publish::None, None) => Ok(PublishBy::Others),
    }
}

/// What one round publishes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Course {
    /// How much.
    pub extent: Extent,
    /// From how many a second to how many, where that differs from the plan.
    pub rates: Option<(f64, f64)>,
    /// How much earlier publishing begins than measuring, in nanoseconds: polls find what was
    /// published in the interval before them.
    pub lead: u64,
}

impl From<Extent> for Course {
    fn from(extent: Extent) -> Self {
        Self {
            extent,
            rates: None,
            lead: 0,
        }
    }
}

/// How long a round publishes, for the publishing worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// At most so many publications.
    pub messages: u64,
    /// At most so long, in nanoseconds.
    pub nanos: u64,
}

impl Extent {
    /// From `--messages`, or else `--duration`.
    #[must_use]
    pub fn new(messages: Option<u64>, duration: Option<Duration>) -> Self {
        match messages {
            Some(messages) => Self {
                messages,
                nanos: u64::MAX,
            },
            None => Self::lasting(duration.unwrap_or(Duration::from_secs(10))),
        }
    }

    /// A time alone.
    #[must_use]
    pub fn lasting(duration: Duration) -> Self {
        Self {
            messages: u64::MAX,
            nanos: nanos(duration),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};

    fn plan(line: &str) -> Result<Plan, Failure> {
        let words = ["loadgen"].into_iter().chain(line.split(' '));
        let target = Target::parse("ws://127.0.0.1:9").expect("a target");
        match Cli::try_parse_from(words).expect(line).command {
            Command::Fanout(options) => Plan::fanout(&options, target),
            Command::Connect(options) => Plan::connect(&options, target),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_websocket_publishes_to_its_own_topic_only() {
        let plan = plan("fanout --topics 3").expect("a plan");
        assert_eq!((plan.publishers, plan.streams), (3, 3));
        assert_eq!(plan.topics[2], "loadgen-2");
    }

    #[test]
    fn a_poster_serves_several_topics() {
        let plan = plan("fanout --topics 3 --publish http --publishers 2").expect("a plan");
        assert_eq!((plan.publishers, plan.streams), (2, 3));
        assert_eq!(plan.stream_publisher(2), 0);
    }

    #[test]
    fn another_server_is_posted_to() {
        let plan = plan("fanout --publish-url http://127.0.0.1:7/pub?id={topic}").expect("a plan");
        assert_eq!(plan.publish, PublishBy::Http);
        assert_eq!(plan.paths.publishing("x"), "/pub?id=x");
        let port = plan.publish_to.map(|target| target.address.port());
        assert_eq!(port, Some(7));
    }

    #[test]
    fn each_arm_reads_every_topic_and_waits_for_its_stragglers() {
        let line = "fanout --topics 2 --transports sse,poll --interval 1s --interval 5s";
        let plan = plan(line).expect("a plan");
        let topics: Vec<_> = (0..6).map(|client| plan.client_topic(client)).collect();
        assert_eq!(topics, [0, 0, 0, 1, 1, 1]);
        assert_eq!(plan.drain(None), Duration::from_secs(7));
        assert_eq!(plan.drain(Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn everything_is_shared_out_once() {
        let mut plan = plan("fanout --clients 10").expect("a plan");
        plan.workers = 3;
        let shares: Vec<_> = (0..3).map(|i| plan.share(10, i)).collect();
        assert_eq!(shares.iter().map(|s| s.count).sum::<u32>(), 10);
        assert!(
            shares
                .windows(2)
                .all(|w| w[0].start + w[0].count == w[1].start)
        );
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let says = |line: &str, words: &str| {
            let failure = plan(line).expect_err(line);
            assert!(failure.message.contains(words), "{line}: {failure}");
            assert_eq!(failure.code, 2);
        };
        says("fanout --size 59", "--size 64");
        says("fanout --slow-readers 1000", "raise --clients");
        says("fanout --publish-url ws://127.0.0.1:7", "http://");
        says(
            "fanout --publish none --publish-url http://127.0.0.1:7",
            "--publish none",
        );
        says("fanout --message hello", "{payload}");
        says("fanout --on-open-hex 1", "digits");
        says("fanout --path topics", "begins with /");
        says("fanout --publish none --in-flight 2", "--publish none");
        says("fanout --header nonsense", "Name: value");
        says("fanout --transports ws,poll --in-flight 1", "--rate");
        says("fanout --transports longpoll --slow-readers 1", "stream");
        says("fanout --transports sse --on-open hello", "ws");
        says(
            "fanout --transports longpoll --longpoll-timeout 5s --path /x",
            "in the path",
        );
        says("connect --transports poll --storm", "--storm");
        says("fanout --conflate 1s --in-flight 1", "--rate");
        says("fanout --stage churn:1s:5", "--crowd");
        says("fanout --stage slow-readers:1s", "--slow-readers");
        says(
            "fanout --stage churn:1s:5 --crowd 5 --transports poll",
            "leave poll out",
        );
        says("fanout --conflate 1s --path /x", "in the path");
        says("fanout --ca file.pem", "wss://");
        says("fanout --topic ..", "--topic");
        says("connect --clients 1000000 --workers 1", "--workers 1");
    }
}
