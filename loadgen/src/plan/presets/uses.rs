//! What push is used for: each use with its sizes, rates, publishers and readers.
//!
//! "Server to client" has few publishers and many readers; "client to server to client" has as
//! many publishers as readers, or nearly.

use std::time::Duration;

use crate::base::transport::Transport;
use crate::model::Arrivals;
use crate::plan::workload::Workload;

use super::arm::ArmSpec;
use super::cell::{CellPlan, Exhibit, Scenario, seconds};

/// A WebSocket, an event stream, a long poll, and polling.
fn arms(interval: Duration) -> Vec<ArmSpec> {
    vec![
        ArmSpec::new(Transport::Ws),
        ArmSpec::new(Transport::Sse),
        ArmSpec::new(Transport::LongPoll),
        ArmSpec::poll(interval),
    ]
}

fn scenario(name: &str, workload: Workload, interval: Duration) -> Scenario {
    Scenario {
        cells: vec![CellPlan::new(name, workload, arms(interval), seconds(10)).alone(2)],
        shows: vec![Exhibit::CpuRatios],
    }
}

/// Twenty rooms of fifty; everybody writes once in twenty seconds, a line of text.
pub(super) fn chat() -> Scenario {
    let workload = Workload {
        clients: 1_000,
        topics: 20,
        publishers: 200,
        rate: 50.0,
        arrivals: Arrivals::Poisson,
        size_bytes: 120,
    };
    scenario("chat: 20 rooms of 50", workload, seconds(2))
}

/// Ten games of ten players; each player moves ten times a second, and all ten see it.
pub(super) fn game() -> Scenario {
    let workload = Workload {
        clients: 100,
        topics: 10,
        publishers: 100,
        rate: 1_000.0,
        arrivals: Arrivals::Even,
        size_bytes: 64,
    };
    scenario("game: 10 games of 10", workload, Duration::from_millis(100))
}

/// Two hundred tasks that five people watch; a task changes about once in twenty seconds.
pub(super) fn tasks() -> Scenario {
    let workload = Workload {
        clients: 1_000,
        topics: 200,
        publishers: 20,
        rate: 10.0,
        arrivals: Arrivals::Poisson,
        size_bytes: 300,
    };
    scenario("tasks: 200 of 5 watchers", workload, seconds(5))
}

/// A hundred sensors with a temperature every second, each watched by ten.
pub(super) fn sensors() -> Scenario {
    let workload = Workload {
        clients: 1_000,
        topics: 100,
        publishers: 100,
        rate: 100.0,
        arrivals: Arrivals::Even,
        size_bytes: 80,
    };
    scenario("sensors: 100 of 10 watchers", workload, seconds(2))
}

/// Ten prices, each changing five times a second, each watched by a hundred.
pub(super) fn quotes() -> Scenario {
    let workload = Workload {
        clients: 1_000,
        topics: 10,
        publishers: 10,
        rate: 50.0,
        arrivals: Arrivals::Poisson,
        size_bytes: 100,
    };
    scenario("quotes: 10 of 100 watchers", workload, seconds(1))
}

/// A topic for each of a thousand users, who gets something about once a minute.
pub(super) fn notify() -> Scenario {
    let workload = Workload {
        clients: 1_000,
        topics: 1_000,
        publishers: 4,
        rate: 17.0,
        arrivals: Arrivals::Poisson,
        size_bytes: 200,
    };
    scenario("notify: 1,000 of 1 reader", workload, seconds(10))
}

/// One topic, five thousand watchers, two updates a second.
pub(super) fn live() -> Scenario {
    let workload = Workload {
        clients: 5_000,
        topics: 1,
        publishers: 1,
        rate: 2.0,
        arrivals: Arrivals::Even,
        size_bytes: 150,
    };
    scenario("live: one topic, 5,000 watchers", workload, seconds(2))
}

/// Every user asks for something once in five seconds: by GET on a connection that is kept, by
/// GET on a connection each, and on a socket that is held anyway.
pub(super) fn ondemand() -> Scenario {
    let interval = seconds(5);
    let get = ArmSpec {
        newest: true,
        ..ArmSpec::poll(interval)
    };
    let arms = vec![
        get,
        ArmSpec {
            keep_alive: false,
            ..get
        },
        ArmSpec {
            interval,
            ..ArmSpec::new(Transport::Ask)
        },
    ];
    let workload = Workload {
        clients: 1_000,
        topics: 1,
        publishers: 1,
        rate: 1.0,
        arrivals: Arrivals::Even,
        size_bytes: 200,
    };
    Scenario {
        cells: vec![
            CellPlan::new("on demand: asked every 5 s", workload, arms, seconds(15)).alone(2),
        ],
        shows: vec![Exhibit::CpuRatios],
    }
}
