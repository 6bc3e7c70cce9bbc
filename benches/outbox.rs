//! Outboxes of subscribers that have to wait: a chunk goes in, is sent in pieces, or is dropped.
//!
//! A subscriber whose socket takes the bytes at once has none; what that costs, a bench of the
//! whole says.

mod support;

use std::hint::black_box;

use altavoz::base::{Chunk, FrameEnd, Offset};
use altavoz::testing::bench::Outboxes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SUBSCRIBERS: usize = 1000;
const FRAME_BYTES: u32 = 66;

/// A chunk for all, and all of it sent again; so many publications wait before it.
fn push_and_send(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox/push and send");
    group.throughput(Throughput::Elements(SUBSCRIBERS as u64));
    for waiting in [0_usize, 10] {
        let mut outboxes = filled(waiting);
        let chunk = chunk(1);
        let bytes = chunk.bytes().len();
        group.bench_with_input(BenchmarkId::new("waiting", waiting), &waiting, |b, _| {
            b.iter(|| {
                outboxes.push(&chunk);
                black_box(outboxes.send(bytes));
            });
        });
    }
    group.finish();
}

/// A backlog that goes out in short sends, which end inside frames.
fn short_sends(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox/short sends");
    group.throughput(Throughput::Elements(SUBSCRIBERS as u64));
    group.bench_function("10 chunks of 16 frames", |b| {
        let full = || {
            let mut outboxes = Outboxes::new(SUBSCRIBERS);
            (0..10).for_each(|_| outboxes.push(&chunk(16)));
            outboxes
        };
        let drain = |outboxes: &mut Outboxes| while outboxes.send(1000) > 0 {};
        b.iter_batched_ref(full, drain, BatchSize::LargeInput);
    });
    group.finish();
}

/// The end of slow consumers: what is not sent is dropped, at frame boundaries.
fn drop_unsent(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox/drop unsent");
    group.throughput(Throughput::Elements(SUBSCRIBERS as u64));
    for waiting in [10_usize, 100] {
        let partly_sent = || {
            let mut outboxes = filled(waiting);
            outboxes.send(100);
            outboxes
        };
        group.bench_with_input(BenchmarkId::new("waiting", waiting), &waiting, |b, _| {
            b.iter_batched_ref(partly_sent, Outboxes::drop_unsent, BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// Outboxes in which so many publications wait, a chunk each.
fn filled(waiting: usize) -> Outboxes {
    let mut outboxes = Outboxes::new(SUBSCRIBERS);
    (0..waiting).for_each(|_| outboxes.push(&chunk(1)));
    outboxes
}

/// A turn's publications, one behind the other.
fn chunk(frames: u32) -> Chunk {
    let end = |i: u32| FrameEnd {
        offset: Offset(u64::from(i)),
        end: i * FRAME_BYTES,
    };
    let bytes = vec![b'a'; (frames * FRAME_BYTES) as usize];
    Chunk::publications(bytes, (1..=frames).map(end).collect())
}

criterion_group! {
    name = benches;
    config = support::short();
    targets = push_and_send, short_sends, drop_unsent
}
criterion_main!(benches);
