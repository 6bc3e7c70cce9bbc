//! [`Buffers`]: memory that the kernel receives into, shared by all connections of a ring.
//!
//! The kernel takes a buffer from the front of the queue when bytes arrive, and names it in the
//! completion; from then on it is ours, until it is given back to the end of the queue. So an
//! idle connection holds none of it.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The one group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

const PAGE_BYTES: usize = 4096;

/// Memory that begins where the kernel wants a queue to begin. Pages that nothing was received
/// into are not there.
#[derive(Clone)]
#[repr(C, align(4096))]
struct BufferPage([u8; PAGE_BYTES]);

/// Memory that is written to behind the compiler's back, and so is only reached by its address.
/// Empty after it was leaked.
struct BufferArea(*mut [BufferPage]);

// SAFETY: the pages belong to the area alone, as if it were a box.
#[expect(unsafe_code, reason = "an address is not Send by itself")]
unsafe impl Send for BufferArea {}

impl BufferArea {
    fn new(bytes: usize) -> Self {
        let pages = vec![BufferPage([0; PAGE_BYTES]); bytes.div_ceil(PAGE_BYTES).max(1)];
        Self(Box::into_raw(pages.into_boxed_slice()))
    }

    fn base(&self) -> *mut u8 {
        self.0.cast()
    }

    /// Never frees the memory.
    fn leak(&mut self) {
        self.0 = Box::into_raw(Box::default());
    }
}

impl Drop for BufferArea {
    #[expect(unsafe_code, reason = "the box is put together again")]
    fn drop(&mut self) {
        // SAFETY: the pointer came out of a box and nobody else has it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// A queue of receive buffers of one size.
pub(super) struct Buffers {
    queue: BufferArea,
    bytes: BufferArea,
    /// How many, a power of two.
    count: u16,
    size: u32,
    /// How many were ever given to the kernel, which wraps.
    tail: u16,
}

impl Buffers {
    /// `count` buffers, rounded up to a power of two of at most 32,768, of `size` bytes each,
    /// which the ring then uses.
    ///
    /// # Errors
    /// When the kernel has no such queues, or no memory.
    pub(super) fn register(submitter: &Submitter<'_>, count: u16, size: u32) -> io::Result<Self> {
        let count = count.clamp(1, 1 << 15).next_power_of_two();
        let mut buffers = Self {
            queue: BufferArea::new(usize::from(count) * size_of::<BufRingEntry>()),
            bytes: BufferArea::new(usize::from(count) * size as usize),
            count,
            size,
            tail: 0,
        };
        buffers.hand_over(submitter)?;
        (0..count).for_each(|id| buffers.give_back(id));
        Ok(buffers)
    }

    #[expect(unsafe_code, reason = "the kernel is told of memory by its address")]
    fn hand_over(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        let queue = self.queue.base() as u64;
        // SAFETY: the area holds `count` entries and lives until the ring is gone: see `Ring`.
        unsafe { submitter.register_buf_ring_with_flags(queue, self.count, GROUP, 0) }
    }

    /// Gives a buffer to the kernel, behind all others.
    #[expect(unsafe_code, reason = "the queue is shared with the kernel")]
    pub(super) fn give_back(&mut self, id: u16) {
        let at = self.tail & (self.count - 1);
        let entries = self.queue.base().cast::<BufRingEntry>();
        let entry = entries.wrapping_add(usize::from(at));
        // SAFETY: `at` is below `count`, and the kernel does not read an entry behind the tail.
        let entry = unsafe { &mut *entry };
        entry.set_addr(self.address(id) as u64);
        entry.set_len(self.size);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the area begins with an entry.
        let tail = unsafe { BufRingEntry::tail(entries) }.cast_mut();
        // SAFETY: it is two aligned bytes of the area that nobody reads or writes otherwise.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        // Release: the kernel sees the entry before it sees that there is one more.
        tail.store(self.tail, Ordering::Release);
    }

    /// The first bytes of a buffer that the kernel has named and that was not given back.
    #[expect(unsafe_code, reason = "the kernel has written here")]
    pub(super) fn bytes(&mut self, id: u16, len: usize) -> &mut [u8] {
        let len = len.min(self.size as usize);
        // SAFETY: the buffer lies in the area, is ours until it is given back, which takes
        // `self`, and holds zeroes where nothing was received.
        unsafe { std::slice::from_raw_parts_mut(self.address(id), len) }
    }

    /// Leaves the memory to the kernel, which may still write to it.
    pub(super) fn leak(&mut self) {
        self.queue.leak();
        self.bytes.leak();
    }

    fn address(&self, id: u16) -> *mut u8 {
        let id = usize::from(id & (self.count - 1));
        self.bytes.base().wrapping_add(id * self.size as usize)
    }
}
