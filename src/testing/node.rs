//! A whole node in simulation: shards on one simulated network and one virtual clock, connected
//! by the real mesh, with random clients that speak real bytes, and a shadow model that says
//! what they must have seen.
//!
//! One seed is one run, from the limits of the node to the last byte; nothing here reads a
//! clock, a socket or an environment. A run that goes wrong panics with what was wrong.
//!
//! - `plan` draws the node and its clients from the seed,
//! - `world` lets time pass and gives shards and clients their turns, in random order,
//! - `subscriber`, `streamer`, `poller`, `poster` and `visitor` are the clients, each on a `line`
//!   and most with a `temper`; `asking` is how readers say from where on, `body` reads endless
//!   answers,
//! - `model` collects what was published and seen (`reading`), and `verdict` holds it against the
//!   promises of the interface, without a look into the node,
//! - [`Report`] counts what happened, so that a batch of runs cannot go blind.

mod asking;
mod body;
mod line;
mod model;
mod plan;
mod poller;
mod poster;
mod reading;
mod report;
mod streamer;
mod subscriber;
mod temper;
mod verdict;
mod visitor;
mod world;

pub use report::{Milestone, Report};
pub use world::run;
