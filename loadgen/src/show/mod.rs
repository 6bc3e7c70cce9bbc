//! How results look: pages and their drawings, and the files of HdrHistogram.

pub(crate) mod hgrm;
pub(crate) mod hlog;
pub(crate) mod html;
pub(crate) mod text;
