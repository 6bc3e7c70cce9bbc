//! How results look: pages and their drawings, and the files of HdrHistogram.

pub mod hgrm;
pub mod hlog;
pub mod html;
pub mod text;
