//! The figures of an arm about what it took: requests, bytes, and what it cost the server; each
//! once.

use crate::base::num::{percent, ratio};

use super::arm_figure::{ArmEvidence, ArmFigure, count, of};
use super::unit::{Better, Unit};

use Better::{Higher, Lower};
use Unit::{Bytes, Count, Percent, Time};

pub(crate) const REQUESTS_RATE: ArmFigure = of(
    "requests_per_second",
    "requests/s",
    Count,
    Lower,
    "requests a second of all clients of the arm",
    |of| of.arm.traffic.requests_per_second,
);

pub(crate) const REQUESTS_PER_DELIVERY: ArmFigure = of(
    "requests_per_delivery",
    "requests a delivery",
    Count,
    Lower,
    "requests for one delivered update",
    |of| of.arm.traffic.requests_per_delivery,
);

pub(crate) const EMPTY: ArmFigure = of(
    "empty_percent",
    "empty answers",
    Percent,
    Lower,
    "answers that brought nothing",
    |of| of.arm.traffic.empty_percent,
);

pub(crate) const LATE_SHARE: ArmFigure = of(
    "late_polls_percent",
    "late polls",
    Percent,
    Lower,
    "polls that came due while the one before had no answer",
    |of| percent(of.arm.traffic.late_polls, of.arm.traffic.requests),
);

pub(crate) const ANSWER_P50: ArmFigure = of(
    "answer_p50_us",
    "answer p50",
    Time,
    Lower,
    "half of the answers came within this of the moment at which they were due to be asked",
    |of| of.arm.traffic.answer_time.p50_us,
);

pub(crate) const ANSWER_P99: ArmFigure = of(
    "answer_p99_us",
    "answer p99",
    Time,
    Lower,
    "99 % of the answers did",
    |of| of.arm.traffic.answer_time.p99_us,
);

pub(crate) const APP_BYTES: ArmFigure = of(
    "app_bytes_per_delivery",
    "app B a delivery",
    Bytes,
    Lower,
    "bytes at the socket, both directions, for one delivered update",
    |of| of.arm.traffic.app_bytes_per_delivery,
);

pub(crate) const WIRE_BYTES: ArmFigure = of(
    "wire_bytes_per_delivery",
    "wire B a delivery",
    Bytes,
    Lower,
    "the same with the heads of TCP and IP and all acknowledgements",
    |of| of.arm.traffic.wire.as_ref()?.bytes_per_delivery,
);

pub(crate) const ETHERNET_BYTES: ArmFigure = of(
    "ethernet_bytes_per_delivery",
    "Ethernet B a delivery",
    Bytes,
    Lower,
    "an estimate of the same on Ethernet",
    |of| {
        of.arm
            .traffic
            .wire
            .as_ref()?
            .ethernet_estimate_bytes_per_delivery
    },
);

pub(crate) const APP_UP_RATE: ArmFigure = of(
    "app_up_bytes_per_client_second",
    "app B/s up",
    Bytes,
    Lower,
    "bytes that one client sends in a second",
    |of| per_client_second(of, of.arm.traffic.app_up_bytes),
);

pub(crate) const APP_DOWN_RATE: ArmFigure = of(
    "app_down_bytes_per_client_second",
    "app B/s down",
    Bytes,
    Lower,
    "bytes that one client receives in a second",
    |of| per_client_second(of, of.arm.traffic.app_down_bytes),
);

pub(crate) const WIRE_UP_RATE: ArmFigure = of(
    "wire_up_bytes_per_client_second",
    "wire B/s up",
    Bytes,
    Lower,
    "the same with TCP and IP",
    |of| per_client_second(of, of.arm.traffic.wire.as_ref()?.up_bytes),
);

pub(crate) const WIRE_DOWN_RATE: ArmFigure = of(
    "wire_down_bytes_per_client_second",
    "wire B/s down",
    Bytes,
    Lower,
    "the same with TCP and IP",
    |of| per_client_second(of, of.arm.traffic.wire.as_ref()?.down_bytes),
);

pub(crate) const WIRE_RATE: ArmFigure = of(
    "wire_bytes_per_client_second",
    "wire B/s",
    Bytes,
    Lower,
    "both directions of one client in a second",
    |of| of.arm.traffic.wire.as_ref()?.bytes_per_client_second,
);

pub(crate) const SEGMENTS: ArmFigure = of(
    "segments_per_delivery",
    "segments a delivery",
    Count,
    Lower,
    "TCP segments, both directions, for one delivered update",
    |of| {
        let wire = of.arm.traffic.wire.as_ref()?;
        ratio(
            wire.segments_up + wire.segments_down,
            of.arm.traffic.deliveries,
        )
    },
);

pub(crate) const CPU_PER_DELIVERY: ArmFigure = of(
    "server_cpu_per_delivery_us",
    "server CPU a delivery",
    Time,
    Lower,
    "CPU of the server for one delivered update",
    |of| of.arm.server.cpu_per_delivery_us,
);

pub(crate) const CPU_PER_CLIENT: ArmFigure = of(
    "server_cpu_per_client_second_us",
    "CPU a client and second",
    Time,
    Lower,
    "CPU of the server for one client in a second",
    |of| of.arm.server.cpu_per_client_second_us,
);

pub(crate) const MEMORY: ArmFigure = of(
    "memory_per_client_bytes",
    "memory a client",
    Bytes,
    Lower,
    "resident memory of the server for one client",
    |of| of.arm.server.memory_per_client_bytes,
);

pub(crate) const KERNEL_MEMORY: ArmFigure = of(
    "kernel_memory_per_client_bytes",
    "kernel memory a client",
    Bytes,
    Lower,
    "memory of the kernel for one client, both ends being on this host",
    |of| of.arm.server.kernel_memory_per_client_bytes,
);

pub(crate) const LATE: ArmFigure = of(
    "late_polls",
    "late",
    Count,
    Lower,
    "polls that came due while the one before had no answer",
    |of| count(of.arm.traffic.late_polls),
);

pub(crate) const BROKEN: ArmFigure = of(
    "broken_requests",
    "broken",
    Count,
    Lower,
    "requests whose connection ended before their answer was whole",
    |of| count(of.arm.traffic.broken_requests),
);

pub(crate) const CONNECTED: ArmFigure = of(
    "connected",
    "connected",
    Count,
    Higher,
    "clients that came in",
    |of| count(of.arm.connect.connected),
);

fn per_client_second(of: ArmEvidence<'_>, bytes: u64) -> Option<f64> {
    let spent = of.arm.connect.connected as f64 * of.arm.traffic.window_seconds;
    (spent > 0.0).then(|| bytes as f64 / spent)
}
