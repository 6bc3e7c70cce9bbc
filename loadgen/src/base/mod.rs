//! What everything else stands on: failures, numbers and their words, counts by name, timetables,
//! and the names of the transports.

pub mod counts;
pub mod failure;
#[cfg(test)]
pub(crate) mod golden;
pub mod num;
pub mod number;
pub mod quantities;
pub mod schedule;
pub mod transport;
