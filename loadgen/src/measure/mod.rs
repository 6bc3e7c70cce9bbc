//! What is counted: the stamp of a publication, who got it, what it took, and histograms.

pub mod ledger;
pub mod publications;
pub mod stamp;
pub mod stats;
pub mod traffic;
