//! Plans from options: what was asked for, checked against itself and against the host.

use altavoz::base::TopicName;
use altavoz::io::uring;

use super::arms;
use super::{Pace, Plan, PublishBy};
use crate::base::failure::Failure;
use crate::base::num::id;
use crate::base::transport::Transport;
use crate::host::doctor::{DESCRIPTORS_RESERVED, raise_descriptors};
use crate::measure::stamp::STAMP_BYTES;
use crate::model::Arrivals;
use crate::options::stage;
use crate::options::{
    ConnectOptions, DriverKind, FanoutOptions, LoadOptions, Publish, ReadingOptions, TargetOptions,
};
use crate::speak::headers::Headers;
use crate::speak::message::{Envelope, Message};
use crate::speak::paths::Paths;
use crate::speak::target::Target;

/// The most clients of one worker: what a descriptor limit of 20,000 leaves room for.
const WORKER_CLIENTS_MAX: u64 = 19_000;
/// Clients of one worker on io_uring, which needs no descriptors for them: a core's worth.
const URING_WORKER_CLIENTS_MAX: u64 = 1_100_000;

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
        stage::check(&options.stages, plan.crowd, plan.slow, is_polled)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
