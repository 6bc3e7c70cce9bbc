//! The rows of a report about connections: how they came in, what they cost, how they came back.

use crate::show::text::Lines;

use super::super::figures::{ConnectFigures, MemoryFigures, StormFigures};
use super::super::whole::Report;
use super::cells::{heads, mebibytes, summary};

/// All of them.
pub(super) fn connecting(out: &mut Lines, report: &Report) {
    connect(out, &report.connect);
    if let Some(memory) = &report.memory {
        self::memory(out, memory);
    }
    if let Some(idle) = &report.idle
        && let Some(each) = idle.server_cpu_per_client_second_us
    {
        let percent = idle.server_cpu_percent.unwrap_or(0.0);
        out.row(
            "server CPU, holding",
            format!("{percent:.1} % of a core, {each:.2} us a client and second"),
        );
    }
    if let Some(storm) = &report.storm {
        self::storm(out, storm);
    }
}

fn connect(out: &mut Lines, connect: &ConnectFigures) {
    out.line("");
    heads(out, "time to connect, ms");
    summary(out, "TCP", &connect.tcp);
    summary(out, "upgrade", &connect.upgrade);
    summary(out, "both", &connect.total);
    out.row(
        "connected",
        format!(
            "{} clients in {:.2} s, {:.0}/s",
            connect.connected, connect.seconds, connect.rate
        ),
    );
    for (reason, count) in &connect.failures {
        out.row("failed", format!("{count} clients: {reason}"));
    }
    if let Some(cpu) = connect.server_cpu_per_connect_us {
        out.row("server CPU", format!("{cpu:.1} us a connection"));
    }
    out.row(
        "generator CPU",
        format!(
            "{:.0} % of a core (busiest worker)",
            connect.generator_cpu_percent
        ),
    );
}

fn memory(out: &mut Lines, memory: &MemoryFigures) {
    out.line("");
    out.line(format!(
        "memory for {} connections, growth since before the first",
        memory.total.connections
    ));
    let rows = [
        (
            "server, resident",
            memory.total.server_bytes,
            memory.server_per_connection_bytes,
        ),
        (
            "kernel, both ends",
            memory.total.kernel_bytes,
            memory.kernel_per_connection_bytes,
        ),
        (
            "generator, resident",
            Some(memory.total.generator_bytes),
            memory.generator_per_connection_bytes,
        ),
    ];
    for (name, total, each) in rows {
        let value = match (total, each) {
            (Some(total), Some(each)) => {
                format!("{:.1} MiB, {each:.0} bytes a connection", mebibytes(total))
            }
            _ => {
                "not readable here (--server-pid names the server; slabinfo needs root)".to_owned()
            }
        };
        out.row(name, value);
    }
    if let Some(all) = memory.all_per_connection_bytes {
        out.row("all together", format!("{all:.0} bytes a connection"));
    }
}

fn storm(out: &mut Lines, storm: &StormFigures) {
    out.line("");
    heads(out, "storm, ms");
    summary(out, "cut to back", &storm.reconnect);
    summary(out, "bystanders before", &storm.bystanders_calm);
    if let Some(during) = &storm.bystanders_storm {
        summary(out, "bystanders meanwhile", during);
    }
    out.row("back", format!("{} of {} clients", storm.back, storm.cut));
    let until = storm
        .back_99_us
        .map_or_else(|| "never".to_owned(), |us| format!("{:.2} s", us / 1e6));
    out.row("until 99 % were back", until);
    for (reason, count) in &storm.failures {
        out.row("failed and repeated", format!("{count} attempts: {reason}"));
    }
}
