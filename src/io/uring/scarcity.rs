//! What a driver ran short of, as it counts it.

/// What a driver ran short of, and went on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scarcity {
    /// Receives that found no buffer, and were begun again.
    pub no_buffer: u64,
    /// Receives that ended for lack of room for completions, and were begun again.
    pub receives_lost: u64,
    /// How often completions did not fit into their queue.
    pub overflows: u64,
    /// Sends of volleys that did not go out whole.
    pub rests: u64,
}

impl Scarcity {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            no_buffer: self.no_buffer + other.no_buffer,
            receives_lost: self.receives_lost + other.receives_lost,
            overflows: self.overflows + other.overflows,
            rests: self.rests + other.rests,
        }
    }
}
