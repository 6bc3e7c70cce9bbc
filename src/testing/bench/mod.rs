//! Inner parts as a bench needs them: no more of them than can be measured.

mod greedy;
mod outboxes;
mod turns;

pub use outboxes::Outboxes;
pub use turns::Turns;
