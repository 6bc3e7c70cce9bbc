//! What this host allows: descriptors, memory, ports, backlog.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files this process may have: soft and hard limit; `u64::MAX` is no limit.
#[must_use]
pub fn descriptor_limits() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    (number(limit.current), number(limit.maximum))
}

/// Raises the soft limit of open files to the hard one; both as they are afterwards.
pub fn raise_descriptor_limit() -> (u64, u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Refused only where a sandbox forbids the call; what is in force then is reported.
    let _ = setrlimit(Resource::Nofile, raised);
    descriptor_limits()
}

/// Memory that this process may use, in bytes: the host's, or its control group's if less.
///
/// # Errors
/// When /proc cannot be read.
pub fn memory_total_bytes() -> io::Result<u64> {
    let host = meminfo_total(&fs::read_to_string("/proc/meminfo")?)?;
    // Version 2 of control groups, as a container sees its own; "max" is no number.
    let group = number::<u64>("/sys/fs/cgroup/memory.max");
    Ok(group.map_or(host, |group| group.min(host)))
}

/// The longest backlog of a listening socket.
///
/// # Errors
/// When /proc cannot be read.
pub fn somaxconn() -> io::Result<u64> {
    number("/proc/sys/net/core/somaxconn")
}

/// Ports of outgoing connections.
///
/// # Errors
/// When /proc cannot be read.
pub fn port_range() -> io::Result<RangeInclusive<u16>> {
    let [first, last] = numbers("/proc/sys/net/ipv4/ip_local_port_range")?;
    Ok(first..=last)
}

/// The highest limit of open files a process can be given.
///
/// # Errors
/// When /proc cannot be read.
pub fn nr_open() -> io::Result<u64> {
    number("/proc/sys/fs/nr_open")
}

/// Open files of the whole host.
///
/// # Errors
/// When /proc cannot be read.
pub fn file_max() -> io::Result<u64> {
    number("/proc/sys/fs/file-max")
}

/// Marks of the memory that all TCP buffers of the host may use, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpMemory {
    /// Below it the kernel does not care.
    pub low: u64,
    /// Above it buffers are squeezed, which slows every connection.
    pub pressure: u64,
    /// Above it nothing is given.
    pub high: u64,
}

/// The marks of TCP's memory.
///
/// # Errors
/// When /proc cannot be read.
pub fn tcp_memory() -> io::Result<TcpMemory> {
    let [low, pressure, high] = numbers("/proc/sys/net/ipv4/tcp_mem")?;
    Ok(TcpMemory {
        low,
        pressure,
        high,
    })
}

/// Memory that all TCP buffers of the host use now, in pages.
///
/// # Errors
/// When /proc cannot be read.
pub fn tcp_memory_used_pages() -> io::Result<u64> {
    sockstat_tcp_memory(&fs::read_to_string("/proc/net/sockstat")?)
}

fn number<T: FromStr>(path: &str) -> io::Result<T> {
    let [number] = numbers(path)?;
    Ok(number)
}

fn numbers<T: FromStr, const N: usize>(path: &str) -> io::Result<[T; N]> {
    parse_numbers(&fs::read_to_string(path)?).ok_or_else(|| unreadable(path))
}

fn parse_numbers<T: FromStr, const N: usize>(text: &str) -> Option<[T; N]> {
    let numbers: Option<Vec<T>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn meminfo_total(text: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|n| n.trim().parse::<u64>().ok());
    kib.map(|n| n.saturating_mul(1024))
        .ok_or_else(|| unreadable("/proc/meminfo"))
}

fn sockstat_tcp_memory(text: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("TCP:"));
    let mut words = line.unwrap_or_default().split_whitespace();
    let pages = words.find(|w| *w == "mem").and_then(|_| words.next());
    pages
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| unreadable("/proc/net/sockstat"))
}

fn unreadable(path: &str) -> io::Error {
    io::Error::other(format!("{path} does not hold what it should"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_proc_are_understood() {
        assert_eq!(parse_numbers("32768\t60999\n"), Some([32768_u16, 60999]));
        assert_eq!(parse_numbers::<u64, 3>("1 2"), None);
        assert_eq!(parse_numbers::<u64, 1>("max\n"), None);
        let meminfo = "MemTotal:       24576 kB\nMemFree: 1 kB\n";
        assert_eq!(meminfo_total(meminfo).ok(), Some(24576 * 1024));
        let sockstat = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 3\nUDP: mem 8\n";
        assert_eq!(sockstat_tcp_memory(sockstat).ok(), Some(3));
        assert!(meminfo_total("").is_err() && sockstat_tcp_memory("").is_err());
    }

    #[test]
    fn this_host_tells_all_of_it() {
        assert!(memory_total_bytes().expect("memory") > 1 << 20);
        assert!(somaxconn().expect("somaxconn") > 0);
        assert!(!port_range().expect("ports").is_empty());
        assert!(nr_open().expect("nr_open") > 0);
        assert!(file_max().expect("file-max") > 0);
        let marks = tcp_memory().expect("tcp_mem");
        assert!(marks.low <= marks.pressure && marks.pressure <= marks.high);
        assert!(tcp_memory_used_pages().is_ok());
        let (soft, hard) = raise_descriptor_limit();
        assert_eq!(soft, hard);
    }
}
