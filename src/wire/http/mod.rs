//! HTTP/1.1 on the wire: request heads, request bodies and answers.
//!
//! Owns the grammar and the framing (RFC 9112): where a request ends, and what makes that
//! doubtful. Leaves to `crate::http` what a request means, and to `session` when to read, answer
//! and close. Stricter than the RFC must be where leniency is how requests are smuggled: every
//! line ends with CRLF, and a framing that two readers could understand differently is refused.

mod body;
mod chunked;
mod date;
mod error;
mod framing;
mod head;
mod parser;
mod response;
mod version;

pub use body::{BodyReader, BodyStep};
pub use chunked::{LAST_CHUNK, push_chunk};
pub use date::Date;
pub use error::HttpError;
pub use framing::Framing;
pub use head::{CONTINUE, Expectation, Method, OPAQUE, RequestHead};
pub use parser::{HeadLimits, HeadParser, HeadStep};
pub use response::Response;
pub use version::Version;

#[cfg(test)]
pub(crate) use parser::tests;
