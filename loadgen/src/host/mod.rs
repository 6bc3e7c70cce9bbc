//! This host: its limits, what processes and sockets cost, signals, and files of results.

pub mod doctor;
pub mod files;
pub mod sample;
pub mod signals;
