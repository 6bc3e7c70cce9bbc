//! What a chunk's way to its readers has come to.

/// What became of one chunk that was offered to one subscriber after the other.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Subscribers that were given the whole chunk.
    pub(super) whole: u32,
    /// Subscribers for whom the policy dropped the whole chunk.
    pub(super) dropped: u32,
    /// Bytes that the system took at once, and in how many sends.
    pub(super) sent_bytes: u64,
    pub(super) sends: u64,
    /// Of each subscriber who joined in the middle of the turn, how many of the chunk's last
    /// publications it was given.
    pub(super) tails: Vec<usize>,
    /// The bytes of those.
    pub(super) tail_bytes: u64,
}
