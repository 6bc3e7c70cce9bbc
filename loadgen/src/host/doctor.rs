//! `loadgen doctor`: what this host lets a generator do, what the load needs, and the command
//! that lifts each limit.

use std::fs;

use crate::speak::sources::SOURCE_PORTS_MAX;

/// One limit of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    /// What it is.
    pub name: &'static str,
    /// What it is now, for people; `None` where the host has no such limit.
    pub current: Option<String>,
    /// What the load needs, for people.
    pub wanted: String,
    /// Whether it is enough.
    pub enough: bool,
    /// What lifts it.
    pub command: String,
}

/// Limits that cannot be read from `/proc/sys`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Descriptors {
    /// What the process may open now.
    pub soft: u64,
    /// To what it may raise that.
    pub hard: u64,
}

/// Raises the soft limit of descriptors to the hard one and says what it is then.
#[must_use]
pub(crate) fn raise_descriptors() -> Descriptors {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    };
    Descriptors {
        soft: now.current.unwrap_or(u64::MAX),
        hard: now.maximum.unwrap_or(u64::MAX),
    }
}

/// Looks at every limit for a load of `clients` connections, both ends on this host.
#[must_use]
pub(crate) fn examine(clients: u64, descriptors: Descriptors) -> Vec<Finding> {
    examine_with(clients, descriptors, |path| {
        fs::read_to_string(format!("/proc/sys/{path}")).ok()
    })
}

/// Descriptors that a process needs for itself, beside its connections.
pub(crate) const DESCRIPTORS_RESERVED: u64 = 100;

fn examine_with(
    clients: u64,
    descriptors: Descriptors,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let number = |path: &str| read(path)?.split_whitespace().next()?.parse::<u64>().ok();
    let per_process = descriptors.hard.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    let backlog = clients.min(4096);
    let simple = [
        // Both ends, and what the host has open anyway.
        ("fs.file-max", 2 * clients + 10_000),
        ("fs.nr_open", clients + DESCRIPTORS_RESERVED),
        ("net.core.somaxconn", backlog),
        ("net.ipv4.tcp_max_syn_backlog", backlog.min(1024)),
        ("net.netfilter.nf_conntrack_max", clients + 10_000),
    ];
    let mut findings = vec![
        soft_limit(descriptors),
        hard_limit(clients, descriptors, per_process),
        port_range(clients, read("net/ipv4/ip_local_port_range")),
        tcp_mem(clients, read("net/ipv4/tcp_mem")),
    ];
    findings.extend(simple.map(|(name, wanted)| {
        let current = number(&name.replace('.', "/"));
        Finding {
            name,
            current: current.map(|n| n.to_string()),
            wanted: format!("at least {wanted}"),
            enough: current.is_none_or(|n| n >= wanted),
            command: format!("sysctl -w {name}={wanted}"),
        }
    }));
    findings
}

fn soft_limit(descriptors: Descriptors) -> Finding {
    Finding {
        name: "descriptors, soft",
        current: Some(descriptors.soft.to_string()),
        wanted: format!("{}, the hard limit: raised at start", descriptors.hard),
        enough: true,
        command: "nothing to do".to_owned(),
    }
}

/// Never a reason to fail the generator, which takes more processes; a server of one process
/// needs all of them.
fn hard_limit(clients: u64, descriptors: Descriptors, per_process: u64) -> Finding {
    let wanted = clients + DESCRIPTORS_RESERVED;
    let workers = clients.div_ceil(per_process);
    Finding {
        name: "descriptors, hard",
        current: Some(descriptors.hard.to_string()),
        wanted: format!(
            "{wanted} for a server of one process; the generator takes {workers} worker(s)"
        ),
        enough: descriptors.hard >= wanted,
        command: format!("ulimit -Hn {wanted} as root, or LimitNOFILE={wanted} in the unit"),
    }
}

fn port_range(clients: u64, text: Option<String>) -> Finding {
    let ports = text.as_deref().and_then(parse_range);
    let each = ports.unwrap_or(28_232).clamp(1, SOURCE_PORTS_MAX);
    let sources = clients.div_ceil(each);
    Finding {
        name: "net.ipv4.ip_local_port_range",
        current: text.map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ")),
        wanted: format!("{clients} ports from one address, or {sources} source addresses"),
        enough: ports.is_none_or(|ports| ports >= clients),
        command: format!(
            "sysctl -w net.ipv4.ip_local_port_range='1024 65535', or --source with {sources} addresses (loopback: by itself)"
        ),
    }
}

fn tcp_mem(clients: u64, text: Option<String>) -> Finding {
    let marks: Vec<u64> = text.as_deref().map_or_else(Vec::new, numbers);
    let pressure = marks.get(1).copied();
    // A message under way takes up to two pages at each end.
    let wanted = 4 * clients;
    Finding {
        name: "net.ipv4.tcp_mem",
        current: text.map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ")),
        wanted: format!("pressure mark of at least {wanted} pages"),
        enough: pressure.is_none_or(|pages| pages >= wanted),
        command: format!(
            "sysctl -w net.ipv4.tcp_mem='{wanted} {} {}'",
            wanted * 5 / 4,
            wanted * 3 / 2
        ),
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|w| w.parse().ok())
        .collect()
}

/// The ports that the host gives to clients, as `32768 to 60999`.
#[must_use]
pub(crate) fn local_port_range() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    match numbers(&text)[..] {
        [from, to] => Some(format!("{from} to {to}")),
        _ => None,
    }
}

fn parse_range(text: &str) -> Option<u64> {
    let bounds = numbers(text);
    Some(bounds.get(1)?.saturating_sub(*bounds.first()?) + 1)
}

/// The findings as a table.
#[must_use]
pub(crate) fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Some(current) = &finding.current else {
            text.push_str(&format!("ok    {}: not on this host\n", finding.name));
            continue;
        };
        let verdict = if finding.enough { "ok  " } else { "LOW " };
        text.push_str(&format!("{verdict}  {}: {current}\n", finding.name));
        text.push_str(&format!("        needed: {}\n", finding.wanted));
        if !finding.enough {
            text.push_str(&format!("        to lift it: {}\n", finding.command));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clients: u64, low: &[&str]) {
        let files = |path: &str| match path {
            "net/ipv4/ip_local_port_range" => Some("32768\t60999\n".to_owned()),
            "net/ipv4/tcp_mem" => Some("287418\t383227\t574836\n".to_owned()),
            "fs/file-max" => Some("2466170\n".to_owned()),
            "net/core/somaxconn" => Some("128\n".to_owned()),
            _ => None,
        };
        let limits = Descriptors {
            soft: 1024,
            hard: 20_000,
        };
        let findings = examine_with(clients, limits, files);
        let names: Vec<_> = findings
            .iter()
            .filter(|f| !f.enough)
            .map(|f| f.name)
            .collect();
        assert_eq!(names, low, "{clients}");
        assert!(table(&findings).contains("nf_conntrack_max: not on this host"));
    }

    #[test]
    fn each_limit_is_low_where_the_load_passes_it() {
        check(100, &[]);
        check(1_000, &["net.core.somaxconn"]);
        check(19_950, &["descriptors, hard", "net.core.somaxconn"]);
        check(
            1_300_000,
            &[
                "descriptors, hard",
                "net.ipv4.ip_local_port_range",
                "net.ipv4.tcp_mem",
                "fs.file-max",
                "net.core.somaxconn",
            ],
        );
    }
}
