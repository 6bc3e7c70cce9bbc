//! `altavoz doctor`: the limits of this host against what the node needs, and what lifts them.

use super::host::Host;
use super::table::lay_out;
use crate::config::{CONNECTION_BYTES, Config, DriverChoice};

/// Ports that one client address can have towards one listener: 1024 to 65535.
const PORTS_MAX: u64 = 64_512;

/// The report on this host, for the connections that the configuration asks for.
#[must_use]
pub fn report(config: &Config, host: &Host) -> String {
    let target = target(config, host);
    let checks = checks(config, host, target);
    let low: Vec<_> = checks.iter().filter(|check| check.low()).collect();
    let mut text = format!("What {target} connections need of this host:\n\n");
    text.push_str(&lay_out(&rows(&checks)));
    text.push_str(&io_uring(host));
    if low.is_empty() {
        text.push_str("\nNothing is in the way.\n");
    } else {
        text.push_str("\nTo lift what is low, as root:\n\n");
        text.extend(low.iter().map(|check| format!("  {}\n", check.command)));
    }
    text
}

/// `--max-connections`, or what the descriptor limit leaves.
fn target(config: &Config, host: &Host) -> u64 {
    let own = config.descriptors_for(0, shards(config, host), host.descriptors_hard);
    let wanted = config.max_connections.and_then(|n| u64::try_from(n).ok());
    wanted.unwrap_or_else(|| {
        host.descriptors_hard
            .saturating_sub(own)
            .clamp(1, 10_000_000)
    })
}

fn shards(config: &Config, host: &Host) -> usize {
    config.choose_shards(&host.facts()).value
}

/// One limit against what is wanted of it.
struct LimitCheck {
    what: &'static str,
    current: Option<u64>,
    wanted: u64,
    /// What lifts it.
    command: String,
}

impl LimitCheck {
    fn low(&self) -> bool {
        self.current.is_some_and(|current| current < self.wanted)
    }

    fn state(&self) -> &'static str {
        match self.current {
            None => "unknown",
            Some(_) if self.low() => "low",
            Some(_) => "ok",
        }
    }
}

fn checks(config: &Config, host: &Host, target: u64) -> Vec<LimitCheck> {
    let connections = usize::try_from(target).unwrap_or(usize::MAX >> 1);
    let limit = host.descriptors_hard;
    let descriptors = config.descriptors_for(connections, shards(config, host), limit);
    // Open files are counted also where they are in tables of rings.
    let files = match config.driver {
        DriverChoice::Uring => descriptors.saturating_add(target),
        _ => descriptors,
    };
    let sysctl = |what, current, wanted| LimitCheck {
        what,
        current,
        wanted,
        command: format!("sysctl -w {what}={wanted}"),
    };
    let mut checks = vec![
        LimitCheck {
            what: "descriptors of a process (hard limit)",
            current: Some(host.descriptors_hard),
            wanted: descriptors,
            command: format!(
                "ulimit -Hn {descriptors}    # or LimitNOFILE={descriptors} in the systemd unit"
            ),
        },
        sysctl("fs.nr_open", host.nr_open, descriptors),
        sysctl(
            "fs.file-max",
            host.file_max,
            files.saturating_add(host.files_open.unwrap_or(0)),
        ),
        sysctl("net.core.somaxconn", host.somaxconn, backlog(target)),
        sysctl(
            "net.ipv4.tcp_max_syn_backlog",
            host.syn_backlog,
            backlog(target),
        ),
        tcp_memory(host, target),
        ports(host, target),
        memory(host, target),
    ];
    if host.conntrack_max.is_some() {
        checks.push(sysctl(
            "net.netfilter.nf_conntrack_max",
            host.conntrack_max,
            target.saturating_mul(2),
        ));
    }
    checks
}

/// After a restart everybody comes back within seconds: a tenth of them at once, within what the
/// kernel takes. Whoever finds the backlog full tries again after 1, 3 and 7 s.
fn backlog(target: u64) -> u64 {
    (target / 10).clamp(1024, 65_535)
}

/// A page for each connection: idle ones hold none, but in a fan-out each one queues something.
fn tcp_memory(host: &Host, target: u64) -> LimitCheck {
    let (low, high) = (target / 4 * 3, target.saturating_mul(2));
    LimitCheck {
        what: "net.ipv4.tcp_mem (pressure, in pages)",
        current: host.tcp_pressure_pages,
        wanted: target,
        command: format!("sysctl -w net.ipv4.tcp_mem=\"{low} {target} {high}\""),
    }
}

/// Only where clients or a proxy run here: a server's own connections all share one port.
fn ports(host: &Host, target: u64) -> LimitCheck {
    LimitCheck {
        what: "ports of one client or proxy address here",
        current: host
            .port_range
            .map(|(first, last)| (last + 1).saturating_sub(first)),
        wanted: target.min(PORTS_MAX),
        command: "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"".into(),
    }
}

fn memory(host: &Host, target: u64) -> LimitCheck {
    LimitCheck {
        what: "memory, in MiB",
        current: (host.memory_bytes > 0).then_some(host.memory_bytes >> 20),
        wanted: target.saturating_mul(CONNECTION_BYTES).div_ceil(1 << 20),
        command: "# no command adds memory: lower --max-connections, or take a larger host".into(),
    }
}

fn rows(checks: &[LimitCheck]) -> Vec<[String; 4]> {
    let head = ["limit", "now", "wanted", ""].map(String::from);
    let row = |check: &LimitCheck| {
        let now = check.current.map_or_else(|| "-".into(), |n| n.to_string());
        [
            check.what.into(),
            now,
            check.wanted.to_string(),
            check.state().into(),
        ]
    };
    std::iter::once(head)
        .chain(checks.iter().map(row))
        .collect()
}

