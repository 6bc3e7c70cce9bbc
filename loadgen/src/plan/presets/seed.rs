//! The comparison that the project began with: AJAX polling every 2, 5 and 10 s, "and mostly
//! the answer is no", against an open socket.

use super::arm::{ArmSpec, Head, held};
use super::cell::{CellPlan, Exhibit, Scenario, seconds, workload};
use crate::options::preset::HeaderPreset;

/// The polling intervals of the seed, in seconds.
pub(super) const INTERVALS: [u64; 3] = [2, 5, 10];

/// Clients of each arm.
const CLIENTS: u32 = 1_000;

/// Two rounds of long polls that time out, and no third one near the end.
const IDLE_SECONDS: u64 = 60;

/// Frequent updates with each arm alone, rare ones and none side by side, and then what one
/// knob of polling does.
pub(super) fn scenario() -> Scenario {
    let polls = || INTERVALS.map(|t| ArmSpec::poll(seconds(t)));
    let all = || [held(), polls().to_vec()].concat();
    let cells = vec![
        CellPlan::new(
            "1 update a second",
            workload(CLIENTS, 1.0),
            all(),
            seconds(8),
        )
        .alone(2),
        CellPlan::new(
            "1 update in 5 s",
            workload(CLIENTS, 0.2),
            all(),
            seconds(50),
        ),
        CellPlan::new(
            "1 update in 20 s",
            workload(CLIENTS, 0.05),
            all(),
            seconds(60),
        ),
        CellPlan::new(
            "nothing published",
            workload(CLIENTS, 0.0),
            all(),
            seconds(IDLE_SECONDS),
        ),
        CellPlan::new(
            "nothing published, each alone",
            workload(CLIENTS, 0.0),
            idle(),
            seconds(8),
        )
        .alone(1),
        CellPlan::new(
            "what a head costs",
            workload(CLIENTS, 0.2),
            knobs(),
            seconds(10),
        )
        .alone(1),
    ];
    Scenario {
        cells,
        shows: vec![Exhibit::Bytes],
    }
}

fn idle() -> Vec<ArmSpec> {
    [held(), vec![ArmSpec::poll(seconds(2))]].concat()
}

/// Polling every two seconds with one thing changed at a time.
fn knobs() -> Vec<ArmSpec> {
    let poll = ArmSpec::poll(seconds(2));
    let head = |preset| ArmSpec {
        head: Head::Preset(preset),
        ..poll
    };
    vec![
        poll,
        ArmSpec {
            keep_alive: false,
            ..poll
        },
        ArmSpec { etag: true, ..poll },
        head(HeaderPreset::Small),
        head(HeaderPreset::Browser),
        head(HeaderPreset::Classic),
    ]
}
