//! Frames: headers read, many small messages read out of one buffer, whole frames written.

mod support;

use std::hint::black_box;

use altavoz::wire::frame::{self, FrameStart, Opcode};
use altavoz::wire::message::{Decoder, MessageLimits, Role};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FRAMES: usize = 1000;
const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 64 * 1024,
    fragments_max: 1024,
};

/// A header alone, in its three lengths, with and without a mask.
fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    for len in [64_usize, 1024, 100_000] {
        for role in [Role::Client, Role::Server] {
            let bytes = frame_of(role, Opcode::Binary, len);
            let name = format!("{role:?}/{len}");
            group.bench_function(name, |b| b.iter(|| parse(role, black_box(&bytes))));
        }
    }
    group.finish();
}

fn parse(role: Role, bytes: &[u8]) -> Option<frame::FrameExtent> {
    let (&first, rest) = bytes.split_first()?;
    FrameStart::parse(first).ok()?.extent(role, rest).ok()
}

/// A thousand small messages in one receive buffer, as a fan-out arrives at a client and as
/// a busy publisher arrives at a server.
fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode 1000 frames");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for (role, opcode, len) in [
        (Role::Client, Opcode::Text, 32),
        (Role::Client, Opcode::Text, 64),
        (Role::Client, Opcode::Binary, 64),
        (Role::Server, Opcode::Text, 64),
        (Role::Server, Opcode::Binary, 64),
    ] {
        let stream = frame_of(role, opcode, len).repeat(FRAMES);
        group.bench_function(format!("{role:?}/{opcode:?}/{len}"), |b| {
            // A fresh copy each time, since unmasking changes it.
            let copy = || stream.clone();
            b.iter_batched_ref(copy, |bytes| decode(role, bytes), BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn decode(role: Role, mut bytes: &mut [u8]) -> usize {
    let (mut decoder, mut count) = (Decoder::default(), 0);
    while !bytes.is_empty() {
        let Ok(step) = decoder.handle_bytes(role, &LIMITS, bytes) else {
            break;
        };
        count += usize::from(black_box(&step.incoming).is_some());
        let consumed = step.consumed;
        bytes = &mut bytes[consumed..];
    }
    assert_eq!(count, FRAMES);
    count
}

/// Whole frames, into a buffer that is used again.
fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for len in [64_usize, 1024, 16 * 1024] {
        let (payload, mut out) = (vec![b'a'; len], Vec::new());
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::new("plain", len), &len, |b, _| {
            b.iter(|| {
                out.clear();
                frame::encode(&mut out, Opcode::Text, black_box(&payload));
                black_box(&out);
            });
        });
        group.bench_with_input(BenchmarkId::new("masked", len), &len, |b, _| {
            b.iter(|| {
                out.clear();
                frame::encode_masked(&mut out, Opcode::Text, MASK, black_box(&payload));
                black_box(&out);
            });
        });
    }
    group.finish();
}

fn frame_of(role: Role, opcode: Opcode, len: usize) -> Vec<u8> {
    let (payload, mut out) = (vec![b'a'; len], Vec::new());
    match role {
        Role::Server => frame::encode_masked(&mut out, opcode, MASK, &payload),
        Role::Client => frame::encode(&mut out, opcode, &payload),
    }
    out
}

criterion_group! {
    name = benches;
    config = support::short();
    targets = headers, messages, frames
}
criterion_main!(benches);
