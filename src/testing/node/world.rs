//! Lets a run happen: time passes, shards and clients get their turns in random order, and after
//! each turn what must always hold is asserted.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::line::{Client, ClientContext};
use super::model::{self, Model};
use super::plan::{RunPlan, millis, percent, profile};
use super::poller::Poller;
use super::poster::Poster;
use super::report::{Milestone, Report};
use super::streamer::Streamer;
use super::subscriber::{Subscriber, SubscriberManner};
use super::temper::Temper;
use super::verdict;
use super::visitor::Visitor;
use crate::base::{HashKey, Time};
use crate::config::ForeignTokens;
use crate::http::{Door, Policy};
use crate::io::Driver;
use crate::mesh::{Control, Joint, Mesh, NodeState, Remote};
use crate::metrics::{DropReason, RefuseReason, ShardMetrics};
use crate::session::Rules;
use crate::shard::{Pages, Parts, Settings, Shard};
use crate::testing::sim::{Profile, SimDriver, SimListener, SimNet, SimSocket};

/// How long nobody publishes any more and everybody reads, before the end is judged.
const QUIET: Duration = Duration::from_secs(20);

/// How long the node has to forget everything: longer than every timeout and than history.
const END: Duration = Duration::from_secs(45);

/// How long a shard may be held back. Shorter than a pong may take.
const STALL_MILLIS: u64 = 120;

/// One run.
struct World {
    plan: RunPlan,
    rng: Rng,
    net: SimNet,
    listener: SimListener,
    node: WorldNode,
    model: Model,
    report: Report,
    clients: Vec<Box<dyn Client>>,
    /// When the clients that are still to come do; the latest first.
    arrivals: Vec<Time>,
    phase: WorldPhase,
    trace: bool,
}

