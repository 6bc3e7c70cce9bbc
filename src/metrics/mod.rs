//! What the node counts: counters, gauges and histograms of each shard, and their text at a scrape.
//!
//! Owns the names ([`names`]) and the meaning of every metric. A shard writes its own
//! [`ShardMetrics`] and nobody else's, so counting costs a plain load and store; whoever answers
//! `/metrics` reads all of them and sums ([`render()`]). What is worth counting, and when, is left
//! to those who count.

pub mod format;
pub mod histogram;
pub mod names;
pub mod process;
pub mod reasons;
pub mod render;
pub mod shard;
pub mod value;

pub use format::Format;
pub use histogram::Histogram;
pub use reasons::{CloseReason, DropReason, Label, PollAnswer, RefuseReason, StatusClass};
pub use render::{NodeMetrics, render};
pub use shard::ShardMetrics;
pub use value::{Counter, Family, Gauge};
