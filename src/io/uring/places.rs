//! [`Places`]: how full the table of descriptors of a ring is.

use super::options::RingSize;

/// The places of a table, counted; which ones are taken is the kernel's affair.
pub(super) struct Places {
    all: u32,
    taken: u32,
    /// Those that accepts in flight may take.
    reserved: u32,
    margin: u32,
}

impl Places {
    /// An empty table.
    pub(super) fn new(size: &RingSize) -> Self {
        Self {
            all: size.files,
            taken: 0,
            reserved: 0,
            margin: size.margin(),
        }
    }

    /// Places that nobody has or may get.
    pub(super) fn room(&self) -> u32 {
        self.all.saturating_sub(self.taken + self.reserved)
    }

    /// Whether a multishot accept cannot run out of places.
    pub(super) fn has_margin(&self) -> bool {
        self.room() > self.margin
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    pub(super) fn free(&mut self) {
        debug_assert!(self.taken > 0, "a place is given back twice");
        self.taken = self.taken.saturating_sub(1);
    }

    pub(super) fn reserve(&mut self) {
        self.reserved += 1;
    }

    pub(super) fn unreserve(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }
}
