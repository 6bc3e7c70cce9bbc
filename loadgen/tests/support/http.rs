//! The HTTP side of the server: requests read line by line, answers of every kind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::server::{Asked, Fault, Found, Happening};

/// What a client wants.
pub(crate) enum Request {
    /// To publish: the body, and how many there were before it on this connection.
    Post(String, usize),
    /// An event stream.
    Events,
    /// Lines of JSON.
    Lines,
    /// A poll.
    Poll(Poll),
}

pub(crate) struct Poll {
    known: Option<(usize, usize)>,
    is_held: bool,
    is_conditional: bool,
    closes: bool,
}

/// The requests of one connection.
pub(crate) struct Requests {
    stream: BufReader<TcpStream>,
    posts: usize,
}

impl Requests {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream: BufReader::new(stream),
            posts: 0,
        }
    }

    /// `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Request> {
        let mut head = Vec::new();
        while head.last().map(String::as_str) != Some("") {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            head.iter().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then_some(value)
            })
        };
        if head[0].starts_with("POST") {
            let mut body = vec![0; header("content-length")?.parse().ok()?];
            self.stream.read_exact(&mut body).ok()?;
            self.posts += 1;
            return Some(Request::Post(String::from_utf8(body).ok()?, self.posts - 1));
        }
        let target = head[0].split(' ').nth(1)?;
        if header("accept") == Some("text/event-stream") {
            return Some(Request::Events);
        }
        if target.contains("mode=stream") {
            return Some(Request::Lines);
        }
        let tag = header("if-none-match").map(|tag| tag.trim_matches('"'));
        let after = target.split("after=").nth(1);
        let known = after.or(tag).and_then(|it| it.split('&').next());
        Some(Request::Poll(Poll {
            known: known.and_then(position),
            is_held: target.contains("mode=longpoll"),
            is_conditional: tag.is_some(),
            closes: header("connection") == Some("close"),
        }))
    }
}

/// A subscriber's number and how many of its messages it knows, as a position of theirs: the
/// epoch is the number in letters.
fn position(text: &str) -> Option<(usize, usize)> {
    let (epoch, offset) = text.split_once(':')?;
    Some((epoch.strip_prefix('c')?.parse().ok()?, offset.parse().ok()?))
}

/// How polls of one connection are answered.
pub(crate) struct Polls {
    fault: Fault,
    place: usize,
    stream: TcpStream,
    count: usize,
}

impl Polls {
    pub(crate) fn new(fault: Fault, place: usize, stream: TcpStream) -> Self {
        Self {
            fault,
            place,
            stream,
            count: 0,
        }
    }

    /// `None` when the connection is to end.
    pub(crate) fn answer(&mut self, poll: &Poll, to_hub: &Sender<Happening>) -> Option<()> {
        self.count += 1;
        let is_wrong = poll.known.is_some() && self.count.is_multiple_of(3);
        if self.fault == Fault::Refuse && is_wrong {
            let refusal = "HTTP/1.1 503 Full\r\nContent-Length: 4\r\n\r\nfull";
            return self.stream.write_all(refusal.as_bytes()).ok();
        }
        if self.fault == Fault::Swallow && is_wrong {
            return Some(());
        }
        let (answer, found) = channel();
        let asked = Asked {
            place: self.place,
            known: poll.known,
            is_held: poll.is_held,
            answer,
        };
        to_hub.send(Happening::Asked(asked)).ok()?;
        let found = found.recv().ok()?;
        if self.fault == Fault::Dawdle && poll.known.is_some() {
            // Nobody sends: it is a wait with a deadline.
            let (nobody, never) = channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(120));
            drop(nobody);
        }
        let text = self.text(poll, &found);
        if self.fault == Fault::Cut && is_wrong {
            drop(self.stream.write_all(&text.as_bytes()[..text.len() - 3]));
            return self.stream.shutdown(std::net::Shutdown::Both).ok();
        }
        self.stream.write_all(text.as_bytes()).ok()?;
        if self.fault == Fault::Leave && is_wrong {
            // The next request has come, and is still there when the socket is closed: nobody
            // shall read it, since a poll that is held takes the place of the client's next one.
            self.stream.peek(&mut [0]).ok()?;
            self.stream.shutdown(std::net::Shutdown::Both).ok()?;
            return None;
        }
        if poll.closes {
            self.stream.shutdown(std::net::Shutdown::Both).ok()?;
            return None;
        }
        Some(())
    }

    fn text(&self, poll: &Poll, found: &Found) -> String {
        let position = format!("c{}:{}", found.subscriber, found.offset);
        let tag = format!("ETag: \"{position}\"\r\n");
        if poll.is_conditional && found.messages.is_empty() {
            return format!("HTTP/1.1 304 Not Modified\r\n{tag}\r\n");
        }
        let texts = found.messages.iter();
        let texts: Vec<_> = texts.map(|m| format!("{{\"text\":\"{m}\"}}")).collect();
        let recovered = self.fault != Fault::Gap;
        let body = format!(
            "{{\"position\":\"{position}\",\"recovered\":{recovered},\"publications\":[{}]}}",
            texts.join(",")
        );
        let close = if poll.closes {
            "Connection: close\r\n"
        } else {
            ""
        };
        // Every second answer comes in chunks.
        if self.count.is_multiple_of(2) {
            let (size, middle) = (body.len(), body.len() / 2);
            return format!(
                "HTTP/1.1 200 OK\r\n{tag}{close}Transfer-Encoding: chunked\r\n\r\n\
                 {middle:x}\r\n{}\r\n{:x};x=y\r\n{}\r\n0\r\n\r\n",
                &body[..middle],
                size - middle,
                &body[middle..]
            );
        }
        let size = body.len();
        format!("HTTP/1.1 200 OK\r\n{tag}{close}Content-Length: {size}\r\n\r\n{body}")
    }
}

/// The head of a stream and its first chunk.
pub(crate) fn begin_stream(mut stream: &TcpStream, content_type: &str, first: &str) -> Option<()> {
    let size = first.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {size:x}\r\n{first}\r\n"
    )
    .ok()
}

/// A chunk; an empty one is the last.
pub(crate) fn chunk(stream: &mut TcpStream, text: &str) {
    let size = text.len();
    // Who is gone gets nothing.
    drop(write!(stream, "{size:x}\r\n{text}\r\n"));
}
