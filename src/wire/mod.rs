//! Bytes of the protocols, as pure functions and state machines: no clock, no socket, no thread.

pub mod client;
pub mod close;
pub mod error;
pub mod frame;
pub mod mask;
pub mod message;
pub mod utf8;