/// The shards, and what is needed to drive them.
struct WorldNode {
    shards: Vec<Shard<SimDriver>>,
    /// No turn for a shard before this.
    stalled: Vec<Time>,
    remotes: Vec<Remote<SimSocket>>,
    state: Arc<NodeState>,
    metrics: Vec<Arc<ShardMetrics>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WorldPhase {
    /// Clients come, go and publish.
    Busy,
    /// Nobody publishes; everybody reads.
    Quiet,
    /// Everybody goes.
    End,
}

/// Runs the node and the clients that `seed` stands for, and asserts all that must hold.
/// With `trace` it prints what happens.
///
/// # Panics
/// When something does not hold.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Report {
    let mut world = World::new(seed, trace);
    let begun = world.net.now();
    world.let_pass(begun + world.plan.busy);
    world.phase = WorldPhase::Quiet;
    world.let_pass(begun + world.plan.busy + QUIET);
    world.check_drain();
    world.phase = WorldPhase::End;
    world.everybody_leaves();
    world.let_pass(begun + world.plan.busy + QUIET + END);
    world.check_end();
    world.report
}

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = RunPlan::draw(&mut rng);
        let net = SimNet::new(rng.u64(..), Profile::smooth());
        let listener = net.listener();
        let node = WorldNode::new(&plan, &net, listener, &mut rng);
        let now = net.now();
        let mut arrivals: Vec<Time> = (0..plan.clients)
            .map(|_| now + plan.busy.mul_f64(rng.f64() * 0.9))
            .collect();
        arrivals.sort_unstable_by(|a, b| b.cmp(a));
        let mut world = Self {
            plan,
            rng,
            net,
            listener,
            node,
            model: Model::default(),
            report: Report::default(),
            clients: Vec::new(),
            arrivals,
            phase: WorldPhase::Busy,
            trace,
        };
        world.cx().0.trace(|| format!("seed {seed}"));
        let plan = format!("{:?}", world.plan);
        world.cx().0.trace(|| plan);
        world.begin_witnesses();
        world
    }

    fn begin_witnesses(&mut self) {
        if !self.plan.witnesses {
            return;
        }
        for topic in 0..self.plan.topics.len() {
            self.begin_witness(topic, 0);
            let kind = self.rng.u8(1..4);
            self.begin_witness(topic, kind);
        }
    }

    /// Somebody who reads at once and stays, one way or another.
    fn begin_witness(&mut self, topic: usize, kind: u8) {
        let temper = Temper::witness();
        let often = if kind == 3 { 100 } else { 30 };
        let conflate = self.plan.some_interval(&mut self.rng, often);
        let conflate = conflate.filter(|_| kind > 0);
        match kind {
            1 => self.begin(|cx, name, peer| {
                Box::new(Streamer::new(cx, (name, topic), peer, temper, conflate))
            }),
            2 => {
                self.begin(|cx, name, peer| Box::new(Poller::new(cx, (name, topic), peer, temper)))
            }
            _ => {
                let manner = SubscriberManner {
                    temper,
                    conflate,
                    publishes: false,
                    silent: false,
                    lags: false,
                    rude: false,
                };
                self.begin(|cx, name, peer| {
                    Box::new(Subscriber::new(cx, (name, topic), peer, manner))
                });
            }
        }
    }

    fn begin(
        &mut self,
        make: impl FnOnce(
            &mut ClientContext<'_>,
            usize,
            crate::testing::sim::SimPeer,
        ) -> Box<dyn Client>,
    ) {
        let peer = self.net.connect(self.listener);
        let name = self.clients.len();
        let (mut cx, _) = self.cx();
        let client = make(&mut cx, name, peer);
        self.clients.push(client);
    }

    fn cx(&mut self) -> (ClientContext<'_>, &mut Vec<Box<dyn Client>>) {
        let cx = ClientContext {
            now: self.net.now(),
            plan: &self.plan,
            rng: &mut self.rng,
            model: &mut self.model,
            report: &mut self.report,
            is_quiet: self.phase != WorldPhase::Busy,
            is_judged: self.phase == WorldPhase::Quiet,
            is_draining: self.node.state.is_draining(),
            trace: self.trace,
        };
        (cx, &mut self.clients)
    }

    fn let_pass(&mut self, until: Time) {
        while self.net.now() < until {
            self.take_arrivals();
            self.perhaps_drain();
            self.step_clients();
            self.turn_shards();
            self.pass_time(until);
        }
    }

    /// To the next moment at which something happens, or a little further than now.
    fn pass_time(&mut self, until: Time) {
        let now = self.net.now();
        let shards = self.node.shards.iter().zip(&self.node.stalled);
        let shards =
            shards.filter_map(|(shard, stalled)| Some(shard.next_deadline()?.max(*stalled)));
        let clients = self.clients.iter().map(|client| client.wakes_at());
        let drain = self.plan.drain.map(|drain| drain.begins());
        let next = shards
            .chain(clients)
            .chain(drain.filter(|at| *at > now))
            .chain(self.net.next_event())
            .chain(self.arrivals.last().copied())
            .min()
            .unwrap_or(until);
        let a_little = now + Duration::from_micros(self.rng.u64(1..500));
        let to = next.max(a_little).min(until);
        self.net.advance(to.since(now));
    }

    fn take_arrivals(&mut self) {
        let now = self.net.now();
        while self.arrivals.pop_if(|at| *at <= now).is_some() {
            self.begin_client(now);
        }
    }

    fn begin_client(&mut self, now: Time) {
        let rng = &mut self.rng;
        let profile = profile(rng);
        let far = profile.delay_max > Duration::ZERO;
        let longest = self.plan.limits.outbox_bytes_max + self.plan.frame_bytes_max();
        let lags = far && longest > 2_000;
        let lossy = profile.resets_percent > 0;
        self.net.set_profile(profile);
        let stays = percent(rng, if self.plan.crowd { 70 } else { 40 });
        let leaves = now + millis(rng, 0..8_000);
        let leaves = if stays { Time::NEVER } else { leaves };
        let mut temper = Temper {
            far,
            lossy,
            ..Temper::draw(rng, leaves)
        };
        if self.plan.restless {
            temper.leave_soon(rng, now);
        }
        let leaves = temper.leaves;
        let conflate = self.plan.some_interval(rng, 30);
        let topic = rng.usize(..self.plan.topics.len());
        let polls = self.plan.crowd && percent(rng, 85);
        let streams = self.plan.crowd_streams && percent(rng, 85);
        let kind = match () {
            () if streams => 7,
            () if polls => 11,
            () => rng.u8(0..20),
        };
        match kind {
            0..7 => {
                let manner = manner(rng, temper, conflate, lags);
                self.begin(|cx, name, peer| {
                    Box::new(Subscriber::new(cx, (name, topic), peer, manner))
                });
            }
            7..11 => self.begin(|cx, name, peer| {
                Box::new(Streamer::new(cx, (name, topic), peer, temper, conflate))
            }),
            11..14 => {
                self.begin(|cx, name, peer| Box::new(Poller::new(cx, (name, topic), peer, temper)))
            }
            14..19 => self.begin(|cx, name, peer| Box::new(Poster::new(cx, name, peer, leaves))),
            _ => self.begin(|cx, name, peer| Box::new(Visitor::new(cx, name, peer, leaves))),
        }
        self.net.set_profile(Profile::smooth());
    }

    fn perhaps_drain(&self) {
        let Some(drain) = self.plan.drain else {
            return;
        };
        let state = &self.node.state;
        if !state.is_draining() && self.net.now() >= drain.begins() {
            state.set_draining();
            let (grace, window) = (drain.grace, drain.window);
            let remotes = self.node.remotes.iter();
            remotes.for_each(|remote| remote.send(Control::Drain { grace, window }));
        }
    }

    /// Long after a drain no client is left, without having gone by itself.
    fn check_drain(&self) {
        let state = &self.node.state;
        let left = state.connections();
        assert!(
            !state.is_draining() || left == 0,
            "{left} connections outlived the drain"
        );
    }

    fn step_clients(&mut self) {
        let (mut cx, clients) = self.cx();
        for client in clients {
            client.step(&mut cx);
        }
    }

    fn turn_shards(&mut self) {
        let mut order: Vec<usize> = (0..self.node.shards.len()).collect();
        self.rng.shuffle(&mut order);
        for shard in order {
            let now = self.net.now();
            if self.node.stalled[shard] > now {
                continue;
            }
            self.node.shards[shard]
                .turn(Some(Duration::ZERO))
                .expect("the simulator works");
            self.node.check(&self.plan);
            let (fan_outs, answers) = self.node.shards[shard].flushes_under_way();
            self.report.add(Milestone::LongFanOuts, fan_outs as u64);
            self.report.add(Milestone::LongAnswers, answers as u64);
            if self.phase == WorldPhase::Busy && percent(&mut self.rng, self.plan.stalls_percent) {
                self.node.stalled[shard] = now + millis(&mut self.rng, 0..STALL_MILLIS);
            }
        }
    }

    fn everybody_leaves(&mut self) {
        let (mut cx, clients) = self.cx();
        for client in clients {
            client.leave(&mut cx);
        }
    }

    /// Every connection has ended properly, nothing is left anywhere, and what was read is what
    /// was promised.
    fn check_end(&mut self) {
        let (cx, clients) = self.cx();
        for client in clients.iter() {
            client.check_end(&cx);
        }
        self.node.check_rest();
        assert_eq!(
            self.net.connections(),
            0,
            "the network has a connection left"
        );
        verdict::judge(&self.model, &self.plan, &mut self.report);
        self.count();
    }

    fn count(&mut self) {
        let counts = self.net.counts();
        let report = &mut self.report;
        report.note_history(self.net.history());
        report.add(Milestone::ShortSends, counts.short_sends);
        report.add(Milestone::PendingSends, counts.pending_sends);
        report.add(Milestone::Broken, counts.resets);
        report.add(Milestone::Epochs, model::epochs(&self.model) as u64);
        for metrics in &self.node.metrics {
            report.add(
                Milestone::CreditRefusals,
                metrics.publish_refusals.get(RefuseReason::NoCredit),
            );
            report.add(
                Milestone::BudgetDrops,
                metrics.drops.get(DropReason::NodeBudget),
            );
            let handed = self.plan.shared_door && self.plan.shards > 1;
            report.add(
                Milestone::Adopted,
                u64::from(handed) * metrics.connections_opened.get(),
            );
        }
    }
}

