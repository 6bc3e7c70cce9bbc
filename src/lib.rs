//! Altavoz: one publish reaches every subscriber.
//!
//! Imports go down only; `tests/tidy` holds the table, docs/architecture.md says why.
//!
//! ```text
//!  cli          arguments, environment, exit codes
//!  server       threads, cores, listeners, signals, drain
//!  shard        the event loop: connections, groups, outboxes, timers
//!  session      one client's state machine          mesh   shard to shard
//!  hub          topics, offsets, history            http   routes and rules
//!  wire         frames, heads, prepared messages    io     drivers and sockets
//!  base         ids, time, chunks        config   settings        metrics   counters
//! ```
//!
//! A publication goes from bytes to bytes like this:
//!
//! ```text
//!  io Received -> session Publish -> [mesh] -> hub sequence, apply at the topic's home
//!     -> [mesh Deliver] -> shard groups -> one chunk a group -> io send, or an outbox
//!     -> counts back -> session Published -> the publisher's answer
//! ```

pub mod base;
pub mod cli;
pub mod config;
pub mod http;
pub mod hub;
pub mod io;
pub mod mesh;
pub mod metrics;
pub mod server;
pub mod session;
pub mod shard;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wire;
