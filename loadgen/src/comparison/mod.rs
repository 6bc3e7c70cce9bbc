//! A comparison: arms of several transports under one workload, measured beside predicted.
//!
//! Data and what follows from it alone: [`cell`] is what was measured, in the figures of
//! [`crate::figures`], [`predict`] asks [`crate::model`] for it, [`text`] and [`page`] show it. Who runs
//! the arms is [`crate::run::compare`]; nothing here knows of processes or sockets.
//!
//! The JSON of a comparison holds everything, histograms included, so that a report can be drawn
//! again and runs of several machines can be joined without loss.

pub mod bytes;
pub mod cell;
pub mod crossing;
pub mod figure;
pub mod groups;
pub mod logs;
pub mod lubbers;
pub mod page;
pub mod predict;
pub mod result;
pub mod tables;
pub mod text;

#[cfg(test)]
pub(crate) mod synthetic;
