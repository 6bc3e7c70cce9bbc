//! [`UringOptions`], and the size of the rings that follows from them.

use crate::io::sys;

/// The bounds of an [`UringDriver`](super::UringDriver).
#[derive(Clone, Debug)]
pub struct UringOptions {
    /// Connections that the driver has to be able to hold at once.
    pub connections_max: usize,
    /// Descriptors in one ring's table; the kernel allows as many as the process may have open.
    pub ring_files_max: usize,
    /// Connections accepted by one listener in one `poll`; the rest follows in the next one.
    pub accepts_per_turn_max: usize,
    /// Operations that are handed over in one system call.
    pub submissions: u32,
    /// Completions that fit before the kernel has to put them elsewhere.
    pub completions: u32,
    /// Receive buffers of a ring, a power of two; fewer where there are many rings.
    pub buffers: u16,
    /// Bytes of a receive buffer; the most that one `Received` holds.
    pub buffer_bytes: u32,
}

impl Default for UringOptions {
    fn default() -> Self {
        let (descriptors, _) = sys::descriptor_limits();
        Self {
            connections_max: 10_000,
            ring_files_max: usize::try_from(descriptors).unwrap_or(usize::MAX),
            accepts_per_turn_max: 256,
            submissions: 256,
            completions: 4096,
            buffers: 512,
            buffer_bytes: 4096,
        }
    }
}

/// The most descriptors in the table of one ring, whatever the process may have: eight bytes each
/// are taken at once.
const RING_FILES_MAX: usize = 1 << 18;

impl UringOptions {
    /// How large a ring is, and how many there may be.
    pub(super) fn plan(&self) -> (RingSize, usize) {
        let files_max = self.ring_files_max.clamp(1, RING_FILES_MAX);
        // Small tables get small queues: as much room as fits into one of those is kept free.
        let quarter = (files_max / 4).max(1);
        let completions = clamped(quarter).next_power_of_two().min(self.completions);
        let mut size = RingSize {
            submissions: self.submissions.min(completions),
            completions,
            files: 0,
            buffers: self.buffers,
            buffer_bytes: self.buffer_bytes,
        };
        let margin = size.margin() as usize;
        let files = self.connections_max.saturating_add(margin).min(files_max);
        size.files = clamped(files);
        let usable = files.saturating_sub(margin).max(1);
        let rings = self.connections_max.div_ceil(usable);
        let share = u16::try_from(BUFFERS_OF_ALL_RINGS / rings.max(1)).unwrap_or(u16::MAX);
        size.buffers = self.buffers.min(share.max(BUFFERS_OF_A_RING_MIN));
        (size, rings)
    }
}

/// Receive buffers that several rings have together: with each as many as one alone, those would
/// take more memory than the connections.
const BUFFERS_OF_ALL_RINGS: usize = 8192;

/// The fewest that a ring has of them.
const BUFFERS_OF_A_RING_MIN: u16 = 64;

/// Accepts beside those whose completions fit into the queue: one of each listener, and places
/// taken by hand in the same moment.
const MARGIN_BESIDE: u32 = 64;

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingSize {
    /// Operations that are handed over in one system call at most.
    pub(super) submissions: u32,
    /// Completions that fit before the kernel keeps them in a list of its own.
    pub(super) completions: u32,
    /// Descriptors in the table.
    pub(super) files: u32,
    /// Receive buffers, and the bytes of each.
    pub(super) buffers: u16,
    pub(super) buffer_bytes: u32,
}

impl RingSize {
    /// How much room is left in the table when a multishot accept is stopped.
    pub(super) fn margin(&self) -> u32 {
        self.completions + MARGIN_BESIDE
    }
}

fn clamped(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(connections_max: usize, ring_files_max: usize) -> (RingSize, usize) {
        let options = UringOptions {
            connections_max,
            ring_files_max,
            ..UringOptions::default()
        };
        options.plan()
    }

    #[test]
    fn a_table_is_as_large_as_is_needed_and_allowed() {
        let (size, rings) = plan(10_000, 20_000);
        assert_eq!((size.files, rings), (10_000 + size.margin(), 1));
        let (size, rings) = plan(1_000_000, 20_000);
        assert_eq!((size.files, size.completions, rings), (20_000, 4096, 64));
        assert!(rings * (size.files - size.margin()) as usize >= 1_000_000);
    }

    #[test]
    fn many_rings_share_what_buffers_there_are() {
        assert_eq!(plan(10_000, 20_000).0.buffers, 512);
        assert_eq!(plan(1_000_000, 20_000).0.buffers, 128);
        assert_eq!(plan(20_000_000, 20_000).0.buffers, 64);
        let few = UringOptions {
            connections_max: 1_000_000,
            ring_files_max: 20_000,
            buffers: 8,
            ..UringOptions::default()
        };
        assert_eq!(few.plan().0.buffers, 8, "who asks for less has less");
    }

    #[test]
    fn small_limits_make_small_queues() {
        let (size, rings) = plan(3000, 1024);
        assert_eq!(
            (size.files, size.completions, size.submissions),
            (1024, 256, 256)
        );
        assert!(rings * (size.files - size.margin()) as usize >= 3000);
        let (size, rings) = plan(1, 1);
        assert_eq!((size.files, rings), (1, 1));
    }
}
