//! What others have claimed or measured, as workloads.

use std::time::Duration;

use crate::base::num::whole;
use crate::base::transport::Transport;
use crate::model::claims::{LUBBERS_CLIENTS, LUBBERS_HEAD_BYTES};
use crate::plan::workload::Workload;

use super::arm::{ArmSpec, Head, held};
use super::cell::{CellPlan, Exhibit, Scenario, seconds, workload};

/// Clients of an arm that one node and one generator of this program hold with the usual limit of
/// 20,000 descriptors; larger cases are extrapolated.
pub(super) const CLIENTS_MAX: u32 = 10_000;

/// Lubbers and Greco: every client polls once a second and gets one update a second; a request
/// and its answer have 871 bytes of heads.
pub(super) fn lubbers() -> Scenario {
    let together = u32::try_from(whole(LUBBERS_HEAD_BYTES)).unwrap_or(u32::MAX);
    let arms = vec![
        ArmSpec::new(Transport::Ws),
        ArmSpec {
            head: Head::Together(together),
            ..ArmSpec::poll(seconds(1))
        },
    ];
    let cell = |clients: u32| {
        let name = format!("{clients} clients, one update a second");
        let workload = Workload {
            arrivals: crate::model::Arrivals::Even,
            ..workload(clients, 1.0)
        };
        CellPlan::new(&name, workload, arms.clone(), seconds(10)).alone(2)
    };
    let cases = LUBBERS_CLIENTS.iter().filter(|n| **n <= CLIENTS_MAX);
    Scenario {
        cells: cases.map(|clients| cell(*clients)).collect(),
        shows: vec![Exhibit::Lubbers],
    }
}

/// Bozdag, Mesbah and van Deursen: publish interval by poll interval, and more users. Their push
/// was long polling (Cometd); a WebSocket stands beside it.
pub(super) fn bozdag() -> Scenario {
    let intervals = [1, 5, 15];
    let mut arms = vec![
        ArmSpec::new(Transport::LongPoll),
        ArmSpec::new(Transport::Ws),
    ];
    arms.extend(intervals.map(|t| ArmSpec::poll(seconds(t))));
    let grid = intervals.map(|every| {
        let name = format!("500 users, an update every {every} s");
        let workload = workload(500, 1.0 / every as f64);
        CellPlan::new(&name, workload, arms.clone(), seconds(15)).alone(1)
    });
    let few: Vec<ArmSpec> = arms.iter().copied().take(3).collect();
    let users = [100, 1_000].map(|clients| {
        let name = format!("{clients} users, an update every 1 s");
        CellPlan::new(&name, workload(clients, 1.0), few.clone(), seconds(10)).alone(1)
    });
    Scenario {
        cells: grid.into_iter().chain(users).collect(),
        shows: vec![Exhibit::CpuRatios],
    }
}

/// Pimentel and Nickerson: a wind sensor at 4 Hz, one client, and round trips between one
/// machine and another continent.
pub(super) fn pimentel() -> Scenario {
    let mut arms = held();
    arms.push(ArmSpec::poll(Duration::from_millis(250)));
    let cell = |round_trip: u64| {
        let name = format!("4 Hz, round trip {round_trip} ms longer");
        let workload = Workload {
            size_bytes: 100,
            ..workload(1, 4.0)
        };
        let mut cell = CellPlan::new(&name, workload, arms.clone(), seconds(20));
        cell.round_trip = Duration::from_millis(round_trip);
        cell
    };
    Scenario {
        cells: [0, 50, 150, 250].map(cell).to_vec(),
        shows: Vec::new(),
    }
}

/// Update rates around the crossings of 2, 5 and 10 s, where 100 bytes are published and only
/// the newest value is wanted; and the same with one push an interval.
pub(super) fn crossover() -> Scenario {
    let intervals = [2, 5, 10].map(seconds);
    let mut arms = vec![ArmSpec::new(Transport::Ws)];
    arms.extend(intervals.map(|conflate| ArmSpec {
        conflate,
        ..ArmSpec::new(Transport::Ws)
    }));
    arms.extend(intervals.map(|interval| ArmSpec {
        newest: true,
        ..ArmSpec::poll(interval)
    }));
    let cell = |rate: f64| {
        let name = format!("{rate} updates a second");
        let workload = Workload {
            size_bytes: 100,
            arrivals: crate::model::Arrivals::Even,
            ..workload(100, rate)
        };
        // A whole number of pings.
        CellPlan::new(&name, workload, arms.clone(), seconds(50))
    };
    Scenario {
        cells: [0.1, 0.2, 0.4, 0.8, 1.6, 3.2].map(cell).to_vec(),
        shows: vec![Exhibit::Crossings],
    }
}
