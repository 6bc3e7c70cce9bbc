//! Bytes and their meaning on the wire, as pure functions and state machines: no clock, no
//! socket, no thread.
//!
//! HTTP/1.1 heads and bodies, the WebSocket handshake, frames and messages, and the prepared
//! forms of a publication. What a request means is `http`'s, who gets a publication `hub`'s.

pub mod answer;
pub mod client;
pub mod close;
pub mod error;
pub mod events;
mod farewell;
pub mod form;
pub mod forwarded;
pub mod frame;
pub mod handshake;
pub mod http;
mod kind;
pub mod mask;
pub mod message;
pub mod prepared;
pub mod proxy;
pub(crate) mod quoted;
pub mod subprotocol;
pub mod utf8;
