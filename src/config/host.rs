//! What a plan has to know of the host; `cli` reads it, tests make it up.

/// The host, as far as defaults and limits follow from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostFacts {
    /// Descriptors that this process may have at most: the hard limit.
    pub descriptors_max: u64,
    /// Threads that run at once, quotas considered.
    pub parallelism: usize,
    /// Cores that a thread can be pinned to.
    pub cores: usize,
    /// Memory of the host or of its control group, whichever is less, in bytes.
    pub memory_bytes: u64,
    /// Whether a person looks on: standard output is a terminal.
    pub terminal: bool,
    /// What the io_uring driver would need and does not have; `None` also if nobody looked.
    pub uring_missing: Option<String>,
}