impl WorldNode {
    fn new(plan: &RunPlan, net: &SimNet, listener: SimListener, rng: &mut Rng) -> Self {
        let limits = &plan.limits;
        let state = NodeState::new(
            plan.connections_max,
            limits.reserve_connections,
            limits.node_outbox_bytes_max,
        );
        let settings = Arc::new(settings(plan, rng));
        let drivers: Vec<SimDriver> = (0..plan.shards).map(|_| listening(net, listener)).collect();
        let joints: Vec<Joint<SimSocket>> = drivers.iter().map(|d| Joint::new(d.waker())).collect();
        let remotes = joints.iter().map(Joint::remote).collect();
        let meshes = Mesh::connect(joints, limits.mesh_credits_per_pair);
        let (mut shards, mut all_metrics) = (Vec::new(), Vec::new());
        for (driver, mesh) in drivers.into_iter().zip(meshes) {
            let (clock, wall) = (net.clone(), net.clone());
            let metrics = Arc::new(ShardMetrics::new());
            all_metrics.push(Arc::clone(&metrics));
            let parts = Parts {
                settings: Arc::clone(&settings),
                node: Arc::clone(&state),
                metrics,
                mesh,
                clock: Box::new(move || clock.now()),
                wall: Box::new(move || wall.wall()),
                seed: rng.u64(..),
            };
            shards.push(Shard::new(driver, parts));
        }
        Self {
            stalled: vec![Time::ZERO; shards.len()],
            shards,
            remotes,
            state,
            metrics: all_metrics,
        }
    }

