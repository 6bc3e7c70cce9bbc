//! `--metrics-url`: a server's own counters before and after, for servers that are elsewhere.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::failure::Failure;
use crate::target::Target;

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most that is read, in bytes.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Prometheus samples by name and labels; empty without a URL.
pub type Metrics = BTreeMap<String, f64>;

/// Reads them over plain HTTP.
///
/// # Errors
/// When the URL is wrong or the server does not answer with 200.
pub fn read(url: Option<&str>) -> Result<Metrics, Failure> {
    let Some(url) = url else {
        return Ok(Metrics::new());
    };
    let target = Target::parse_http("--metrics-url", url)?;
    let text = fetch(&target).map_err(|e| Failure::usage(format!("--metrics-url {url}: {e}")))?;
    Ok(parse(&text))
}

/// What changed, and gauges as they are at the end.
#[must_use]
pub fn difference(before: &Metrics, after: &Metrics) -> Metrics {
    let change = |(name, value): (&String, &f64)| {
        let base = name.split('{').next().unwrap_or(name);
        let is_counter = ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .any(|end| base.ends_with(end));
        let before = before.get(name).copied().filter(|_| is_counter);
        (name.clone(), value - before.unwrap_or(0.0))
    };
    after.iter().map(change).collect()
}

fn fetch(target: &Target) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target.address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let path = target.path.as_deref().unwrap_or("/metrics");
    // HTTP/1.0: the body ends with the connection, and nothing is chunked.
    let host = &target.authority;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(BYTES_MAX).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or("");
    if status.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(std::io::Error::other(format!("the server said '{status}'")))
}

fn parse(text: &str) -> Metrics {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.trim().rsplit_once(' ')?;
        let value: f64 = value.parse().ok()?;
        value.is_finite().then(|| (name.to_owned(), value))
    };
    samples.filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_subtracted_and_gauges_are_not() {
        let before = parse("# TYPE a counter\na_total{x=\"1\"} 5\nopen 7\n");
        let after = parse("a_total{x=\"1\"} 8.5\nopen 9\nnew_total 1\nbad NaN\n");
        let difference = difference(&before, &after);
        let expected = [("a_total{x=\"1\"}", 3.5), ("new_total", 1.0), ("open", 9.0)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(difference, Metrics::from(expected));
    }

    #[test]
    fn nothing_asked_is_nothing_read() {
        assert_eq!(read(None), Ok(Metrics::new()));
        assert!(read(Some("https://x")).is_err());
    }
}
