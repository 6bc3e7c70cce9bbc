//! Which driver moves the bytes, and how many connections follow from that on this host.

use super::choices::DriverChoice;
use super::decision::Decision;
use super::error::ConfigError;
use super::host::HostFacts;
use super::settings::CONNECTIONS_MAX;
use super::values::Config;

/// Memory of an idle connection in the kernel and here, in bytes, with room to spare.
pub const CONNECTION_BYTES: u64 = 8 * 1024;

/// Rings of one shard, which its connections name by one byte.
const RINGS_MAX: u64 = 256;

/// The largest table of a ring, in places.
const RING_PLACES_MAX: u64 = 1 << 18;

/// Connections that a ring holds at least. Its table has as many places as the process may have
/// descriptors, and keeps less than half of them, and these, free for what comes at once.
fn ring_connections(limit: u64) -> u64 {
    const BESIDE: u64 = 64;
    (limit.min(RING_PLACES_MAX) / 2)
        .saturating_sub(BESIDE)
        .max(1)
}

/// What moves the bytes of a node, chosen for its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// Readiness by epoll.
    Epoll,
    /// Completion by io_uring.
    Uring,
}

impl DriverKind {
    /// The word that chooses it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Epoll => DriverChoice::Epoll.word(),
            Self::Uring => DriverChoice::Uring.word(),
        }
    }
}

impl Config {
    pub(super) fn choose_driver(
        &self,
        host: &HostFacts,
    ) -> Result<Decision<DriverKind>, ConfigError> {
        let set = |kind| Decision::new(kind, self.set_by("driver"));
        let chosen = match self.driver {
            DriverChoice::Auto => Decision::new(
                DriverKind::Epoll,
                "auto, since uring won only in part (docs/benchmarks.md)",
            ),
            DriverChoice::Epoll => set(DriverKind::Epoll),
            DriverChoice::Uring => set(DriverKind::Uring),
        };
        match &host.uring_missing {
            Some(missing) if chosen.value == DriverKind::Uring => Err(ConfigError::at(
                format!("{} uring", self.name_of("driver")),
                format!("{missing}; take epoll, or auto for what works here"),
            )),
            _ => Ok(chosen),
        }
    }

    /// Descriptors that so many connections need, with all that the node holds besides.
    ///
    /// Connections over io_uring are in tables of their own, as large as `limit`, the process's
    /// limit of descriptors; each table takes two.
    #[must_use]
    pub fn descriptors_for(&self, connections: usize, shards: usize, limit: u64) -> u64 {
        let connections = number(connections);
        let listeners = self
            .listeners()
            .map(|(_, listen)| listen.addresses().count());
        let listeners = number(listeners.sum());
        // Standard streams, signals, logs, /proc at a scrape, and some that libraries open.
        let process = 32;
        // Each shard's epoll and wake, and its own socket of each listener.
        let shard = 4 + listeners;
        let (sockets, rings) = match self.driver {
            DriverChoice::Uring => (0, 1 + connections / ring_connections(limit)),
            _ => (connections + number(self.limits.reserve_connections), 0),
        };
        sockets + process + number(shards) * (shard + 2 * rings)
    }

    pub(super) fn choose_connections(
        &self,
        host: &HostFacts,
        driver: DriverKind,
        shards: usize,
    ) -> Result<Decision<usize>, ConfigError> {
        let limit = host.descriptors_max;
        let held = match driver {
            DriverKind::Uring => RINGS_MAX * ring_connections(limit),
            _ => u64::MAX,
        };
        if let Some(wanted) = self.max_connections {
            let needed = self.descriptors_for(wanted, shards, limit);
            return self
                .check_wanted(wanted, needed, held, host, driver)
                .map(|()| Decision::new(wanted, self.set_by("max_connections")));
        }
        let overhead = self.descriptors_for(0, shards, limit);
        let room = limit.saturating_sub(overhead);
        if room == 0 {
            return Err(ConfigError::new(format!(
                "the descriptor limit of {limit} leaves no room for connections, \
                 since the node itself needs {overhead}: {}",
                lift(overhead + 1024)
            )));
        }
        let (connections, why) = if driver == DriverKind::Uring && host.memory_bytes > 0 {
            let half = host.memory_bytes / 2 / CONNECTION_BYTES;
            let why = "half of the memory, at 8 KiB a connection".to_owned();
            (half.clamp(1, held), why)
        } else {
            let why =
                format!("the descriptor limit of {limit}, less {overhead} for the node itself");
            (room, why)
        };
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Ok(Decision::new(connections.min(CONNECTIONS_MAX), why))
    }

    fn check_wanted(
        &self,
        wanted: usize,
        needed: u64,
        held: u64,
        host: &HostFacts,
        driver: DriverKind,
    ) -> Result<(), ConfigError> {
        let limit = host.descriptors_max;
        let why = if needed > limit {
            let instead = if driver == DriverKind::Uring || host.uring_missing.is_some() {
                String::new()
            } else {
                format!(
                    ", or take {} uring, whose connections need none",
                    self.name_of("driver")
                )
            };
            format!(
                "needs {needed} descriptors, but this process may have {limit} at most: {}{instead}",
                lift(needed)
            )
        } else if number(wanted) > held {
            let limit = number(wanted)
                .div_ceil(RINGS_MAX / 4)
                .next_multiple_of(1000);
            format!(
                "is more than the {held} that a shard's rings hold with this descriptor limit: {}",
                lift(limit)
            )
        } else {
            return Ok(());
        };
        let place = format!("{} {wanted}", self.name_of("max_connections"));
        Err(ConfigError::at(place, why))
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// How a person lifts the descriptor limit.
fn lift(needed: u64) -> String {
    format!(
        "raise it with `ulimit -Hn {needed}` as root, or LimitNOFILE={needed} in the systemd unit"
    )
}
