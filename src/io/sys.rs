//! Sockets before they are connections, and the descriptors they need: by socket2 and rustix.
//!
//! Owns no connection; the drivers do. Nothing here waits for the network.

mod connect;
mod host;
mod listen;
mod obstacle;
mod outq;
mod tcp_info;

pub use connect::{connect, unconnected};
pub use host::{descriptor_limits, raise_descriptor_limit};
pub use listen::{ListenOptions, ListenSocket, bind, is_scarcity};
pub use obstacle::{is_elsewhere, is_letting_go, obstacle};
pub use outq::unacknowledged;
pub use tcp_info::tcp_counters;