    /// What holds between any two turns.
    fn check(&self, plan: &RunPlan) {
        let credits = plan.limits.mesh_credits_per_pair as usize;
        // The drain is outside the credits.
        let backlog_max = 2 * plan.shards * credits + 1;
        for shard in &self.shards {
            shard.check_invariants();
            let backlog = shard.inbox_backlog();
            assert!(
                backlog <= backlog_max,
                "{backlog} messages wait in an inbox"
            );
            let waiting = shard.largest_backlog();
            assert!(waiting <= credits, "{waiting} wait behind a flush");
            let (of_reader, of_answers) = shard.largest_outbox_bytes();
            let peaks = (plan.outbox_bytes_peak(), plan.answer_bytes_peak());
            assert!(of_reader <= peaks.0, "an outbox holds {of_reader} bytes");
            assert!(of_answers <= peaks.1, "answers hold {of_answers} bytes");
        }
    }

    fn check_rest(&self) {
        assert_eq!(self.state.connections(), 0, "a permit is not back");
        assert_eq!(self.state.outbox_bytes(), 0, "outbox memory is not back");
        for (shard, metrics) in self.shards.iter().zip(&self.metrics) {
            assert!(shard.is_at_rest(), "a shard is not at rest");
            assert_eq!(metrics.topics.get(), 0, "a topic is left");
            assert_eq!(metrics.history_publications.get(), 0, "history is left");
            assert_eq!(metrics.connections.get(), 0, "a connection is counted");
            assert_eq!(metrics.websockets.get(), 0, "a WebSocket is counted");
            assert_eq!(metrics.event_streams.get(), 0, "a stream is counted");
            assert_eq!(metrics.line_streams.get(), 0, "a stream is counted");
            assert_eq!(metrics.long_polls.get(), 0, "a long poll is counted");
            assert_eq!(metrics.outbox_bytes.get(), 0, "outbox bytes are counted");
            assert_eq!(metrics.subscriptions.get(), 0, "a subscription is counted");
        }
    }
}

fn listening(net: &SimNet, listener: SimListener) -> SimDriver {
    let mut driver = SimDriver::new(net);
    driver.listen(listener).expect("the simulator listens");
    driver
}

fn settings(plan: &RunPlan, rng: &mut Rng) -> Settings {
    let policy = Policy {
        publish_key: None,
        anonymous: plan.anonymous,
        foreign_tokens: ForeignTokens::Ignore,
        subprotocols: Vec::new(),
        allow_origins: Vec::new(),
        echo: false,
        admin_elsewhere: false,
    };
    let door = Door {
        unix: plan.shared_door,
        ..Door::default()
    };
    let rules = Rules {
        limits: plan.limits.clone(),
        policy,
        doors: vec![door],
        trusted_proxies: Vec::new(),
    };
    Settings {
        rules: Arc::new(rules),
        hash_key: HashKey(rng.u64(..), rng.u64(..)),
        coalesce: plan.coalesce,
        pages: Pages {
            dashboard: "",
            compare: "",
            client: "",
            common: "",
            metrics: Box::new(|_| String::new()),
        },
    }
}

fn manner(
    rng: &mut Rng,
    temper: Temper,
    conflate: Option<Duration>,
    lags: bool,
) -> SubscriberManner {
    SubscriberManner {
        temper,
        conflate,
        publishes: percent(rng, 50),
        silent: percent(rng, 8),
        lags,
        rude: percent(rng, 8),
    }
}
