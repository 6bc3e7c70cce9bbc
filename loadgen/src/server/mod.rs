//! Servers that this program can be: the node, and the leanest ones that are possible.

pub mod bare;
pub mod node;
