//! The load generator for push and polling servers: delivery latency, fan-out, connections, by
//! every transport, and comparisons of transports with what theory predicts.
//!
//! ```text
//!  cli -> run -> comparison, report -> recording <- lines <- plan <- options
//!          |              |                           |
//!          |              +-> figures, show           |
//!          +== a process each, JSON lines ==========> worker -> speak, measure
//! ```
//!
//! docs/architecture.md has its floors, and what each module is for.
//!
//! - An arm is the clients of one transport, or of one polling interval. All arms of a run read
//!   the same publications at the same time, and each has figures of its own.
//! - A worker is one process with one event loop over the same `Driver` as the node. It measures
//!   passively: a publication carries its run, round, stream, sequence number and moments
//!   ([`measure::stamp`]), so any process of the host can receive it.
//! - The coordinator starts workers, tells them what begins when ([`lines`]), samples the
//!   server from `/proc`, and joins what they measured.
//! - The server is named by `--target`, or is this program again as `loadgen node` ([`server::node`]).
//!
//! The library exists for its tests; the interface is the command line.

pub mod base;
pub mod cli;
pub(crate) mod comparison;
pub(crate) mod figures;
pub(crate) mod host;
pub mod lines;
pub mod measure;
pub mod model;
pub mod options;
pub mod plan;
pub(crate) mod recording;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod run;
pub mod server;
pub(crate) mod show;
pub mod speak;
pub mod worker;
