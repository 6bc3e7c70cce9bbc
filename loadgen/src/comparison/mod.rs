//! A comparison: arms of several transports under one workload, measured beside predicted.
//!
//! Data and what follows from it alone: [`cell`] is what was measured, in the figures of
//! [`crate::figures`], [`predict`] asks [`crate::model`] for it, [`text`] and [`page`] show it.
//! Who runs the arms is [`crate::run::compare`]; nothing here knows of processes or sockets.
//!
//! The JSON of a comparison holds everything, histograms included, so that a report can be drawn
//! again and runs of several machines can be joined without loss.

pub(crate) mod bytes;
pub(crate) mod cell;
pub(crate) mod crossing;
pub(crate) mod figure;
pub(crate) mod groups;
pub(crate) mod logs;
pub(crate) mod lubbers;
pub(crate) mod page;
pub(crate) mod predict;
pub(crate) mod result;
pub(crate) mod tables;
pub(crate) mod text;

#[cfg(test)]
pub(crate) mod synthetic;
