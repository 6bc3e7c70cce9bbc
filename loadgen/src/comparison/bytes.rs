//! What an update, a poll and an idle hour cost in bytes, beside what the seed claims of them.

use serde::{Deserialize, Serialize};

use crate::base::transport::Transport;
use crate::figures::took;
use crate::model::claims::{SEED_POLL_BYTES, SEED_PUSH_BYTES};

use super::cell::{ArmResult, Cell};

/// Seconds of the idle hour.
const HOUR: f64 = 3600.0;

/// The bytes of one arm, up and down together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its name.
    pub arm: String,
    /// Updates a second at which those of an update were measured.
    pub updates_per_second: f64,
    /// What is claimed of a polling request or of a WebSocket message, from and to.
    pub claimed_bytes: Option<(f64, f64)>,
    /// A request that finds nothing and its answer, at the socket.
    pub app_bytes_per_empty_request: Option<f64>,
    /// A delivered update, at the socket.
    pub app_bytes_per_delivery: Option<f64>,
    /// The same with TCP and IP.
    pub wire_bytes_per_delivery: Option<f64>,
    /// An hour in which nothing is published, at the socket.
    pub app_bytes_per_idle_hour: Option<f64>,
    /// The same with TCP and IP.
    pub wire_bytes_per_idle_hour: Option<f64>,
}

/// A row for each arm of the first cell in which something is published. The idle hour is that of
/// the first cell in which nothing is, and in which arms had the same company.
#[must_use]
pub(crate) fn rows(cells: &[Cell]) -> Vec<Row> {
    let is_idle = |cell: &&Cell| cell.workload.rate <= 0.0 && cell.side_by_side;
    let idle = cells.iter().find(is_idle);
    let busy = cells.iter().find(|cell| cell.workload.rate > 0.0);
    let of = |cell: &Cell| -> Vec<Row> {
        let row = |arm: &ArmResult| row(cell, arm, idle);
        cell.arms.iter().map(row).collect()
    };
    busy.map(of).unwrap_or_default()
}

fn row(cell: &Cell, arm: &ArmResult, idle: Option<&Cell>) -> Row {
    let silent = idle.and_then(|cell| cell.arms.iter().find(|other| other.name == arm.name));
    let hour = |bytes: Option<f64>| bytes.map(|bytes| HOUR * bytes);
    Row {
        arm: arm.name.clone(),
        updates_per_second: cell.workload.rate_of_a_client(),
        claimed_bytes: claimed(arm),
        app_bytes_per_empty_request: idle.zip(silent).and_then(of_a_request),
        app_bytes_per_delivery: arm.median(&took::APP_BYTES),
        wire_bytes_per_delivery: arm.median(&took::WIRE_BYTES),
        app_bytes_per_idle_hour: hour(silent.and_then(app)),
        wire_bytes_per_idle_hour: hour(silent.and_then(|arm| arm.median(&took::WIRE_RATE))),
    }
}

/// Bytes of a request and its answer, at the socket; none where nothing was asked.
fn of_a_request((cell, arm): (&Cell, &ArmResult)) -> Option<f64> {
    let requests = arm.median(&took::REQUESTS_RATE)?;
    let bytes = f64::from(cell.workload.clients) * app(arm)? / requests;
    bytes.is_finite().then_some(bytes)
}

/// Bytes of a client in a second, at the socket.
fn app(arm: &ArmResult) -> Option<f64> {
    let up = arm.median(&took::APP_UP_RATE)?;
    Some(up + arm.median(&took::APP_DOWN_RATE)?)
}

fn claimed(arm: &ArmResult) -> Option<(f64, f64)> {
    match arm.arm()?.transport {
        Transport::Poll | Transport::LongPoll => Some(SEED_POLL_BYTES),
        Transport::Ws => Some(SEED_PUSH_BYTES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn every_arm_has_its_bytes_beside_the_claim() {
        let mut comparison = synthetic::comparison();
        let mut silent = comparison.cells[1].clone();
        silent.workload.rate = 0.0;
        comparison.cells.push(silent);
        let rows = rows(&comparison.cells);
        let names: Vec<_> = rows.iter().map(|row| row.arm.as_str()).collect();
        assert_eq!(names[..2], ["ws", "sse"]);
        assert_eq!(rows[0].claimed_bytes, Some((10.0, 20.0)));
        assert_eq!(rows[1].claimed_bytes, None);
        assert_eq!(rows[4].claimed_bytes, Some((200.0, 300.0)));
        assert_eq!(
            rows[0].app_bytes_per_empty_request, None,
            "it asks for nothing"
        );
        let poll = &rows[4];
        assert!(poll.app_bytes_per_delivery > Some(0.0), "{poll:?}");
        let silent = &comparison.cells[3].arms[4];
        let hour = silent.median(&took::WIRE_RATE);
        assert_eq!(poll.wire_bytes_per_idle_hour, hour.map(|b| 3600.0 * b));
        // One poll in two seconds.
        let request = app(silent).map(|bytes| 2.0 * bytes).expect("measured");
        let found = poll.app_bytes_per_empty_request.expect("it asks");
        assert!((found - request).abs() < 0.05 * request, "{poll:?}");
    }

    #[test]
    fn without_a_silent_cell_there_is_no_idle_hour() {
        let rows = rows(&synthetic::comparison().cells);
        assert!(
            rows.iter()
                .all(|row| row.wire_bytes_per_idle_hour.is_none())
        );
        assert_eq!(super::rows(&[]), []);
    }
}
