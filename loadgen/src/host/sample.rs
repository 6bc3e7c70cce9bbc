//! What a process and the host's sockets cost, read from `/proc` of this host.
//!
//! CPU time comes in nanoseconds from the scheduler's own accounts of each thread, since the
//! ticks of `/proc/PID/stat` are too coarse for a run of seconds.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::base::num::whole;

/// One look at a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProcessSample {
    /// CPU time of all its threads, in nanoseconds.
    pub cpu_ns: u64,
    /// CPU time of the thread that used most, in nanoseconds.
    pub busiest_thread_cpu_ns: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Threads.
    pub threads: u64,
}

/// One look at everything.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// When, in microseconds since the first one.
    pub at_us: u64,
    /// The server's processes together, if they are known.
    pub server: Option<ProcessSample>,
    /// The sockets of the host.
    pub sockets: SocketSample,
}

/// One look at the host's TCP sockets, of all processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SocketSample {
    /// Sockets in use.
    pub sockets: u64,
    /// Memory of their buffers in bytes.
    pub buffer_bytes: u64,
    /// Memory of the kernel's objects for them in bytes; `None` where that may not be read.
    pub slab_bytes: Option<u64>,
}

/// The kernel's objects that a TCP connection consists of.
const SLABS: &[&str] = &[
    "TCP",
    "TCPv6",
    "sock_inode_cache",
    "filp",
    "dentry",
    "tcp_bind_bucket",
    "tcp_bind2_bucket",
    "eventpoll_epi",
    "eventpoll_pwq",
    "request_sock_TCP",
    "skbuff_head_cache",
    "skbuff_small_head",
];

/// Looks at a process; `None` when it is gone.
#[must_use]
pub(crate) fn process(pid: u32) -> Option<ProcessSample> {
    let mut sample = ProcessSample {
        rss_bytes: rss(pid)?,
        ..ProcessSample::default()
    };
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else {
            continue; // the thread ended in between
        };
        let cpu = first_number(&text).unwrap_or(0);
        sample.cpu_ns += cpu;
        sample.busiest_thread_cpu_ns = sample.busiest_thread_cpu_ns.max(cpu);
        sample.threads += 1;
    }
    Some(sample)
}

/// Looks at all processes of a server; `None` when there are none.
#[must_use]
pub(crate) fn processes(pids: &[u32]) -> Option<ProcessSample> {
    let seen = pids.iter().filter_map(|pid| process(*pid));
    seen.reduce(|a, b| ProcessSample {
        cpu_ns: a.cpu_ns + b.cpu_ns,
        busiest_thread_cpu_ns: a.busiest_thread_cpu_ns.max(b.busiest_thread_cpu_ns),
        rss_bytes: a.rss_bytes + b.rss_bytes,
        threads: a.threads + b.threads,
    })
}

/// The share of the processes' memory that is their own, in bytes; slower than [`processes`].
#[must_use]
pub(crate) fn pss(pids: &[u32]) -> Option<u64> {
    let each = pids.iter().filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        Some(field(&text, "Pss:")? * 1024)
    });
    each.reduce(|a, b| a + b)
}

/// How many CPUs a process may use.
#[must_use]
pub(crate) fn cpus_allowed(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let list = text
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().split(',').map(range_len).sum())
}

/// Looks at the sockets of the host.
#[must_use]
pub(crate) fn sockets() -> SocketSample {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let (sockets, pages) = parse_sockstat(&text);
    let slabs = fs::read_to_string("/proc/slabinfo").ok();
    SocketSample {
        sockets,
        buffer_bytes: pages * page_bytes(),
        slab_bytes: slabs.map(|text| parse_slabinfo(&text)),
    }
}

/// The host, for the head of a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// CPUs of the host.
    pub cpus: usize,
    /// Memory of the host in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gibibytes = self.memory_bytes as f64 / 1024f64.powi(3);
        write!(
            f,
            "{} x {}, {gibibytes:.1} GiB, Linux {}",
            self.cpus, self.cpu, self.kernel
        )
    }
}

/// Describes the host.
#[must_use]
pub(crate) fn machine() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
        cpus: cpuinfo
            .lines()
            .filter(|l| l.starts_with("processor"))
            .count(),
        memory_bytes: field(&meminfo, "MemTotal:").unwrap_or(0) * 1024,
        kernel: release.trim().to_owned(),
    }
}

/// The number behind a name, in whatever unit the file has.
#[must_use]
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| first_number(line.strip_prefix(name)?))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn rss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes())
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

fn range_len(range: &str) -> u64 {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => last.saturating_sub(first) + 1,
        _ => 0,
    }
}

/// Sockets in use, and pages of their buffers.
fn parse_sockstat(text: &str) -> (u64, u64) {
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let words: Vec<&str> = line.unwrap_or("").split_whitespace().collect();
    let after = |name| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    (after("inuse").unwrap_or(0), after("mem").unwrap_or(0))
}

fn parse_slabinfo(text: &str) -> u64 {
    let bytes = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let known = columns.first().is_some_and(|name| SLABS.contains(name));
        let objects: f64 = columns.get(1).filter(|_| known)?.parse().ok()?;
        let size: f64 = columns.get(3)?.parse().ok()?;
        Some(whole(objects * size))
    };
    text.lines().filter_map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_threads_memory_and_used_cpu() {
        let sample = process(std::process::id()).expect("it runs");
        assert!(sample.threads >= 1 && sample.rss_bytes > 0 && sample.cpu_ns > 0);
        assert!(cpus_allowed(std::process::id()) >= Some(1));
        assert_eq!(process(u32::MAX), None);
        let pid = std::process::id();
        let both = processes(&[pid, u32::MAX, pid]).expect("it runs twice");
        assert!(both.cpu_ns > sample.cpu_ns && both.threads >= 2);
        assert_eq!(processes(&[u32::MAX]), None);
        assert!(pss(&[pid]) > Some(0) && pss(&[]).is_none());
    }

    #[test]
    fn the_files_of_proc_are_read_by_name() {
        let text = "sockets: used 9\nTCP: inuse 12 orphan 0 tw 3 alloc 14 mem 270\nUDP: mem 7";
        assert_eq!(parse_sockstat(text), (12, 270));
        assert_eq!(parse_sockstat(""), (0, 0));
        let slabs = "# name\nTCP 10 13 2368 13 8 : x\nfilp 2 4 256 1 1\nother 9 9 9 9 9\n";
        assert_eq!(parse_slabinfo(slabs), 23_680 + 512);
        assert_eq!(range_len("0-3") + range_len("5"), 5);
        assert_eq!(field("Pss:     12 kB\n", "Pss:"), Some(12));
    }
}
