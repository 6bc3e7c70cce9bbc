//! The number of a slot, as an id has it.

/// There are never so many slots that it does not fit.
pub(super) fn slot_number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
