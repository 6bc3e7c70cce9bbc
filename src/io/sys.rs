//! Sockets before they are connections, and what the host allows: by socket2, rustix and /proc.
//!
//! Owns no connection; the drivers do. Nothing here waits for the network.

mod address;
mod connect;
mod host;
mod listen;
mod outq;

pub use address::{Address, AddressError};
pub use connect::connect;
pub use host::{
    TcpMemory, descriptor_limits, file_max, memory_total_bytes, nr_open, port_range,
    raise_descriptor_limit, somaxconn, tcp_memory, tcp_memory_used_pages,
};
pub use listen::{ListenOptions, ListenSocket, bind};
pub use outq::unacknowledged;
