//! The report of one run of `fanout` or `connect`: its figures, what is wrong with them, and how
//! they are shown.

mod arms;
pub(crate) mod figures;
mod make;
pub(crate) mod page;
pub(crate) mod round;
pub(crate) mod text;
pub(crate) mod verdict;
pub(crate) mod whole;
