//! Starts and stops the node: listeners, threads and their cores, signals, the drain.
//!
//! The main thread runs no event loop. It starts the shards, waits for a signal, and sees that
//! they end; what a drain does to a connection is the shard's.

mod error;
mod event;
mod listeners;
mod manager;
mod signals;
mod terminal;
mod threads;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use error::ServeError;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use self::event::NodeEvent;
use self::listeners::Listeners;
use self::manager::Watchdog;
use self::terminal::Terminal;
use self::threads::{ThreadParts, Threads};
use crate::base::{HashKey, Time, clock};
use crate::config::{BoundListener, Plan};
use crate::http::{AllowedOrigin, AllowedOriginError, Policy};
use crate::mesh::{Control, NodeState};
use crate::metrics::{self, CloseReason, NodeMetrics, ShardMetrics};
use crate::session::Rules;
use crate::shard::{Pages, Settings};

/// The dashboard.
const DASHBOARD: &str = include_str!("page/index.html");
/// One topic by every transport.
const COMPARE: &str = include_str!("page/compare.html");
/// The client that falls back.
const CLIENT: &str = include_str!("page/altavoz.js");
/// What both pages have in common.
const COMMON: &str = include_str!("page/page.js");

/// How often the main thread looks whether a drain is over.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Within this time a second request to stop is the first one again: what runs a program for
/// others, such as `timeout` or `npm`, sends it to the process and to its whole group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// What a drain may take longer than its window and the linger of its last close.
const DRAIN_SLACK: Duration = Duration::from_secs(1);

/// Runs the node until it is asked to stop, and calls `announce` when its listeners are there.
///
/// # Errors
/// When it cannot start, or fails while it runs.
pub fn serve(plan: Plan, announce: impl FnOnce(&[BoundListener])) -> Result<(), ServeError> {
    crate::io::sys::raise_descriptor_limit();
    let (tell, hear) = unbounded();
    signals::watch(tell.clone()).map_err(|e| start("cannot watch for signals", &e))?;
    let mut node = Node::start(plan, tell)?;
    announce(node.threads.bound());
    manager::ready();
    let result = node.run(&hear);
    node.threads.join();
    result
}

/// A node that runs.
struct Node {
    plan: Plan,
    state: Arc<NodeState>,
    metrics: Vec<Arc<ShardMetrics>>,
    threads: Threads,
    terminal: Terminal,
    watchdog: Option<Watchdog>,
}

impl Node {
    fn start(plan: Plan, tell: Sender<NodeEvent>) -> Result<Self, ServeError> {
        let shards = plan.shards.value;
        let listeners = Listeners::bind(&plan, shards)?;
        let limits = &plan.limits;
        let state = NodeState::new(
            plan.max_connections.value,
            limits.reserve_connections,
            limits.node_outbox_bytes_max,
        );
        let metrics: Vec<Arc<ShardMetrics>> =
            (0..shards).map(|_| Arc::new(ShardMetrics::new())).collect();
        let common = ThreadParts {
            settings: Arc::new(settings(&plan, &listeners, &metrics)?),
            node: state,
            metrics,
            tell,
        };
        let threads = Threads::start(&plan, listeners, &common)
            .map_err(|error| start("cannot start an event loop", &error))?;
        Ok(Self {
            plan,
            state: common.node,
            metrics: common.metrics,
            threads,
            terminal: Terminal::look(),
            watchdog: Watchdog::of_manager(),
        })
    }

    fn run(&mut self, hear: &Receiver<NodeEvent>) -> Result<(), ServeError> {
        loop {
            match self.next(hear, Duration::MAX) {
                Some(NodeEvent::Asked) => return self.drain(hear),
                Some(NodeEvent::HungUp) if self.terminal.is_gone() => {
                    tracing::info!("the terminal that this node was started from is gone");
                    return self.drain(hear);
                }
                Some(NodeEvent::HungUp) => {
                    NodeEvent::HungUp.note();
                    manager::reloaded();
                }
                Some(NodeEvent::Ended(Err(error))) => return Err(self.give_up(error)),
                Some(NodeEvent::Ended(Ok(()))) => {
                    return Err(self.give_up("an event loop ended by itself".to_owned()));
                }
                Some(other) => other.note(),
                None => {}
            }
        }
    }

