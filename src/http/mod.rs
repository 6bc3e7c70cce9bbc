//! The routes and rules of the interface: what a request asks for, and whether it may.
//!
//! Pure: [`route()`] looks at a request's head and gives back what to do, or the refusal to answer
//! with. Bodies, sockets, topics and time are the session's and the hub's. The order of a POST is:
//! `RequestHead::expectation`, `BodyReader::for_head`, [`route()`], then the body, then
//! [`payload_kind`]. Behind a refusal of a request that announces a body, the caller reads the
//! body and drops it, or closes the connection.

mod access;
mod authority;
mod origin;
mod payload;
mod policy;
mod query;
mod read;
mod route;
mod routed;
mod target;

pub use origin::{AllowedOrigin, AllowedOriginError, Cors};
pub use payload::payload_kind;
pub use policy::{Door, Policy};
pub use route::route;
pub use routed::{Page, Route, Routed};

use crate::wire::http::HttpError;

/// 400 for a request that is well framed but makes no sense.
fn bad_request(message: impl Into<std::borrow::Cow<'static, str>>) -> HttpError {
    HttpError::new(400, "bad_request", message)
}
