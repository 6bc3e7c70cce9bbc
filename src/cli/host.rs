//! What this host allows: limits, memory and cores, as /proc, /sys and the system calls say.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use crate::config::HostFacts;
use crate::io::{sys, uring};

/// The host at one moment; `None` where it does not say.
#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    /// Descriptors that this process may have now: the soft limit.
    pub descriptors_soft: u64,
    /// Descriptors that it may raise that to: the hard limit.
    pub descriptors_hard: u64,
    /// Descriptors that any process may be allowed.
    pub nr_open: Option<u64>,
    /// Files that the whole host has open.
    pub files_open: Option<u64>,
    /// Files that the whole host may have open.
    pub file_max: Option<u64>,
    /// Connections that may wait to be accepted.
    pub somaxconn: Option<u64>,
    /// Connections that may wait for the end of their TCP handshake.
    pub syn_backlog: Option<u64>,
    /// First and last port for connections from this host.
    pub port_range: Option<(u64, u64)>,
    /// Pages of TCP memory: where pressure begins.
    pub tcp_pressure_pages: Option<u64>,
    /// Connections that the firewall tracks; `None` where it tracks none.
    pub conntrack_max: Option<u64>,
    /// `kernel.io_uring_disabled`; there since Linux 6.6.
    pub io_uring_disabled: Option<u64>,
    /// What the io_uring driver needs and does not have here, or nothing; `None` until
    /// [`Host::try_uring`].
    pub uring: Option<Result<(), String>>,
    /// Memory of the host or of its control group, whichever is less; 0 if unknown.
    pub memory_bytes: u64,
    /// Threads that run at once, quotas considered.
    pub parallelism: usize,
    /// Cores that a thread can be pinned to.
    pub cores: usize,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

impl Host {
    /// Looks at this host.
    #[must_use]
    pub fn read() -> Self {
        Self::read_under(Path::new("/"))
    }

    /// Looks at this process, and at the files under `root` for the rest.
    #[must_use]
    pub fn read_under(root: &Path) -> Self {
        let setting = |name: &str, field| number(&root.join("proc/sys").join(name), field);
        let (descriptors_soft, descriptors_hard) = sys::descriptor_limits();
        let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = core_affinity::get_core_ids().map_or(0, |ids| ids.len());
        Self {
            // No limit at all is as good as the largest one.
            descriptors_soft,
            descriptors_hard,
            nr_open: setting("fs/nr_open", 0),
            files_open: setting("fs/file-nr", 0),
            file_max: setting("fs/file-max", 0),
            somaxconn: setting("net/core/somaxconn", 0),
            syn_backlog: setting("net/ipv4/tcp_max_syn_backlog", 0),
            port_range: setting("net/ipv4/ip_local_port_range", 0)
                .zip(setting("net/ipv4/ip_local_port_range", 1)),
            tcp_pressure_pages: setting("net/ipv4/tcp_mem", 1),
            conntrack_max: setting("net/netfilter/nf_conntrack_max", 0),
            io_uring_disabled: setting("kernel/io_uring_disabled", 0),
            uring: None,
            memory_bytes: memory(root),
            parallelism,
            cores: if cores == 0 { parallelism } else { cores },
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Finds out whether the io_uring driver works here, by a connection of our own on loopback.
    #[must_use]
    pub fn try_uring(self) -> Self {
        Self {
            uring: Some(uring::probe()),
            ..self
        }
    }

    /// What a plan needs of it.
    #[must_use]
    pub fn facts(&self) -> HostFacts {
        let uring_missing = self.uring.clone().and_then(Result::err);
        HostFacts {
            descriptors_max: self.descriptors_hard,
            parallelism: self.parallelism,
            cores: self.cores,
            memory_bytes: self.memory_bytes,
            terminal: self.terminal,
            uring_missing,
        }
    }
}

/// The field of that place in a file, counted from 0, as a number.
fn number(file: &Path, field: usize) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.split_ascii_whitespace().nth(field)?.parse().ok()
}

fn memory(root: &Path) -> u64 {
    let host = fs::read_to_string(root.join("proc/meminfo"))
        .ok()
        .and_then(|text| total(&text));
    let own = group_limits(root).into_iter().chain(host);
    own.min().unwrap_or(0)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The memory limits of this process's control group and of those around it, in either version.
fn group_limits(root: &Path) -> Vec<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        // hierarchy:controllers:path; version 2 has no controllers here (cgroups(7)).
        let mut parts = line.splitn(3, ':').skip(1);
        let (folder, file) = match parts.next() {
            Some("") => ("sys/fs/cgroup", "memory.max"),
            Some("memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let folder = root.join(folder);
        let path = Path::new(parts.next().unwrap_or("/").trim_start_matches('/'));
        limits.extend(
            path.ancestors()
                .filter_map(|group| number(&folder.join(group).join(file), 0)),
        );
    }
    limits
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A host made of files, gone with the test.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root =
                std::env::temp_dir().join(format!("altavoz-host-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn limits_are_read_from_their_files() {
        let files = Files::new(
            "limits",
            &[
                ("proc/sys/fs/nr_open", "1048576\n"),
                ("proc/sys/fs/file-nr", "584\t0\t2466183\n"),
                ("proc/sys/fs/file-max", "2466183\n"),
                ("proc/sys/net/core/somaxconn", "4096\n"),
                ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
                ("proc/sys/net/ipv4/tcp_mem", "287901\t383869\t575802\n"),
                (
                    "proc/meminfo",
                    "MemTotal:       24684096 kB\nMemFree: 1 kB\n",
                ),
            ],
        );
        let host = Host::read_under(&files.0);
        assert_eq!(host.nr_open, Some(1_048_576));
        assert_eq!(
            (host.files_open, host.file_max),
            (Some(584), Some(2_466_183))
        );
        assert_eq!(host.port_range, Some((32_768, 60_999)));
        assert_eq!(host.tcp_pressure_pages, Some(383_869));
        assert_eq!(host.memory_bytes, 24_684_096 * 1024);
        assert_eq!((host.conntrack_max, host.io_uring_disabled), (None, None));
    }

    #[test]
    fn the_least_of_all_memory_limits_counts() {
        let meminfo = ("proc/meminfo", "MemTotal: 1000 kB\n");
        let second = Files::new(
            "v2",
            &[
                meminfo,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("sys/fs/cgroup/a/memory.max", "5000\n"),
            ],
        );
        assert_eq!(Host::read_under(&second.0).memory_bytes, 5000);
        let first = Files::new(
            "v1",
            &[
                meminfo,
                ("proc/self/cgroup", "4:memory:/a\n1:cpu:/\n"),
                (
                    "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                    "9223372036854771712\n",
                ),
            ],
        );
        assert_eq!(Host::read_under(&first.0).memory_bytes, 1000 * 1024);
    }

    #[test]
    fn a_host_that_says_nothing_is_still_one() {
        let host = Host::read_under(Path::new("/nonexistent"));
        assert_eq!(host.memory_bytes, 0);
        assert!(host.cores >= 1 && host.descriptors_hard >= host.descriptors_soft);
    }
}
