//! Altavoz: one publish reaches every subscriber.

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
