//! Files of results that are read again.

use std::fs;
use std::io::Read;

use crate::base::failure::Failure;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Reads a result.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn read_file(path: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("{path}: {e}"));
    let mut text = String::new();
    if path == "-" {
        let input = std::io::stdin().lock();
        input
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        return Ok(text);
    }
    let file = fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}
