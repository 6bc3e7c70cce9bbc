//! How many descriptors this process may have. What else the host allows is for `cli::host`.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let (soft, hard) = raise_descriptor_limit();
        assert_eq!(soft, hard);
    }
}
