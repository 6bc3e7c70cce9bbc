//! Every limit of the program, with its unit in its name, its default and its reason.
//!
//! Plain data: `cli` fills it from flags, environment and file.

pub mod limits;
pub mod units;

pub use limits::Limits;
pub use units::{UnitError, parse_bytes, parse_duration};
