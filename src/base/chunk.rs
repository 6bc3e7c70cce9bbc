//! Wire bytes that many outboxes share.
//!
//! A chunk never changes once made. Publications that leave in one turn lie one behind the
//! other in one chunk, which keeps where each frame ends, so that a subscriber can begin or
//! stop at a frame without copying.

use std::sync::Arc;

use super::Offset;

/// Where a publication's frame ends in its chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameEnd {
    /// The publication in the frame.
    pub offset: Offset,
    /// The first byte behind the frame.
    pub end: u32,
}

/// Immutable shared bytes with the boundaries of the frames in them.
#[derive(Clone, Debug)]
pub struct Chunk(Arc<ChunkData>);

#[derive(Debug)]
struct ChunkData {
    bytes: Box<[u8]>,
    /// Invariant: `end` rises, the last one is `bytes.len()`; empty for a private chunk.
    frames: Box<[FrameEnd]>,
}

impl Chunk {
    /// Bytes that belong to one connection, such as an answer or a pong: one unit, no publication.
    ///
    /// # Panics
    /// If there are 4 GiB or more of them, which every limit of the program forbids.
    #[must_use]
    pub fn private(bytes: Vec<u8>) -> Self {
        Self::publications(bytes, Vec::new())
    }

    /// Frames of publications, in the order of their offsets.
    ///
    /// # Panics
    /// If there are 4 GiB or more of them, which every limit of the program forbids.
    #[must_use]
    pub fn publications(bytes: Vec<u8>, frames: Vec<FrameEnd>) -> Self {
        assert!(
            u32::try_from(bytes.len()).is_ok(),
            "a chunk is longer than 4 GiB"
        );
        debug_assert!(frames.is_sorted_by_key(|f| f.end));
        debug_assert!(frames.last().is_none_or(|f| f.end as usize == bytes.len()));
        Self(Arc::new(ChunkData {
            bytes: bytes.into(),
            frames: frames.into(),
        }))
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// How many bytes there are.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked when the chunk was made"
    )]
    pub fn len(&self) -> u32 {
        self.0.bytes.len() as u32
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// The frames of publications in it; none in a private chunk.
    #[must_use]
    pub fn frames(&self) -> &[FrameEnd] {
        &self.0.frames
    }

    /// Where the first frame with an offset of at least `from` begins, and how many there are
    /// from there on; the end of the chunk and 0 if there is none.
    #[must_use]
    pub fn seek(&self, from: Offset) -> (u32, usize) {
        let frames = &self.0.frames;
        let first = frames.partition_point(|f| f.offset < from);
        let start = first.checked_sub(1).map_or(0, |i| frames[i].end);
        (start, frames.len() - first)
    }

    /// The end of the frame that byte `at` lies in; the end of the chunk for a private one.
    ///
    /// `at` is a frame's first byte or inside it. At the very end of the chunk it is the end.
    #[must_use]
    pub fn frame_end(&self, at: u32) -> u32 {
        let i = self.0.frames.partition_point(|f| f.end <= at);
        self.0.frames.get(i).map_or(self.len(), |f| f.end)
    }

    /// Whether byte `at` is the first one of a frame, or the end of the chunk.
    #[must_use]
    pub fn is_boundary(&self, at: u32) -> bool {
        at == 0 || at == self.len() || self.0.frames.binary_search_by_key(&at, |f| f.end).is_ok()
    }

    /// Whether two handles name the same memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many handles name this memory.
    #[must_use]
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// A range of a chunk that is to be sent.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bytes.
    pub chunk: Chunk,
    /// The first one to send.
    pub start: u32,
    /// The first one not to send. Invariant: `start < end <= chunk.len()`.
    pub end: u32,
}

impl Part {
    /// The whole of a chunk.
    #[must_use]
    pub fn whole(chunk: Chunk) -> Self {
        let end = chunk.len();
        Self {
            chunk,
            start: 0,
            end,
        }
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.chunk.bytes()[self.start as usize..self.end as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Chunk {
        let frames = [(5, 2), (6, 4), (7, 9)]
            .map(|(offset, end)| FrameEnd {
                offset: Offset(offset),
                end,
            })
            .to_vec();
        Chunk::publications(b"aabbccccc".to_vec(), frames)
    }

    #[test]
    fn a_subscriber_begins_at_its_own_frame() {
        let chunk = three();
        assert_eq!(chunk.seek(Offset(0)), (0, 3));
        assert_eq!(chunk.seek(Offset(6)), (2, 2));
        assert_eq!(chunk.seek(Offset(8)), (9, 0));
    }

    #[test]
    fn a_frame_partly_sent_ends_where_it_ends() {
        let chunk = three();
        assert_eq!(chunk.frame_end(0), 2);
        assert_eq!(chunk.frame_end(1), 2);
        assert_eq!(chunk.frame_end(2), 4);
        assert_eq!(chunk.frame_end(9), 9);
        assert!(chunk.is_boundary(4) && !chunk.is_boundary(3));
    }

    #[test]
    fn a_private_chunk_is_one_unit() {
        let chunk = Chunk::private(b"pong".to_vec());
        assert_eq!(chunk.frame_end(1), 4);
        assert!(!chunk.is_boundary(1));
    }
}
