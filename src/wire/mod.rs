//! Bytes and their meaning on the wire: HTTP/1.1, the WebSocket handshake and its frames.

pub mod forwarded;
pub mod handshake;
pub mod http;
pub mod proxy;
