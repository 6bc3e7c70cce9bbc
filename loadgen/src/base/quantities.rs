//! Times, sizes and rates as options have them. Times and sizes are those of the node's settings.

use std::time::Duration;

use altavoz::config::{parse_bytes, parse_duration};

/// Reads a time such as `1m30s`.
///
/// # Errors
/// Says what a time looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|e| e.to_string())
}

/// Reads a size such as `1KiB`; bytes need no unit here.
///
/// # Errors
/// Says what a size looks like.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|_| !text.starts_with('+'));
    bytes.map_or_else(|| parse_bytes(text).map_err(|e| e.to_string()), Ok)
}

/// Reads so many a second.
///
/// # Errors
/// Says the range.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    let legal = number.filter(|n| n.is_finite() && *n > 0.0 && *n <= 1e9);
    legal.ok_or_else(|| "a number above 0 and at most 1000000000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};

    #[test]
    fn times_and_sizes_are_read_as_the_node_reads_its_own() {
        let line = "loadgen fanout --duration 1m30s --warmup 0 --hold 1h30m --size 1KiB";
        let Ok(Command::Fanout(options)) =
            Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
        else {
            panic!("{line}");
        };
        assert_eq!(options.duration, Some(Duration::from_secs(90)));
        assert_eq!(options.hold, Duration::from_secs(5400));
        assert_eq!(options.load.size, 1024);
    }

    #[test]
    fn bytes_need_no_unit_and_anything_else_does() {
        for (text, bytes) in [("64", 64), ("1kB", 1000), ("1.5MiB", 1_572_864)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["+64", "64k", "-1", "1.5", ""] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
