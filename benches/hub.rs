//! A hub alone: publications with history, subscribers that come and go, recovery.

mod support;

use std::hint::black_box;

use altavoz::base::{After, HashKey, Position, ShardId, Time, TopicName};
use altavoz::config::Limits;
use altavoz::hub::Hub;
use altavoz::wire::prepared::{PayloadKind, Publication};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const TOPICS: [usize; 2] = [1, 1000];
const NOW: Time = Time::ZERO;

/// An offset, an entry in the history, and the oldest one out; the topics take turns.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/publish");
    group.throughput(Throughput::Elements(1));
    for topics in TOPICS {
        let (mut hub, names) = filled(topics);
        let mut turn = names.iter().cycle();
        group.bench_with_input(BenchmarkId::new("topics", topics), &topics, |b, _| {
            b.iter(|| turn.next().map(|name| publish_one(&mut hub, name)));
        });
    }
    group.finish();
}

/// A subscriber of a topic that others are subscribed to, and its end.
fn subscribe(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/subscribe and unsubscribe");
    group.throughput(Throughput::Elements(1));
    for topics in TOPICS {
        let (mut hub, names) = filled(topics);
        let mut turn = names.iter().cycle();
        group.bench_with_input(BenchmarkId::new("topics", topics), &topics, |b, _| {
            b.iter(|| turn.next().map(|name| come_and_go(&mut hub, name, None)));
        });
    }
    group.finish();
}

/// A subscriber that comes back and has missed so many.
fn recover(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/recover");
    for missed in [0_u64, 10, 100] {
        let (mut hub, names) = filled(1);
        let mut position = publish_one(&mut hub, &names[0]);
        position.offset.0 -= missed;
        let after = Some(After::Position(position));
        group.throughput(Throughput::Elements(missed.max(1)));
        group.bench_with_input(BenchmarkId::new("missed", missed), &missed, |b, _| {
            b.iter(|| come_and_go(&mut hub, &names[0], after));
        });
    }
    group.finish();
}

/// A hub whose topics have a subscriber each and a full history.
fn filled(topics: usize) -> (Hub, Vec<TopicName>) {
    let mut hub = Hub::new(&Limits::default(), topics, HashKey(1, 2), 7, NOW);
    let name = |i| TopicName::new(&format!("room/{i}")).expect("a name");
    let names: Vec<TopicName> = (0..topics).map(name).collect();
    for name in &names {
        hub.subscribe(name, ShardId(0), None, NOW).expect("room");
        for _ in 0..Limits::default().history_publications_max {
            publish_one(&mut hub, name);
        }
    }
    (hub, names)
}

fn publish_one(hub: &mut Hub, name: &TopicName) -> Position {
    let position = hub.sequence(name).expect("room");
    let sequenced = Publication {
        epoch: position.epoch,
        offset: position.offset,
        kind: PayloadKind::Text,
        payload: vec![b'a'; 64],
    };
    black_box(hub.apply(name, sequenced, NOW));
    position
}

fn come_and_go(hub: &mut Hub, name: &TopicName, after: Option<After>) {
    let shard = ShardId(1);
    black_box(
        hub.subscribe(name, shard, black_box(after), NOW)
            .expect("room"),
    );
    hub.unsubscribe(name, shard, 1);
}

criterion_group! {
    name = benches;
    config = support::short();
    targets = publish, subscribe, recover
}
criterion_main!(benches);
