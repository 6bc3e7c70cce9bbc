//! What the system says of this process: memory, descriptors, CPU time.

use std::fs;
use std::time::Duration;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use crate::base::clock;

/// One look at this process; `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Real memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Descriptors in use.
    pub open_fds: Option<u64>,
    /// Descriptors that may be in use: the soft limit.
    pub max_fds: Option<u64>,
    /// CPU time of all threads, user and system.
    pub cpu: Duration,
}

impl Process {
    /// Looks now.
    #[must_use]
    pub fn read() -> Self {
        Self {
            resident_bytes: resident_bytes(),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            cpu: clock::process_cpu(),
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(page_size()).ok()?)
}

/// The directory's size is the number of its entries since Linux 6.2. Before that it is 0, and
/// counting the entries of a million would stop a shard for a good part of a second: left out.
fn open_fds() -> Option<u64> {
    let entries = fs::metadata("/proc/self/fd").ok()?.len();
    (entries > 0).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_descriptor_limit() {
        let process = Process::read();
        assert!(process.resident_bytes > Some(1 << 20), "{process:?}");
        assert!(process.max_fds > Some(2), "{process:?}");
    }

    #[test]
    fn an_opened_file_is_one_descriptor_more() {
        let Some(before) = open_fds() else { return };
        let files: Vec<_> = (0..64)
            .map(|_| fs::File::open("/proc/self/statm"))
            .collect();
        // Other tests open and close meanwhile, so not exactly 64.
        assert!(open_fds() > Some(before + 32));
        assert!(files.iter().all(Result::is_ok));
    }
}
