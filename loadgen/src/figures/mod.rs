//! The figures of a run by name, and the bounds on them.

pub mod thresholds;
