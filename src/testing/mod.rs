//! What only tests use: the simulated network, and the scripts that hold every driver to the
//! contract of [`crate::io::driver`].
//!
//! [`node`] runs a whole node on it, with random clients and a shadow model.
//!
//! No socket and no sleep in the simulator; time and randomness are arguments.

pub mod batch;
pub mod bench;
#[cfg(test)]
mod conformance;
pub mod node;
pub mod sim;

pub use sim::{Profile, SimCounts, SimDriver, SimListener, SimNet, SimPeer, SimSocket, SimTarget};
