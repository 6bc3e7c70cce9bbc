//! What waits to be sent to one connection, as references to shared bytes.
//!
//! Bounded by its owner, who asks [`Outbox::pending`] before each [`Outbox::push`]. The memory
//! behind the references is charged once per chunk to the shard's [`Usage`], however many
//! outboxes hold it, and returned when the last one lets go.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::{Chunk, Part};
use crate::io::driver::{SEND_BATCH_BYTES_MAX, SEND_BATCH_PARTS_MAX};

/// Real memory of what waits in the outboxes of a shard, in bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage(Rc<Cell<usize>>);

impl Usage {
    /// The bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.get()
    }

    /// Charges a chunk, once, for as long as outboxes hold it.
    pub(crate) fn charge(&self, chunk: Chunk) -> ChargedChunk {
        self.0.set(self.0.get() + chunk.bytes().len());
        ChargedChunk(Rc::new(ChunkCharge {
            chunk,
            usage: self.clone(),
        }))
    }
}

/// A chunk whose memory is charged to a shard's usage.
#[derive(Clone, Debug)]
pub(crate) struct ChargedChunk(Rc<ChunkCharge>);

#[derive(Debug)]
struct ChunkCharge {
    chunk: Chunk,
    usage: Usage,
}

impl ChargedChunk {
    pub(crate) fn chunk(&self) -> &Chunk {
        &self.0.chunk
    }
}

impl Drop for ChunkCharge {
    fn drop(&mut self) {
        self.usage
            .0
            .set(self.usage.0.get() - self.chunk.bytes().len());
    }
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Invariant: each entry has `start < end`; only the first may start inside a frame.
    queue: VecDeque<QueuedPart>,
    /// Invariant: the sum of `end - start`.
    pending: usize,
    /// How many of the first bytes leave before a pause; the others wait until it is over.
    /// Invariant: above 0, at most `pending`, and only private bytes are among them.
    until_pause: Option<usize>,
}

#[derive(Debug)]
struct QueuedPart {
    charged: ChargedChunk,
    /// The first byte that is not sent.
    start: u32,
    /// The first byte that is not to be sent.
    end: u32,
}

impl QueuedPart {
    fn part(&self, bytes_max: u32) -> Part {
        let end = self.end.min(self.start.saturating_add(bytes_max));
        Part {
            chunk: self.charged.chunk().clone(),
            start: self.start,
            end,
        }
    }
}

impl Outbox {
    /// Puts the bytes of a chunk from `start` on behind all others.
    pub(crate) fn push(&mut self, charged: ChargedChunk, start: u32) {
        let end = charged.chunk().len();
        debug_assert!(start < end, "an empty entry");
        self.pending += (end - start) as usize;
        self.queue.push_back(QueuedPart {
            charged,
            start,
            end,
        });
        self.check_invariants();
    }

    /// Bytes that wait, counted as if each connection had its own copy.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// What waits now leaves, and what comes behind it waits until a pause is over.
    pub(crate) fn pause_behind(&mut self) {
        self.until_pause = (self.pending > 0).then_some(self.pending);
    }

    /// Whether there is something that leaves before a pause.
    pub(crate) fn is_before_pause(&self) -> bool {
        self.until_pause.is_some()
    }

    /// Without a pause, after all.
    pub(crate) fn skip_pause(&mut self) {
        self.until_pause = None;
    }

    /// Fills `batch` with what one send may take.
    pub(crate) fn batch(&self, batch: &mut Vec<Part>) {
        batch.clear();
        let most = SEND_BATCH_BYTES_MAX.min(self.until_pause.unwrap_or(usize::MAX));
        let mut room = u32::try_from(most).unwrap_or(u32::MAX);
        for queued in self.queue.iter().take(SEND_BATCH_PARTS_MAX) {
            let part = queued.part(room);
            room -= part.len();
            batch.push(part);
            if room == 0 {
                return;
            }
        }
    }

