//! Masking in place, by length of the payload; the phase is odd, as behind a split.

mod support;

use std::hint::black_box;

use altavoz::wire::mask;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for len in [32_usize, 125, 512, 1024, 4096, 16 * 1024] {
        let mut payload = vec![7; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &len, |b, _| {
            b.iter(|| mask::apply(black_box(MASK), black_box(3), black_box(&mut payload)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = support::short();
    targets = apply
}
criterion_main!(benches);
