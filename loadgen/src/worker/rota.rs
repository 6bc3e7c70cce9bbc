//! Whose turn it is to poll: every client once an interval, at a phase of its own.
//!
//! The phases of an arm's clients are spread evenly over the interval, counted over all workers,
//! so that no herd polls at once. A timetable does not wait: whoever is not answered yet when
//! its turn comes is late, and that is the caller's to count.

use altavoz::base::Time;

use super::connection::ClientId;

/// The timetable of the clients of one arm in one worker.
#[derive(Debug)]
pub struct Rota {
    /// Nanoseconds from one turn of a client to its next.
    interval: u64,
    /// The clients with their phases in nanoseconds, which rise.
    turns: Vec<(ClientId, u64)>,
    next: usize,
    /// Which interval of the host's clock is under way.
    lap: u64,
}

/// The phase of client `place` of `of`.
#[must_use]
pub fn phase(interval: u64, place: u32, of: u32) -> u64 {
    let nanos = u128::from(interval) * u128::from(place) / u128::from(of.max(1));
    u64::try_from(nanos).unwrap_or(0)
}

impl Rota {
    /// Turns from `now` on, for clients with their phases in any order.
    #[must_use]
    pub fn new(interval: u64, mut turns: Vec<(ClientId, u64)>, now: Time) -> Self {
        turns.sort_unstable_by_key(|(client, phase)| (*phase, *client));
        let lap = now.as_nanos() / interval.max(1);
        let mut rota = Self {
            interval,
            turns,
            next: 0,
            lap,
        };
        while rota.next_at().is_some_and(|at| at < now) {
            rota.step();
        }
        rota
    }

    /// When the next turn is; `None` without clients.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        let (_, phase) = self.turns.get(self.next)?;
        Some(Time::from_nanos(self.lap * self.interval + phase))
    }

    /// The next turn, if it has come: whose, and the moment.
    pub fn poll_due(&mut self, now: Time) -> Option<(ClientId, Time)> {
        let at = self.next_at().filter(|at| *at <= now)?;
        let (client, _) = self.turns[self.next];
        self.step();
        Some((client, at))
    }

    fn step(&mut self) {
        self.next += 1;
        if self.next == self.turns.len() {
            self.next = 0;
            self.lap += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(rota: &mut Rota, now: u64) -> Vec<(usize, u64)> {
        let turns = std::iter::from_fn(|| rota.poll_due(Time::from_nanos(now)));
        turns
            .map(|(client, at)| (client.index(), at.as_nanos()))
            .collect()
    }

    #[test]
    fn every_client_has_its_turn_once_an_interval_evenly_spread() {
        let turns = (0..4).map(|n| (ClientId(n), phase(1000, n, 4))).collect();
        let mut rota = Rota::new(1000, turns, Time::from_nanos(5300));
        assert_eq!(due(&mut rota, 5499), []);
        assert_eq!(due(&mut rota, 5750), [(2, 5500), (3, 5750)]);
        assert_eq!(rota.next_at(), Some(Time::from_nanos(6000)));
        assert_eq!(due(&mut rota, 6999).len(), 4);
        // Nothing is skipped however late it is.
        assert_eq!(due(&mut rota, 9000).len(), 9);
    }

    #[test]
    fn workers_share_one_timetable() {
        let part = |first: u32| {
            let turns = (first..9)
                .step_by(3)
                .map(|n| (ClientId(n), phase(900, n, 9)));
            let mut rota = Rota::new(900, turns.collect(), Time::ZERO);
            due(&mut rota, 899)
        };
        let mut all: Vec<_> = (0..3).flat_map(part).collect();
        all.sort_unstable();
        let expected: Vec<_> = (0..9).map(|n| (n, 100 * n as u64)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn without_clients_there_is_no_turn() {
        let mut rota = Rota::new(1000, Vec::new(), Time::from_nanos(77));
        assert_eq!((rota.next_at(), rota.poll_due(Time::NEVER)), (None, None));
    }
}