/// Wanted by nobody, since epoll is always there; told, since people ask.
fn io_uring(host: &Host) -> String {
    let state = match (&host.uring, host.io_uring_disabled) {
        (Some(Ok(())), _) => {
            "works here; with --driver uring connections are not counted as descriptors".into()
        }
        (Some(Err(missing)), Some(1 | 2)) => {
            format!("{missing}; `sysctl -w kernel.io_uring_disabled=0` allows it")
        }
        (Some(Err(missing)), _) => missing.clone(),
        (None, _) => "nobody has tried".into(),
    };
    format!("\nio_uring: {state}.\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::Flags;

    fn host() -> Host {
        Host {
            descriptors_soft: 1024,
            descriptors_hard: 20_000,
            nr_open: Some(1_048_576),
            files_open: Some(500),
            file_max: Some(2_000_000),
            somaxconn: Some(4096),
            syn_backlog: Some(2048),
            port_range: Some((32_768, 60_999)),
            tcp_pressure_pages: Some(380_000),
            conntrack_max: None,
            io_uring_disabled: Some(0),
            uring: Some(Ok(())),
            memory_bytes: 8 << 30,
            parallelism: 2,
            cores: 2,
            terminal: false,
        }
    }

    fn doctor(host: &Host, target: Option<&str>) -> String {
        let variables = target.map(|n| ("ALTAVOZ_MAX_CONNECTIONS".to_owned(), n.to_owned()));
        let variables: Vec<_> = variables.into_iter().collect();
        report(&Flags::default().load(&variables).unwrap(), host)
    }

    #[test]
    fn a_target_beyond_the_limits_is_told_with_the_commands() {
        assert_eq!(
            doctor(&host(), Some("100000")),
            "What 100000 connections need of this host:\n\
             \n\
             \x20 limit                                      now      wanted\n\
             \x20 descriptors of a process (hard limit)      20000    100106  low\n\
             \x20 fs.nr_open                                 1048576  100106  ok\n\
             \x20 fs.file-max                                2000000  100606  ok\n\
             \x20 net.core.somaxconn                         4096     10000   low\n\
             \x20 net.ipv4.tcp_max_syn_backlog               2048     10000   low\n\
             \x20 net.ipv4.tcp_mem (pressure, in pages)      380000   100000  ok\n\
             \x20 ports of one client or proxy address here  28232    64512   low\n\
             \x20 memory, in MiB                             8192     782     ok\n\
             \n\
             io_uring: works here; with --driver uring connections are not counted as descriptors.\n\
             \n\
             To lift what is low, as root:\n\
             \n\
             \x20 ulimit -Hn 100106    # or LimitNOFILE=100106 in the systemd unit\n\
             \x20 sysctl -w net.core.somaxconn=10000\n\
             \x20 sysctl -w net.ipv4.tcp_max_syn_backlog=10000\n\
             \x20 sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"\n"
        );
    }

    #[test]
    fn without_a_target_the_descriptor_limit_is_the_target() {
        let text = doctor(&host(), None);
        assert!(text.starts_with("What 19894 connections need"), "{text}");
        assert!(text.ends_with("\nNothing is in the way.\n"), "{text}");
    }

    #[test]
    fn over_io_uring_connections_are_files_and_no_descriptors() {
        let variables = [("MAX_CONNECTIONS", "100000"), ("DRIVER", "uring")]
            .map(|(name, value)| (format!("ALTAVOZ_{name}"), value.to_owned()));
        let text = report(&Flags::default().load(&variables).unwrap(), &host());
        let line = |what: &str| text.lines().find(|line| line.contains(what)).unwrap();
        assert!(line("descriptors of a process").ends_with("ok"), "{text}");
        assert!(line("fs.file-max").contains(" 100"), "{text}");
    }

    #[test]
    fn a_million_connections_ask_for_tcp_memory_and_memory() {
        let small = Host {
            memory_bytes: 1 << 30,
            conntrack_max: Some(262_144),
            ..host()
        };
        let text = doctor(&small, Some("1000000"));
        assert!(
            text.contains("sysctl -w net.ipv4.tcp_mem=\"750000 1000000 2000000\""),
            "{text}"
        );
        assert!(text.contains("no command adds memory"), "{text}");
        assert!(
            text.contains("sysctl -w net.netfilter.nf_conntrack_max=2000000"),
            "{text}"
        );
    }

    #[test]
    fn what_the_host_does_not_say_is_unknown_and_not_low() {
        let silent = Host {
            nr_open: None,
            io_uring_disabled: None,
            uring: Some(Err("this kernel has no io_uring".into())),
            ..host()
        };
        let text = doctor(&silent, None);
        assert!(text.contains("unknown"), "{text}");
        assert!(
            text.contains("io_uring: this kernel has no io_uring."),
            "{text}"
        );
        assert!(text.ends_with("Nothing is in the way.\n"), "{text}");
    }

    #[test]
    fn a_disabled_io_uring_is_told_with_its_command() {
        let text = doctor(
            &Host {
                io_uring_disabled: Some(2),
                uring: Some(Err("io_uring is not allowed here".into())),
                ..host()
            },
            None,
        );
        assert!(
            text.contains(
                "io_uring: io_uring is not allowed here; `sysctl -w kernel.io_uring_disabled=0`"
            ),
            "{text}"
        );
    }
}
