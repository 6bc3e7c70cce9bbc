//! The routes and rules of the interface: what a request asks for, and whether it may.
//!
//! Pure: [`route()`] looks at a request's head and gives back what to do, or the refusal to answer
//! with. Bodies, sockets, topics and time are the session's and the hub's. The order of a request
//! is: `Framing::of`, `RequestHead::expectation`, [`route()`], then the body, and for a POST
//! [`payload_kind`]. Whatever the method, and behind a refusal too, the caller reads a body that
//! nobody wants and drops it, or closes the connection.

mod accept;
mod access;
mod authority;
mod cors;
mod known;
mod origin;
mod payload;
mod policy;
mod query;
mod read;
mod route;
mod routed;
mod target;

pub use cors::Cors;
pub use known::Known;
pub use origin::{AllowedOrigin, AllowedOriginError};
pub use payload::payload_kind;
pub use policy::{Door, Policy};
pub use route::route;
pub use routed::{Dress, Page, Reading, Route, RoutedRequest, Upgrade};

use crate::wire::http::HttpError;

/// 400 for a request that is well framed but makes no sense.
fn bad_request(message: impl Into<std::borrow::Cow<'static, str>>) -> HttpError {
    HttpError::new(400, "bad_request", message)
}
