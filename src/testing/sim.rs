//! A network in memory with a virtual clock and a seed: [`SimDriver`] is its end towards a
//! shard, [`SimPeer`] the other one.
//!
//! The same seed and the same calls give the same events. Everything the contract allows
//! happens at random, within a [`Profile`]: short sends, sends that come back later, bytes cut
//! anywhere, delays, events of different connections in any order, resets. Within one
//! connection the order is kept.
//!
//! ```
//! use std::time::Duration;
//! use altavoz::io::{Driver, Event};
//! use altavoz::testing::{Profile, SimDriver, SimNet};
//!
//! let net = SimNet::new(7, Profile::smooth());
//! let listener = net.listener();
//! let mut driver = SimDriver::new(&net);
//! driver.listen(listener)?;
//! let peer = net.connect(listener);
//! peer.write(b"hello");
//! let mut accepted = 0;
//! driver.poll(None, |event| accepted += u32::from(matches!(event, Event::Accepted { .. })))?;
//! assert_eq!(accepted, 1);
//! # Ok::<(), std::io::Error>(())
//! ```

mod driver;
mod due;
mod event;
mod history;
mod link;
mod net;
mod peer;
mod profile;
mod socket;

pub use driver::SimDriver;
pub use net::{SimCounts, SimListener, SimNet, SimTarget};
pub use peer::SimPeer;
pub use profile::Profile;
pub use socket::SimSocket;

#[cfg(test)]
mod tests;
