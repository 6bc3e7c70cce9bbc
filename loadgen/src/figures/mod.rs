//! The figures of runs and of their arms, each once, by name; and the bounds on them.

pub mod arm;
pub mod arm_bounds;
pub mod histogram;
pub(crate) mod metric;
pub mod of_arm;
pub(crate) mod of_run;
pub mod range;
pub mod thresholds;
pub mod unit;