    /// Asks the shards to close everything, and waits until they have.
    fn drain(&mut self, hear: &Receiver<NodeEvent>) -> Result<(), ServeError> {
        let (grace, window) = (self.plan.drain_grace, self.plan.drain);
        let longest = grace + window + self.plan.limits.close_linger + DRAIN_SLACK;
        manager::stopping(longest);
        tracing::info!(
            connections = self.state.connections(),
            grace_ms = millis(grace),
            drain_ms = millis(window),
            "stopping: closes are spread over the drain, a second signal cuts it short",
        );
        self.state.set_draining();
        self.threads.tell(Control::Drain { grace, window });
        let begun = clock::now();
        while !self.is_drained(begun + grace, begun + longest) {
            match self.next(hear, DRAIN_LOOK) {
                Some(NodeEvent::Asked) if clock::now() < begun + SAME_REQUEST => {}
                Some(NodeEvent::Asked) => {
                    let message = "a second signal cut the drain short";
                    return Err(self.give_up(message.to_owned()));
                }
                Some(NodeEvent::Ended(Err(error))) => return Err(self.give_up(error)),
                Some(NodeEvent::Ended(Ok(()))) => break,
                Some(other) => other.note(),
                None => {}
            }
        }
        self.summarize(begun);
        self.threads.tell(Control::Stop);
        Ok(())
    }

    /// What happens next, if anything does within `longest`; the watchdog looks meanwhile.
    fn next(&mut self, hear: &Receiver<NodeEvent>, longest: Duration) -> Option<NodeEvent> {
        let mut wait = longest;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.look(&self.metrics, |control| self.threads.tell(control));
            wait = wait.min(watchdog.due_in());
        }
        match hear.recv_timeout(wait) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // The threads hold its other end, and say before they end.
            Err(RecvTimeoutError::Disconnected) => Some(NodeEvent::Ended(Ok(()))),
        }
    }

    fn is_drained(&self, grace_ends: Time, at_latest: Time) -> bool {
        let now = clock::now();
        now >= at_latest || (now >= grace_ends && self.state.connections() == 0)
    }

    fn summarize(&self, begun: Time) {
        let closed = |reason| {
            self.metrics
                .iter()
                .map(|m| m.closes.get(reason))
                .sum::<u64>()
        };
        tracing::info!(
            drained = closed(CloseReason::Draining),
            forced = self.state.connections(),
            took_ms = millis(clock::now().since(begun)),
            "stopped",
        );
    }

    fn give_up(&self, why: String) -> ServeError {
        self.threads.tell(Control::Stop);
        ServeError::Run(why)
    }
}

fn settings(
    plan: &Plan,
    listeners: &Listeners,
    metrics: &[Arc<ShardMetrics>],
) -> Result<Settings, ServeError> {
    let rules = Rules {
        limits: plan.limits.clone(),
        policy: policy(plan)?,
        doors: listeners.doors(),
        trusted_proxies: plan.trusted_proxies.clone(),
    };
    let node = NodeMetrics {
        started: clock::unix(),
        version: env!("CARGO_PKG_VERSION"),
        driver: plan.driver.value.word(),
        max_connections: plan.max_connections.value,
    };
    let metrics = metrics.to_vec();
    let pages = Pages {
        dashboard: DASHBOARD,
        compare: COMPARE,
        client: CLIENT,
        common: COMMON,
        metrics: Box::new(move |format| metrics::render(&metrics, &node, format)),
    };
    Ok(Settings {
        rules: Arc::new(rules),
        hash_key: hash_key(),
        coalesce: plan.coalesce,
        pages,
    })
}

fn policy(plan: &Plan) -> Result<Policy, ServeError> {
    let origins: Result<Vec<AllowedOrigin>, ServeError> = plan
        .allow_origins
        .iter()
        .map(|origin| {
            let wrong = |error: AllowedOriginError| {
                ServeError::Start(format!("--allow-origin {origin}: {error}"))
            };
            origin.parse::<AllowedOrigin>().map_err(wrong)
        })
        .collect();
    Ok(Policy {
        publish_key: plan.publish_key.clone(),
        anonymous: plan.anonymous.value,
        foreign_tokens: plan.foreign_tokens,
        subprotocols: plan.subprotocols.clone(),
        allow_origins: origins?,
        echo: plan.echo,
        admin_elsewhere: plan.admin_listen.is_some(),
    })
}

/// Two numbers that nobody outside can guess.
fn hash_key() -> HashKey {
    let draw = || RandomState::new().hash_one(0);
    HashKey(draw(), draw())
}

/// A thread that cannot be started fails with an error that names no limit.
fn start(what: &str, error: &io::Error) -> ServeError {
    let hint = match error.kind() {
        io::ErrorKind::WouldBlock => THREAD_LIMIT,
        io::ErrorKind::OutOfMemory => {
            "; there is too little memory, or the limit of locked memory (`ulimit -l`, \
             LimitMEMLOCK=) is too low for --driver uring"
        }
        _ => "",
    };
    ServeError::Start(format!("{what}: {error}{hint}"))
}

/// What may keep a thread from being started.
pub const THREAD_LIMIT: &str = "; a limit on processes and threads is reached: raise `ulimit -u`, \
    TasksMax= in the systemd unit or pids.max of the control group";

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
