//! The figures of runs and of their arms, each once, by name; and the bounds on them.

pub(crate) mod arm;
pub(crate) mod arm_bounds;
pub(crate) mod arm_figure;
pub(crate) mod got;
pub(crate) mod histogram;
pub(crate) mod metric;
pub(crate) mod of_arm;
pub(crate) mod of_run;
pub(crate) mod range;
pub(crate) mod thresholds;
pub(crate) mod took;
pub(crate) mod unit;
