//! Who has which place in a worker: the clients of its share, and in the first one the publishers.

use crate::base::transport::Transport;
use crate::plan::arms::seat;
use crate::plan::{Plan, PublishBy};

use super::connection::{ClientId, ClientKind, Connection};
use super::meter::Subscribers;
use super::rota::phase;

/// The subscribers among a worker's connections, as the meter asks for them.
#[derive(Debug)]
pub struct SubscribersOf<'a>(pub &'a [Connection]);

impl<'a> SubscribersOf<'a> {
    /// Cuts them out: they stand first.
    #[must_use]
    pub fn new(conns: &'a [Connection]) -> Self {
        let count = conns.partition_point(|conn| conn.kind == ClientKind::Subscriber);
        Self(&conns[..count])
    }
}

impl Subscribers for SubscribersOf<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn is_open(&self, subscriber: usize) -> bool {
        self.0[subscriber].is_in
    }

    fn topic(&self, subscriber: usize) -> usize {
        self.0[subscriber].topic as usize
    }

    fn arm(&self, subscriber: usize) -> usize {
        usize::from(self.0[subscriber].arm)
    }
}

/// By arm, those who poll with their phases.
pub type Turns = Vec<Vec<(ClientId, u64)>>;

/// Places for a worker's clients: subscribers first, then slow readers, the crowd, the publishers.
#[must_use]
pub fn connections(plan: &Plan, worker: u32) -> (Vec<Connection>, Turns) {
    let mut conns = Vec::new();
    let mut turns = vec![Vec::new(); plan.arms.len()];
    let groups = [
        (ClientKind::Subscriber, plan.subscribers),
        (ClientKind::Slow, plan.slow),
        (ClientKind::Crowd, plan.crowd),
    ];
    for (kind, total) in groups {
        let share = plan.share(total, worker);
        for client in share.start..share.start + share.count {
            let seat = seat(client, total, plan.arms.len());
            let arm = &plan.arms[seat.arm as usize];
            if arm.transport.is_scheduled() {
                let phase = phase(arm.interval, seat.place, seat.of);
                turns[seat.arm as usize].push((ClientId::at(conns.len()), phase));
            }
            let asks = arm.transport == Transport::Ask;
            let arm = u8::try_from(seat.arm).unwrap_or(u8::MAX);
            let kind = match (kind, asks) {
                (ClientKind::Subscriber, true) => ClientKind::Asker,
                _ => kind,
            };
            conns.push(Connection::new(kind, arm, plan.client_topic(client)));
        }
    }
    let kind = match plan.publish {
        PublishBy::Ws => ClientKind::Publisher,
        PublishBy::Http => ClientKind::Poster,
        PublishBy::Others => return (conns, turns),
    };
    if worker == 0 {
        let publishers = 0..plan.publishers;
        conns.extend(publishers.map(|p| Connection::new(kind, 0, plan.publisher_topic(p))));
    }
    (conns, turns)
}

/// The number of a worker's first connection, counted over all workers.
#[must_use]
pub fn first_connection(plan: &Plan, worker: u32) -> u64 {
    let groups = [plan.subscribers, plan.slow, plan.crowd];
    let before = groups.map(|total| u64::from(plan.share(total, worker).start));
    let publishers = if worker == 0 { 0 } else { plan.publishers };
    before.iter().sum::<u64>() + u64::from(publishers)
}
