//! The crowd is cut and comes back: all at once, or a few at a time.

use std::collections::BTreeMap;

use altavoz::base::Address;
use altavoz::io::Driver;

use crate::base::counts::count;
use crate::lines::Back;
use crate::options::stage::Leaving;

use super::connection::Kind;
use super::core::{Core, Leave};

/// Clients of the crowd that were cut and are on their way back.
#[derive(Debug)]
pub struct Storm {
    /// When each of those that are not back was cut.
    cut_at: BTreeMap<usize, u64>,
    /// Each waits a random part of this before it comes back, in nanoseconds.
    jitter: u64,
    /// When to come back, and which place; the soonest last.
    due: Vec<(u64, usize)>,
    churn: Option<Churn>,
    results: Back,
}

/// Who is cut next, and when.
#[derive(Debug)]
struct Churn {
    slots: Vec<usize>,
    next: usize,
    at: u64,
    gap: u64,
    until: u64,
    by: Leaving,
}

impl Storm {
    /// Cuts the whole crowd now.
    pub fn all(
        driver: &mut impl Driver<Target = Address>,
        core: &mut Core,
        now: u64,
        jitter: u64,
    ) -> Self {
        let crowd = crowd(core);
        let mut storm = Self::new(jitter, None);
        crowd
            .into_iter()
            .for_each(|slot| storm.cut(driver, core, slot, Leave::Reset, now));
        storm
    }

    /// Cuts so many of the crowd a second, one after the other, until a moment.
    #[must_use]
    pub fn churn(core: &Core, now: u64, per_second: f64, until: u64, by: Leaving) -> Self {
        let gap = crate::base::num::whole(1e9 / per_second).max(1);
        let churn = Churn {
            slots: crowd(core),
            next: 0,
            at: now,
            gap,
            until,
            by,
        };
        Self::new(0, Some(churn))
    }

    fn new(jitter: u64, churn: Option<Churn>) -> Self {
        Self {
            cut_at: BTreeMap::new(),
            jitter,
            due: Vec::new(),
            churn,
            results: Back::default(),
        }
    }

    /// An attempt to come back ended.
    pub fn note(&mut self, slot: usize, failure: Option<String>, now: u64, core: &Core) {
        match failure {
            None if core.conns[slot].kind == Kind::Crowd => {
                if let Some(cut_at) = self.cut_at.remove(&slot) {
                    self.results.back.record(now.saturating_sub(cut_at));
                }
            }
            None => {}
            Some(why) => count(&mut self.results.failures, &why),
        }
    }

    /// Cuts and brings back whoever is due.
    pub fn advance(
        &mut self,
        driver: &mut impl Driver<Target = Address>,
        core: &mut Core,
        gone: &[usize],
        now: u64,
    ) {
        self.plan_returns(gone, now, core);
        self.cut_due(driver, core, now);
        while let Some((_, slot)) = self.due.pop_if(|(at, _)| *at <= now) {
            core.connect(driver, slot);
        }
    }

    /// Whether nobody is to be cut any more and everybody is back.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        let is_cutting = self.churn.as_ref().is_some_and(|churn| now < churn.until);
        !is_cutting && self.cut_at.is_empty()
    }

    /// What it brought.
    #[must_use]
    pub fn finish(self) -> Back {
        self.results
    }

    /// Full jitter: each waits a random part of the whole time.
    fn plan_returns(&mut self, gone: &[usize], now: u64, core: &Core) {
        let crowd = gone
            .iter()
            .filter(|slot| core.conns[**slot].kind == Kind::Crowd);
        let before = self.due.len();
        self.due
            .extend(crowd.map(|slot| (now + fastrand::u64(0..=self.jitter), *slot)));
        if self.due.len() > before {
            self.due.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    fn cut_due(&mut self, driver: &mut impl Driver<Target = Address>, core: &mut Core, now: u64) {
        let Some(churn) = &mut self.churn else {
            return;
        };
        let by = churn.by;
        let mut cut = Vec::new();
        while churn.at <= now && churn.at < churn.until && !churn.slots.is_empty() {
            cut.push(churn.slots[churn.next]);
            churn.next = (churn.next + 1) % churn.slots.len();
            churn.at += churn.gap;
        }
        cut.into_iter()
            .for_each(|slot| self.cut(driver, core, slot, draw(by), now));
    }

    /// Whoever is not back yet is not cut again.
    fn cut(
        &mut self,
        driver: &mut impl Driver<Target = Address>,
        core: &mut Core,
        slot: usize,
        how: Leave,
        now: u64,
    ) {
        if core.conns[slot].is_in && !self.cut_at.contains_key(&slot) {
            core.leave(driver, slot, how);
            self.cut_at.insert(slot, now);
            self.results.cut += 1;
        }
    }
}

/// Of those who vanish, one in fifty does it without a FIN or a reset, and the others half by half.
fn draw(by: Leaving) -> Leave {
    match by {
        Leaving::Reset => Leave::Reset,
        Leaving::Any => match fastrand::u8(0..100) {
            0..2 => Leave::Silence,
            2..51 => Leave::Fin,
            _ => Leave::Reset,
        },
    }
}

fn crowd(core: &Core) -> Vec<usize> {
    let slots = 0..core.conns.len();
    let is_crowd = |slot: &usize| {
        let conn = &core.conns[*slot];
        conn.kind == Kind::Crowd && conn.is_in
    };
    slots.filter(is_crowd).collect()
}
