//! The CPU that was used between two looks.

use crate::host::sample::Sample;
use crate::recording::measured::ServerUse;

/// What a server used between two looks, spread over the time in which it had work.
pub(super) fn server_use(before: Sample, after: Sample, wall_ns: u64) -> Option<ServerUse> {
    let span_ns = after.at_us.saturating_sub(before.at_us) * 1000;
    let (before, after) = (before.server?, after.server?);
    let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
    let busiest = after
        .busiest_thread_cpu_ns
        .saturating_sub(before.busiest_thread_cpu_ns);
    Some(ServerUse {
        cpu_ns,
        span_ns,
        cores: share(cpu_ns, wall_ns),
        busiest: share(busiest, wall_ns),
    })
}

/// Of one core.
pub(super) fn share(cpu_ns: u64, wall_ns: u64) -> f64 {
    cpu_ns as f64 / wall_ns.max(1) as f64
}
