//! One thread a shard, each on a core of its own as far as there are cores.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;
use crossbeam_channel::Sender;

use super::Happening;
use super::listeners::Listeners;
use crate::base::clock;
use crate::config::{Bound, DriverKind, Limits, Plan};
use crate::io::{Driver, EpollDriver, EpollOptions, ListenSocket, UringDriver, UringOptions};
use crate::mesh::{Control, Joint, Mesh, NodeState};
use crate::metrics::ShardMetrics;
use crate::shard::{Parts, Settings, Shard};

/// Sockets that wait to be closed since the node is full, for each shard: beyond them newcomers
/// wait in the backlog.
const UNWANTED_MAX: usize = 64;

/// The running shards.
pub(super) struct Threads {
    bound: Vec<Bound>,
    tell: Box<dyn Fn(Control)>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts a thread for each shard.
    pub(super) fn start(
        plan: &Plan,
        listeners: Listeners,
        settings: &Arc<Settings>,
        node: &Arc<NodeState>,
        metrics: &[Arc<ShardMetrics>],
        tell: &Sender<Happening>,
    ) -> io::Result<Self> {
        let bound = listeners.bound().to_vec();
        let common = Common {
            settings,
            node,
            metrics,
            tell,
        };
        let sockets = listeners.into_sockets();
        let (tell, handles) = match plan.driver.value {
            DriverKind::Uring => {
                let options = uring_options(plan);
                common.start(sockets, || UringDriver::new(options.clone()))?
            }
            DriverKind::Epoll => {
                let options = epoll_options(&plan.limits);
                common.start(sockets, || EpollDriver::new(options.clone()))?
            }
        };
        Ok(Self {
            bound,
            tell,
            handles,
        })
    }

    /// Where the node listens.
    pub(super) fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Sends a command to every shard.
    pub(super) fn tell(&self, control: Control) {
        (self.tell)(control);
    }

    /// Waits until every thread has ended.
    pub(super) fn join(self) {
        for handle in self.handles {
            // A panic was reported already, by `Ending`.
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

/// Sends a command to every shard, and the threads.
type Started = (Box<dyn Fn(Control)>, Vec<JoinHandle<()>>);

/// What all shards are started with.
struct Common<'a> {
    settings: &'a Arc<Settings>,
    node: &'a Arc<NodeState>,
    metrics: &'a [Arc<ShardMetrics>],
    tell: &'a Sender<Happening>,
}

impl Common<'_> {
    fn start<D>(
        &self,
        sockets: Vec<Vec<ListenSocket>>,
        new: impl Fn() -> io::Result<D>,
    ) -> io::Result<Started>
    where
        D: Driver<Listener = ListenSocket> + Send + 'static,
    {
        let mut drivers = Vec::new();
        for sockets in sockets {
            let mut driver = new()?;
            sockets
                .into_iter()
                .try_for_each(|socket| driver.listen(socket).map(drop))?;
            drivers.push(driver);
        }
        let joints: Vec<Joint<D::Socket>> = drivers.iter().map(|d| Joint::new(d.waker())).collect();
        let remotes: Vec<_> = joints.iter().map(Joint::remote).collect();
        let credits = self.settings.rules.limits.mesh_credits_per_pair;
        let meshes = Mesh::connect(joints, credits);
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let mut handles = Vec::new();
        for ((driver, mesh), metrics) in drivers.into_iter().zip(meshes).zip(self.metrics) {
            let start = Start {
                driver,
                mesh,
                settings: Arc::clone(self.settings),
                node: Arc::clone(self.node),
                metrics: Arc::clone(metrics),
                core: cores.get(handles.len() % cores.len().max(1)).copied(),
            };
            handles.push(start.spawn(handles.len(), self.tell.clone())?);
        }
        let tell = Box::new(move |control| remotes.iter().for_each(|remote| remote.send(control)));
        Ok((tell, handles))
    }
}

/// What a shard's thread is started with.
struct Start<D: Driver> {
    driver: D,
    mesh: Mesh<D::Socket>,
    settings: Arc<Settings>,
    node: Arc<NodeState>,
    metrics: Arc<ShardMetrics>,
    core: Option<CoreId>,
}

impl<D: Driver + Send + 'static> Start<D> {
    fn spawn(self, number: usize, tell: Sender<Happening>) -> io::Result<JoinHandle<()>> {
        let thread = thread::Builder::new().name(format!("shard-{number}"));
        thread.spawn(move || {
            let mut ending = Ending {
                tell,
                result: Err("an event loop panicked".to_owned()),
            };
            ending.result = self
                .run()
                .map_err(|error| format!("an event loop failed: {error}"));
        })
    }

    fn run(self) -> io::Result<()> {
        if let Some(core) = self.core {
            // Without its own core a shard is slower, not wrong.
            core_affinity::set_for_current(core);
        }
        let parts = Parts {
            settings: self.settings,
            node: self.node,
            metrics: self.metrics,
            mesh: self.mesh,
            clock: Box::new(clock::now),
            wall: Box::new(clock::unix),
            seed: fastrand::u64(..),
        };
        Shard::new(self.driver, parts).run()
    }
}

/// Reports the end of a thread, also when it panics.
struct Ending {
    tell: Sender<Happening>,
    result: Result<(), String>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, Ok(()));
        // The main thread may have gone already.
        let _ = self.tell.send(Happening::Ended(result));
    }
}
