//! What theory says: the closed forms behind the predicted column of a comparison.
//!
//! Pure functions of a few numbers, in seconds and bytes. They know nothing of a run; what is
//! predicted for which figure is decided by `comparison`. docs/push-vs-polling.md has
//! the formulas in one table, with where they come from; a small simulation in the tests agrees
//! with each of them to less than one percent.
//!
//! The symbols of that table: N clients, T the polling interval, λ publications a second, d the
//! one-way delay, R the round trip with the server's work in it, τ the timeout of a long poll,
//! H the bytes that a segment costs besides its data, μ what the server sends in a second.

pub mod claims;
pub mod cost;
pub mod crossover;
pub mod longpoll;
pub mod poll;
pub mod push;
pub mod traffic;

#[cfg(test)]
mod simulation;

pub use cost::Cost;
pub use longpoll::LongPoll;
pub use poll::Poll;
pub use push::Push;
pub use traffic::{Arrivals, Traffic};