    /// Forgets bytes that the system took.
    pub(crate) fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.pending, "more was sent than waited");
        self.pending -= bytes.min(self.pending);
        self.until_pause = self
            .until_pause
            .and_then(|left| left.checked_sub(bytes).filter(|left| *left > 0));
        let mut rest = bytes;
        while rest > 0 {
            let Some(first) = self.queue.front_mut() else {
                return;
            };
            let len = (first.end - first.start) as usize;
            if rest < len {
                first.start += u32::try_from(rest).unwrap_or(u32::MAX);
                break;
            }
            rest -= len;
            self.queue.pop_front();
        }
        self.check_invariants();
    }

    /// Drops every whole frame of which nothing is sent, nor among the first `in_flight` bytes,
    /// which the system has already. Says how many publications that were. Private bytes stay: a
    /// 101 must come before the close, and an answer that was begun is owed.
    pub(crate) fn drop_unsent(&mut self, in_flight: usize) -> u64 {
        let mut kept = in_flight.max(self.until_pause.unwrap_or(0));
        let mut dropped = 0;
        let mut queue = VecDeque::new();
        for mut queued in self.queue.drain(..) {
            let len = (queued.end - queued.start) as usize;
            let reached = queued.start + u32::try_from(kept.min(len)).unwrap_or(u32::MAX);
            let chunk = queued.charged.chunk();
            let end = if chunk.frames().is_empty() {
                queued.end
            } else if chunk.is_boundary(reached) {
                reached
            } else {
                chunk.frame_end(reached)
            };
            kept = kept.saturating_sub(len);
            dropped += chunk
                .frames()
                .iter()
                .filter(|f| f.end > end && f.end <= queued.end)
                .count();
            queued.end = end;
            if queued.start < queued.end {
                queue.push_back(queued);
            }
        }
        self.queue = queue;
        self.pending = self.queue.iter().map(|q| (q.end - q.start) as usize).sum();
        self.check_invariants();
        dropped as u64
    }

    /// How many publications wait, the one partly sent included.
    pub(crate) fn publications(&self) -> u64 {
        let of = |q: &QueuedPart| {
            let frames = q.charged.chunk().frames().iter();
            frames.filter(|f| f.end > q.start && f.end <= q.end).count()
        };
        self.queue.iter().map(of).sum::<usize>() as u64
    }

    fn check_invariants(&self) {
        if cfg!(debug_assertions) && self.queue.len() < 32 {
            let sum: usize = self.queue.iter().map(|q| (q.end - q.start) as usize).sum();
            assert_eq!(sum, self.pending, "pending is the sum of the entries");
            let paused = self.until_pause.is_none_or(|left| left > 0 && left <= sum);
            assert!(paused, "a pause comes behind bytes that wait");
            assert!(
                self.queue.iter().all(|q| q.start < q.end),
                "no entry is empty"
            );
            let rest = self.queue.iter().skip(1);
            assert!(rest.clone().all(|q| q.charged.chunk().is_boundary(q.start)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameEnd, Offset};

    /// Three frames of 2, 2 and 5 bytes.
    fn chunk() -> Chunk {
        let frames = [(5, 2), (6, 4), (7, 9)]
            .map(|(offset, end)| FrameEnd {
                offset: Offset(offset),
                end,
            })
            .to_vec();
        Chunk::publications(b"aabbccccc".to_vec(), frames)
    }

    fn waiting(outbox: &Outbox) -> Vec<u8> {
        let mut batch = Vec::new();
        outbox.batch(&mut batch);
        batch
            .iter()
            .flat_map(|part| part.bytes().to_vec())
            .collect()
    }

    #[test]
    fn what_is_sent_is_forgotten_and_its_memory_returned() {
        let usage = Usage::default();
        let mut outbox = Outbox::default();
        outbox.push(usage.charge(Chunk::private(b"hello".to_vec())), 0);
        outbox.push(usage.charge(chunk()), 2);
        assert_eq!((outbox.pending(), usage.bytes()), (12, 14));
        outbox.advance(6);
        assert_eq!(waiting(&outbox), b"bccccc");
        assert_eq!(usage.bytes(), 9);
        outbox.advance(6);
        assert!(outbox.is_empty());
        assert_eq!(usage.bytes(), 0);
    }

    #[test]
    fn shared_memory_is_charged_once() {
        let usage = Usage::default();
        let charged = usage.charge(chunk());
        let mut outboxes = [Outbox::default(), Outbox::default()];
        outboxes
            .iter_mut()
            .for_each(|outbox| outbox.push(charged.clone(), 0));
        drop(charged);
        assert_eq!(usage.bytes(), 9);
        outboxes[0].advance(9);
        assert_eq!(usage.bytes(), 9);
        outboxes[1].advance(9);
        assert_eq!(usage.bytes(), 0);
    }

    #[test]
    fn a_batch_is_bounded() {
        let usage = Usage::default();
        let mut outbox = Outbox::default();
        outbox.push(
            usage.charge(Chunk::private(vec![0; SEND_BATCH_BYTES_MAX - 1])),
            0,
        );
        outbox.push(usage.charge(Chunk::private(vec![0; 5])), 0);
        assert_eq!(waiting(&outbox).len(), SEND_BATCH_BYTES_MAX);
        let mut many = Outbox::default();
        (0..20).for_each(|_| many.push(usage.charge(Chunk::private(vec![0])), 0));
        assert_eq!(waiting(&many).len(), SEND_BATCH_PARTS_MAX);
    }

    #[test]
    fn private_bytes_are_not_dropped() {
        let usage = Usage::default();
        let mut outbox = Outbox::default();
        outbox.push(usage.charge(Chunk::private(b"101".to_vec())), 0);
        outbox.push(usage.charge(chunk()), 0);
        outbox.push(usage.charge(Chunk::private(b"pong".to_vec())), 0);
        assert_eq!(outbox.drop_unsent(0), 3);
        assert_eq!(waiting(&outbox), b"101pong");
    }

    #[test]
    fn only_whole_unsent_frames_are_dropped() {
        let cases = [
            // sent, in flight, what is left, publications dropped
            (0, 0, &b""[..], 4),
            (1, 0, b"a", 3),
            (2, 0, b"", 3),
            (1, 1, b"a", 3),
            (1, 2, b"abb", 2),
            (5, 0, b"cccc", 1),
            (0, 10, b"aabbcccccdd", 0),
        ];
        for (sent, in_flight, left, dropped) in cases {
            let usage = Usage::default();
            let mut outbox = Outbox::default();
            outbox.push(usage.charge(chunk()), 0);
            let frames = vec![FrameEnd {
                offset: Offset(8),
                end: 2,
            }];
            outbox.push(usage.charge(Chunk::publications(b"dd".to_vec(), frames)), 0);
            outbox.advance(sent);
            assert_eq!(outbox.drop_unsent(in_flight), dropped, "{sent} {in_flight}");
            assert_eq!(waiting(&outbox), left, "{sent} {in_flight}");
        }
    }
}
