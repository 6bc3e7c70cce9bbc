//! How a server is spoken to: where it is, which paths it has, what is sent to it, TLS, and from
//! which addresses.

pub mod addresses;
pub mod headers;
pub mod message;
pub mod paths;
pub mod sources;
pub mod target;
pub mod tls;
