//! One thread a shard, each on a core of its own as far as there are cores.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use core_affinity::CoreId;
use crossbeam_channel::Sender;

use super::Happening;
use super::listeners::Listeners;
use crate::base::clock;
use crate::config::Bound;
use crate::io::epoll::Socket;
use crate::io::{Driver, EpollDriver, EpollOptions};
use crate::mesh::{Control, Joint, Mesh, NodeState, Remote};
use crate::metrics::ShardMetrics;
use crate::shard::{Parts, Settings, Shard};

/// The running shards.
pub(super) struct Threads {
    bound: Vec<Bound>,
    remotes: Vec<Remote<Socket>>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts a thread for each shard.
    pub(super) fn start(
        listeners: Listeners,
        settings: &Arc<Settings>,
        node: &Arc<NodeState>,
        metrics: &[Arc<ShardMetrics>],
        tell: &Sender<Happening>,
    ) -> io::Result<Self> {
        let limits = &settings.rules.limits;
        let bound = listeners.bound().to_vec();
        let options = EpollOptions {
            accepts_per_turn_max: limits.accepts_per_turn_max,
            ..EpollOptions::default()
        };
        let mut drivers = Vec::new();
        for sockets in listeners.into_sockets() {
            let mut driver = EpollDriver::new(options.clone())?;
            sockets
                .into_iter()
                .try_for_each(|socket| driver.listen(socket).map(drop))?;
            drivers.push(driver);
        }
        let joints: Vec<Joint<Socket>> = drivers.iter().map(|d| Joint::new(d.waker())).collect();
        let remotes = joints.iter().map(Joint::remote).collect();
        let meshes = Mesh::connect(joints, limits.mesh_credits_per_pair);
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let mut handles = Vec::new();
        for ((driver, mesh), metrics) in drivers.into_iter().zip(meshes).zip(metrics) {
            let start = Start {
                driver,
                mesh,
                settings: Arc::clone(settings),
                node: Arc::clone(node),
                metrics: Arc::clone(metrics),
                core: cores.get(handles.len() % cores.len().max(1)).copied(),
            };
            handles.push(start.spawn(handles.len(), tell.clone())?);
        }
        Ok(Self {
            bound,
            remotes,
            handles,
        })
    }

    /// Where the node listens.
    pub(super) fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Sends a command to every shard.
    pub(super) fn tell(&self, control: Control) {
        self.remotes.iter().for_each(|remote| remote.send(control));
    }

    /// Waits until every thread has ended.
    pub(super) fn join(self) {
        for handle in self.handles {
            // A panic was reported already, by `Ending`.
            let _ = handle.join();
        }
    }
}

/// What a shard's thread is started with.
struct Start {
    driver: EpollDriver,
    mesh: Mesh<Socket>,
    settings: Arc<Settings>,
    node: Arc<NodeState>,
    metrics: Arc<ShardMetrics>,
    core: Option<CoreId>,
}

impl Start {
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
