//! Two shards' ends of the mesh on one thread: what messages, credits and bells cost without the
//! wake itself and without a second core.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use altavoz::base::{Epoch, Offset, ShardId, Time, TopicName};
use altavoz::io::Wake;
use altavoz::mesh::{Answer, DeliveryResult, Joint, Mesh, Message, Request};
use altavoz::wire::prepared::{PayloadKind, PreparedMessage, Publication};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const HERE: ShardId = ShardId(0);
const THERE: ShardId = ShardId(1);
const CREDITS: u32 = 1024;

/// A system that needs no waking.
struct Awake;

impl Wake for Awake {
    fn wake(&self) {}
}

/// A request, its answer, and the credit back.
fn round_trip(c: &mut Criterion) {
    let (mut here, mut there) = pair();
    let topic = topic();
    let mut group = c.benchmark_group("mesh");
    group.throughput(Throughput::Elements(1));
    group.bench_function("request and answer", |b| {
        b.iter(|| {
            let topic = topic.clone();
            here.request(
                THERE,
                Request::Unsubscribe {
                    topic,
                    subscribers: 1,
                },
            );
            here.ring();
            there.open_inbox();
            black_box(there.receive());
            there.answer(HERE, Answer::Unsubscribed);
            there.ring();
            here.open_inbox();
            black_box(here.receive());
        });
    });
    group.finish();
}

/// A turn's worth of publications to another shard, answered by one message.
fn deliver(c: &mut Criterion) {
    let mut group = c.benchmark_group("mesh/deliver");
    for burst in [1_u32, 16, 256] {
        let (mut here, mut there) = pair();
        let (topic, message) = (topic(), message());
        group.throughput(Throughput::Elements(u64::from(burst)));
        group.bench_with_input(BenchmarkId::new("burst", burst), &burst, |b, _| {
            b.iter(|| {
                for delivery in 0..burst {
                    let (topic, message) = (topic.clone(), Arc::clone(&message));
                    let received = Time::ZERO;
                    here.request(
                        THERE,
                        Request::Deliver {
                            delivery,
                            topic,
                            message,
                            received,
                        },
                    );
                }
                here.ring();
                report(&mut there);
                here.open_inbox();
                black_box(here.receive());
            });
        });
        assert!(here.has_credit(THERE) && here.unanswered(CREDITS) == 0);
    }
    group.finish();
}

/// Takes all publications and answers them at once.
fn report(mesh: &mut Mesh<()>) {
    mesh.open_inbox();
    let mut counts = Vec::new();
    while let Some(envelope) = mesh.receive() {
        if let Message::Request(Request::Deliver {
            delivery, message, ..
        }) = envelope.message
        {
            black_box(message);
            counts.push(DeliveryResult {
                delivery,
                queued: 1,
                dropped: 0,
            });
        }
    }
    mesh.answer(HERE, Answer::Delivered(counts));
    mesh.ring();
}

fn pair() -> (Mesh<()>, Mesh<()>) {
    let joints = vec![Joint::new(Box::new(Awake)), Joint::new(Box::new(Awake))];
    let mut meshes = Mesh::connect(joints, CREDITS).into_iter();
    let mut next = || meshes.next().expect("one mesh a joint");
    (next(), next())
}

fn topic() -> TopicName {
    TopicName::new("room").expect("a name")
}

fn message() -> Arc<PreparedMessage> {
    PreparedMessage::new(Publication {
        epoch: Epoch::new(1),
        offset: Offset(1),
        kind: PayloadKind::Text,
        payload: vec![b'a'; 64],
    })
}

criterion_group! {
    name = benches;
    config = support::short();
    targets = round_trip, deliver
}
criterion_main!(benches);
