//! One thread a shard, each on a core of its own as far as there are cores.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;
use crossbeam_channel::Sender;

use super::event::NodeEvent;
use super::listeners::Listeners;
use crate::base::clock;
use crate::config::{BoundListener, DriverKind, Limits, Plan};
use crate::io::{Driver, EpollDriver, EpollOptions, ListenSocket, UringDriver, UringOptions};
use crate::mesh::{Control, Joint, Mesh, NodeState};
use crate::metrics::ShardMetrics;
use crate::shard::{Parts, Settings, Shard};

/// Sockets that wait to be closed since the node is full, for each shard: beyond them newcomers
/// wait in the backlog.
const UNWANTED_MAX: usize = 64;

/// The running shards.
pub(super) struct Threads {
    bound: Vec<BoundListener>,
    tell: Box<dyn Fn(Control)>,
    handles: Vec<JoinHandle<()>>,
}

/// What all shards are started with.
pub(super) struct ThreadParts {
    pub(super) settings: Arc<Settings>,
    pub(super) node: Arc<NodeState>,
    /// Each shard's.
    pub(super) metrics: Vec<Arc<ShardMetrics>>,
    /// Where the end of one is told.
    pub(super) tell: Sender<NodeEvent>,
}

impl Threads {
    /// Starts a thread for each shard.
    pub(super) fn start(
        plan: &Plan,
        listeners: Listeners,
        common: &ThreadParts,
    ) -> io::Result<Self> {
        let bound = listeners.bound().to_vec();
        let sockets = listeners.into_sockets();
        match plan.driver.value {
            DriverKind::Uring => {
                let options = uring_options(plan);
                let drivers = drivers(sockets, || UringDriver::new(options.clone()))?;
                Self::on(drivers, bound, common)
            }
            DriverKind::Epoll => {
                let options = epoll_options(&plan.limits);
                let drivers = drivers(sockets, || EpollDriver::new(options.clone()))?;
                Self::on(drivers, bound, common)
            }
        }
    }

    fn on<D>(drivers: Vec<D>, bound: Vec<BoundListener>, common: &ThreadParts) -> io::Result<Self>
    where
        D: Driver + Send + 'static,
    {
        let joints: Vec<Joint<D::Socket>> = drivers.iter().map(|d| Joint::new(d.waker())).collect();
        let remotes: Vec<_> = joints.iter().map(Joint::remote).collect();
        let credits = common.settings.rules.limits.mesh_credits_per_pair;
        let meshes = Mesh::connect(joints, credits);
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let mut handles = Vec::new();
        for (number, (driver, mesh)) in drivers.into_iter().zip(meshes).enumerate() {
            let core = cores.get(number % cores.len().max(1)).copied();
            let settings = Arc::clone(&common.settings);
            let node = Arc::clone(&common.node);
            let metrics = Arc::clone(&common.metrics[number]);
            let run = move || {
                pin(core);
                let parts = Parts {
                    settings,
                    node,
                    metrics,
                    mesh,
                    clock: Box::new(clock::now),
                    wall: Box::new(clock::unix),
                    seed: fastrand::u64(..),
                };
                Shard::new(driver, parts).run()
            };
            handles.push(spawn(number, common.tell.clone(), run)?);
        }
        Ok(Self {
            bound,
            tell: Box::new(move |control| remotes.iter().for_each(|r| r.send(control))),
            handles,
        })
    }

    /// Where the node listens.
    pub(super) fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// Sends a command to every shard.
    pub(super) fn tell(&self, control: Control) {
        (self.tell)(control);
    }

    /// Waits until every thread has ended.
    pub(super) fn join(self) {
        for handle in self.handles {
            // A panic was reported already, by the thread itself.
            let _ = handle.join();
        }
    }
}

fn epoll_options(limits: &Limits) -> EpollOptions {
    EpollOptions {
        accepts_per_turn_max: limits.accepts_per_turn_max,
        ..EpollOptions::default()
    }
}

/// Each shard has to be able to hold all connections, since nobody says where they come in.
fn uring_options(plan: &Plan) -> UringOptions {
    let connections = plan.max_connections.value + plan.limits.reserve_connections;
    UringOptions {
        connections_max: connections.saturating_add(UNWANTED_MAX),
        accepts_per_turn_max: plan.limits.accepts_per_turn_max,
        ..UringOptions::default()
    }
}

/// A driver for each shard, which accepts on its sockets.
fn drivers<D: Driver<Listener = ListenSocket>>(
    sockets: Vec<Vec<ListenSocket>>,
    new: impl Fn() -> io::Result<D>,
) -> io::Result<Vec<D>> {
    let with = |sockets: Vec<ListenSocket>| {
        let mut driver = new()?;
        for socket in sockets {
            driver.listen(socket)?;
        }
        Ok(driver)
    };
    sockets.into_iter().map(with).collect()
}

/// Without its own core a shard is slower, not wrong.
fn pin(core: Option<CoreId>) {
    if let Some(core) = core {
        core_affinity::set_for_current(core);
    }
}

/// A thread for a shard, whose end is told, also when it panics.
fn spawn(
    number: usize,
    tell: Sender<NodeEvent>,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(format!("shard-{number}"));
    thread.spawn(move || {
        // Nothing of the shard is left to be seen in pieces.
        let result = match panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => result.map_err(|error| format!("an event loop failed: {error}")),
            Err(_) => Err("an event loop panicked".to_owned()),
        };
        // The main thread may have gone already.
        let _ = tell.send(NodeEvent::Ended(result));
    })
}
