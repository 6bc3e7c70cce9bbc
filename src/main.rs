//! The node: `altavoz serve`.
fn main() {}
