//! `--metrics-url`: a server's own counters before and after, for servers that are elsewhere.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use altavoz::wire::client::{AnswerError, AnswerReader, Piece};

use crate::base::failure::{Failure, advice};
use crate::recording::metrics::Metrics;
use crate::speak::addresses;
use crate::speak::target::Target;

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most that is read, in bytes.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// Reads them over plain HTTP.
///
/// # Errors
/// When the URL is wrong or the server does not answer with 200.
pub(crate) fn read(url: Option<&str>) -> Result<Metrics, Failure> {
    let Some(url) = url else {
        return Ok(Metrics::new());
    };
    let target = Target::parse_http("--metrics-url", url)?;
    let text = fetch(&target).map_err(|e| Failure::usage(format!("--metrics-url {url}: {e}")))?;
    Ok(parse(&text))
}

fn fetch(target: &Target) -> Result<String, String> {
    let (stream, address) = addresses::dial(&target.addresses())?;
    exchange(stream, target).map_err(|why| format!("{address}: {why}"))
}

/// Asks, and reads the answer to its end, whether the server ends the connection or not.
fn exchange(mut stream: TcpStream, target: &Target) -> Result<String, String> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not answer".to_owned(),
        _ => error.to_string(),
    };
    stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
    let path = target.path.as_deref().unwrap_or("/metrics");
    let path = if path.starts_with('?') {
        format!("/metrics{path}")
    } else {
        path.to_owned()
    };
    let host = &target.host_header;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Answer::default();
    let mut bytes = vec![0; READ_BYTES];
    while !answer.is_whole {
        let count = stream.read(&mut bytes).map_err(failed)?;
        answer.take(&bytes[..count]).map_err(|e| e.to_string())?;
    }
    match answer.status {
        200 => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
        0 => Err("it ended the connection without an answer".to_owned()),
        status => Err(format!("the server answered {status}{}", advice(status))),
    }
}

/// One answer as it comes.
#[derive(Default)]
struct Answer {
    reader: AnswerReader,
    status: u16,
    body: Vec<u8>,
    is_whole: bool,
}

impl Answer {
    /// Takes what was read; nothing is the end of the connection.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), AnswerError> {
        if bytes.is_empty() {
            self.reader.handle_eof()?;
            self.is_whole = true;
        }
        while !self.is_whole {
            let step = self.reader.handle_bytes(bytes)?;
            bytes = &bytes[step.consumed..];
            match step.piece {
                None => return Ok(()),
                Some(Piece::Head(head)) => self.status = head.status,
                Some(Piece::Body { bytes, .. }) => self.body.extend_from_slice(bytes),
                Some(Piece::End) => self.is_whole = true,
            }
            self.is_whole |= self.body.len() > BYTES_MAX;
        }
        Ok(())
    }
}

/// The samples of a text: a name with its labels, a value, and perhaps a moment behind it.
fn parse(text: &str) -> Metrics {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let line = line.trim();
        let (name, rest) = line.split_at(name_length(line)?);
        let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
        value.is_finite().then(|| (name.to_owned(), value))
    };
    samples.filter_map(sample).collect()
}

/// How long a name with its labels is; the value of a label may hold anything between quotes.
fn name_length(line: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped, mut has_labels) = (false, false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'{' if !is_quoted => has_labels = true,
            b'}' if !is_quoted => return Some(at + 1),
            b' ' | b'\t' if !has_labels => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::metrics::difference;

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
    fn a_sample_ends_with_its_value_and_not_with_its_moment() {
        let text = "a_total 5 1700000000000\nb{x=\"} \\\" {\"} 7 # {t=\"1\"} 3\nc\t1\nd{\ne\n";
        let expected = [("a_total", 5.0), ("b{x=\"} \\\" {\"}", 7.0), ("c", 1.0)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(parse(text), Metrics::from(expected));
    }

    #[test]
    fn nothing_asked_is_nothing_read() {
        assert_eq!(read(None), Ok(Metrics::new()));
        assert!(read(Some("https://x")).is_err());
    }
}
