//! The crowd is cut and comes back: all at once, or a few at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use altavoz::base::Time;
use altavoz::io::Driver;

use crate::base::counts::count;
use crate::base::num::{between, whole};
use crate::lines::Back;
use crate::options::stage::Leaving;

use super::connection::{ClientId, ClientKind};
use super::core::{ClientEnd, WorkerCore};
use super::gate::Gate;

/// Clients of the crowd that were cut and are on their way back.
#[derive(Debug)]
pub struct Storm {
    /// When each of those that are not back was cut.
    cut_at: BTreeMap<ClientId, Time>,
    /// Each waits a random part of this before it comes back, in nanoseconds.
    jitter: u64,
    /// When to come back, and which place; the soonest last.
    due: Vec<(Time, ClientId)>,
    churn: Option<Churn>,
    random: fastrand::Rng,
    results: Back,
}

/// Who is cut next, and when.
#[derive(Debug)]
struct Churn {
    clients: Vec<ClientId>,
    next: usize,
    at: Time,
    gap: Duration,
    until: Time,
    by: Leaving,
}

impl Storm {
    /// Cuts the whole crowd now.
    pub fn all(
        gate: &mut Gate<impl Driver>,
        core: &mut WorkerCore,
        now: Time,
        jitter: u64,
        random: fastrand::Rng,
    ) -> Self {
        let crowd = crowd(core);
        let mut storm = Self::new(jitter, None, random);
        crowd
            .into_iter()
            .for_each(|client| storm.cut(gate, core, client, ClientEnd::Reset, now));
        storm
    }

    /// Cuts so many of the crowd a second, one after the other, until a moment.
    #[must_use]
    pub fn churn(
        core: &WorkerCore,
        now: Time,
        per_second: f64,
        (until, by): (Time, Leaving),
        random: fastrand::Rng,
    ) -> Self {
        let gap = Duration::from_nanos(whole(1e9 / per_second).max(1));
        let churn = Churn {
            clients: crowd(core),
            next: 0,
            at: now,
            gap,
            until,
            by,
        };
        Self::new(0, Some(churn), random)
    }

    fn new(jitter: u64, churn: Option<Churn>, random: fastrand::Rng) -> Self {
        Self {
            cut_at: BTreeMap::new(),
            jitter,
            due: Vec::new(),
            churn,
            random,
            results: Back::default(),
        }
    }

    /// An attempt to come back ended.
    pub fn note(
        &mut self,
        client: ClientId,
        failure: Option<String>,
        now: Time,
        core: &WorkerCore,
    ) {
        match failure {
            None if core.clients[client].kind == ClientKind::Crowd => {
                if let Some(cut_at) = self.cut_at.remove(&client) {
                    self.results.back.record(between(cut_at, now));
                }
            }
            None => {}
            Some(why) => count(&mut self.results.failures, &why),
        }
    }

    /// Cuts and brings back whoever is due. An attempt begins when it begins: thousands of them in
    /// a turn each ask the clock.
    pub fn advance(
        &mut self,
        gate: &mut Gate<impl Driver>,
        core: &mut WorkerCore,
        gone: &[ClientId],
        now: Time,
        clock: &impl Fn() -> Time,
    ) {
        self.plan_returns(gone, now, core);
        self.cut_due(gate, core, now);
        while let Some((_, client)) = self.due.pop_if(|(at, _)| *at <= now) {
            core.connect(gate, client, clock());
        }
    }

    /// Whether nobody is to be cut any more and everybody is back.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        let is_cutting = self.churn.as_ref().is_some_and(|churn| now < churn.until);
        !is_cutting && self.cut_at.is_empty()
    }

    /// What it brought.
    #[must_use]
    pub fn finish(self) -> Back {
        self.results
    }

    /// Full jitter: each waits a random part of the whole time.
    fn plan_returns(&mut self, gone: &[ClientId], now: Time, core: &WorkerCore) {
        let crowd = gone
            .iter()
            .filter(|client| core.clients[**client].kind == ClientKind::Crowd);
        let before = self.due.len();
        let mut wait = || Duration::from_nanos(self.random.u64(0..=self.jitter));
        self.due.extend(crowd.map(|client| (now + wait(), *client)));
        if self.due.len() > before {
            self.due.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    fn cut_due(&mut self, gate: &mut Gate<impl Driver>, core: &mut WorkerCore, now: Time) {
        let Some(churn) = &mut self.churn else {
            return;
        };
        let by = churn.by;
        let mut cut = Vec::new();
        while churn.at <= now && churn.at < churn.until && !churn.clients.is_empty() {
            cut.push(churn.clients[churn.next]);
            churn.next = (churn.next + 1) % churn.clients.len();
            churn.at = churn.at + churn.gap;
        }
        for client in cut {
            let how = draw(&mut self.random, by);
            self.cut(gate, core, client, how, now);
        }
    }

    /// Whoever is not back yet is not cut again.
    fn cut(
        &mut self,
        gate: &mut Gate<impl Driver>,
        core: &mut WorkerCore,
        client: ClientId,
        how: ClientEnd,
        now: Time,
    ) {
        if core.clients[client].is_in && !self.cut_at.contains_key(&client) {
            core.leave(&mut gate.driver, client, how);
            self.cut_at.insert(client, now);
            self.results.cut += 1;
        }
    }
}

/// Of those who vanish, one in fifty does it without a FIN or a reset, and the others half by half.
fn draw(random: &mut fastrand::Rng, by: Leaving) -> ClientEnd {
    match by {
        Leaving::Reset => ClientEnd::Reset,
        Leaving::Any => match random.u8(0..100) {
            0..2 => ClientEnd::Silence,
            2..51 => ClientEnd::Fin,
            _ => ClientEnd::Reset,
        },
    }
}

fn crowd(core: &WorkerCore) -> Vec<ClientId> {
    let crowd = core.clients.of(ClientKind::Crowd);
    crowd.filter(|client| core.clients[*client].is_in).collect()
}
