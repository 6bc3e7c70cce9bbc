//! The report of one run of `fanout` or `connect`: its figures, what is wrong with them, and how
//! they are shown.

mod arms;
pub mod figures;
mod make;
pub mod page;
pub mod round;
pub mod text;
pub mod verdict;
pub mod whole;
