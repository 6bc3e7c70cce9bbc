//! This host: its limits, what processes and sockets cost, signals, and files of results.

pub(crate) mod doctor;
pub(crate) mod files;
pub(crate) mod sample;
pub(crate) mod signals;
