//! A client that reads over plain HTTP: one answer that does not end, or one behind the other.
//!
//! Bytes go in, what they mean comes out; connections, requests and time are the caller's. Between
//! messages and between answers it keeps nothing but its place.

use altavoz::wire::client::{
    AnswerError, AnswerHead, AnswerReader, EventReader, LineReader, Piece, ServerEvent,
};
use serde::Deserialize;

use crate::base::transport::Transport;
use crate::measure::stamp::MARKER;

use super::cursor::Cursor;

/// The longest line, event or answer, in bytes: a bound against nonsense, not a test of servers.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of a refusal is kept for its words, in bytes.
const REFUSAL_BYTES_MAX: usize = 512;

/// How far into an answer it is looked for whether it is whole: it stands before the publications.
const RECOVERED_WITHIN: usize = 256;

/// What a reader heard.
#[derive(PartialEq, Eq, Debug)]
pub enum ReaderMessage<'a> {
    /// The head of a stream: from here on it is open.
    Begun,
    /// One message of a stream.
    Message(&'a [u8]),
    /// A whole answer that is no stream, of whatever status.
    Answer {
        /// Its status.
        status: u16,
        /// Its body.
        body: &'a [u8],
        /// Whether the connection ends behind it.
        is_last: bool,
    },
    /// The server owned to a gap.
    Unrecovered,
    /// A stream's server said that it ends it, by the code of a WebSocket's close.
    Closes(u16),
    /// A stream is over.
    Ended,
}

/// One client's place in what it reads.
#[derive(Debug, Default)]
pub struct Reader {
    answers: AnswerReader,
    stream: Stream,
    /// An answer that is no stream, from its head to its end.
    answer: Option<Box<Answer>>,
    /// How far it is.
    pub cursor: Cursor,
    /// Whether a request has no whole answer.
    pub is_asking: bool,
    /// Whether a request is due and cannot be sent yet.
    pub is_owed: bool,
    /// Whether the connection has brought a whole answer: then its end under a request is the
    /// server's usual one, and the request is sent again (RFC 9112 §9.3.1).
    pub is_kept: bool,
}

const _: () = assert!(size_of::<Reader>() <= 88, "kept for every client over HTTP");

/// What the body of a stream is.
#[derive(Debug, Default)]
enum Stream {
    #[default]
    None,
    Events(EventReader),
    Lines(LineReader),
}

#[derive(Debug)]
struct Answer {
    head: AnswerHead,
    body: Vec<u8>,
}

/// What a stream's server says of itself, in a line or in the data of an event.
#[derive(Deserialize)]
struct StreamControl {
    recovered: Option<bool>,
    code: Option<u16>,
}

impl Reader {
    /// Takes bytes and hands out what they mean.
    ///
    /// # Errors
    /// When it cannot be understood, in words; the connection is of no use behind it.
    pub fn handle_bytes(
        &mut self,
        transport: Transport,
        mut bytes: &[u8],
        mut on: impl FnMut(ReaderMessage<'_>),
    ) -> Result<(), String> {
        loop {
            let step = self.answers.handle_bytes(bytes).map_err(in_words)?;
            bytes = &bytes[step.consumed..];
            match step.piece {
                None => return Ok(()),
                Some(Piece::Head(head)) => self.begin(transport, head, &mut on)?,
                Some(Piece::Body { bytes, is_last }) => self.take(bytes, is_last, &mut on)?,
                Some(Piece::End) => self.end(&mut on),
            }
        }
    }

    /// The server ended its direction.
    ///
    /// # Errors
    /// When that left an answer incomplete.
    pub fn handle_eof(&mut self, mut on: impl FnMut(ReaderMessage<'_>)) -> Result<(), String> {
        if self.answers.handle_eof().map_err(in_words)? {
            self.end(&mut on);
        }
        Ok(())
    }

    /// Whether the request under way has met the end of a kept connection, with no byte of its
    /// answer: it is sent once more, on the next one.
    #[must_use]
    pub fn has_met_the_end(&self) -> bool {
        self.is_asking && self.is_kept && !self.answers.is_within()
    }

    /// Makes it ready for another connection; it stays where it is.
    pub fn reconnect(&mut self) {
        *self = Self {
            cursor: std::mem::take(&mut self.cursor),
            is_owed: self.is_owed,
            ..Self::default()
        };
    }

    fn begin(
        &mut self,
        transport: Transport,
        head: AnswerHead,
        on: &mut impl FnMut(ReaderMessage<'_>),
    ) -> Result<(), String> {
        if head.status == 200 && transport.is_push() {
            let content = head.content_type.as_deref().unwrap_or_default();
            self.stream = match transport {
                Transport::Sse if content == "text/event-stream" => {
                    Stream::Events(EventReader::default())
                }
                Transport::Sse if content.is_empty() => {
                    return Err("answered without a type, which is no event stream".to_owned());
                }
                Transport::Sse => {
                    return Err(format!("answered with `{content}`, no event stream"));
                }
                _ => Stream::Lines(LineReader::default()),
            };
            on(ReaderMessage::Begun);
            return Ok(());
        }
        let body = Vec::new();
        self.answer = Some(Box::new(Answer { head, body }));
        // Of what a stream is refused with only the words are wanted.
        self.stream = Stream::None;
        Ok(())
    }

    fn take(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        on: &mut impl FnMut(ReaderMessage<'_>),
    ) -> Result<(), String> {
        let read = match &mut self.stream {
            Stream::Events(events) => {
                events.handle_bytes(bytes, MESSAGE_BYTES_MAX, |event| hear_event(&event, on))
            }
            Stream::Lines(lines) => {
                lines.handle_bytes(bytes, MESSAGE_BYTES_MAX, |line| hear_line(line, on))
            }
            Stream::None => return self.keep(bytes, is_last, on),
        };
        read.map_err(|error| error.to_string())
    }

    /// Hands out the body of an answer that came at once, and keeps it if it did not.
    fn keep(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        on: &mut impl FnMut(ReaderMessage<'_>),
    ) -> Result<(), String> {
        let Some(answer) = &mut self.answer else {
            return Ok(());
        };
        if is_last && answer.body.is_empty() {
            if let Some(answer) = self.answer.take() {
                self.finish(&answer.head, bytes, on);
            }
            return Ok(());
        }
        if answer.body.len() + bytes.len() > MESSAGE_BYTES_MAX {
            return Err("answer is longer than 64 MiB".to_owned());
        }
        answer.body.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, on: &mut impl FnMut(ReaderMessage<'_>)) {
        if !matches!(self.stream, Stream::None) {
            self.stream = Stream::None;
            on(ReaderMessage::Ended);
        } else if let Some(answer) = self.answer.take() {
            self.finish(&answer.head, &answer.body, on);
        }
    }

    fn finish(&mut self, head: &AnswerHead, body: &[u8], on: &mut impl FnMut(ReaderMessage<'_>)) {
        // What a page says that redirects is nothing to where it leads.
        let redirect = head
            .location
            .as_ref()
            .map(|to| format!("it redirects to {to}"));
        let body = redirect.as_ref().map_or(body, String::as_bytes);
        if matches!(head.status, 200..=299 | 304) {
            self.cursor.advance(head);
        }
        let start = &body[..body.len().min(RECOVERED_WITHIN)];
        if contains(start, br#""recovered":false"#) {
            on(ReaderMessage::Unrecovered);
        }
        on(ReaderMessage::Answer {
            status: head.status,
            body,
            is_last: head.is_last,
        });
    }
}

/// The beginning of a refusal's words.
#[must_use]
pub fn words(body: &[u8]) -> String {
    let start = &body[..body.len().min(REFUSAL_BYTES_MAX)];
    String::from_utf8_lossy(start).trim().to_owned()
}

fn hear_event(event: &ServerEvent<'_>, on: &mut impl FnMut(ReaderMessage<'_>)) {
    let Some(data) = event.data.as_deref() else {
        return; // a position alone
    };
    match event.name {
        b"close" | b"position" | b"reset" => hear_control(data, on),
        _ => on(ReaderMessage::Message(data)),
    }
}

fn hear_line(line: &[u8], on: &mut impl FnMut(ReaderMessage<'_>)) {
    match line {
        b"" | b"{}" => {}
        _ if contains(line, MARKER) => on(ReaderMessage::Message(line)),
        _ => hear_control(line, on),
    }
}

/// What a server says of itself; anything else was said by a publisher.
fn hear_control(text: &[u8], on: &mut impl FnMut(ReaderMessage<'_>)) {
    match serde_json::from_slice(text) {
        Ok(StreamControl {
            code: Some(code), ..
        }) => on(ReaderMessage::Closes(code)),
        Ok(StreamControl {
            recovered: Some(false),
            ..
        }) => on(ReaderMessage::Unrecovered),
        Ok(StreamControl {
            recovered: Some(true),
            ..
        }) => {}
        _ => on(ReaderMessage::Message(text)),
    }
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed to map_err by name"
)]
fn in_words(error: AnswerError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard, as text; the same whatever the pieces.
    fn check(transport: Transport, text: &str) -> Vec<String> {
        let whole = in_pieces(transport, text, text.len());
        for size in 1..text.len() {
            assert_eq!(in_pieces(transport, text, size), whole, "pieces of {size}");
        }
        whole
    }

    fn in_pieces(transport: Transport, text: &str, size: usize) -> Vec<String> {
        let mut reader = Reader::default();
        let mut heard = Vec::new();
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in text.as_bytes().chunks(size) {
            let read = reader.handle_bytes(transport, piece, |it| {
                heard.push(match it {
                    ReaderMessage::Begun => "begun".to_owned(),
                    ReaderMessage::Message(message) => text_of(message),
                    ReaderMessage::Answer { status, body, .. } => {
                        format!("{status} {}", text_of(body))
                    }
                    ReaderMessage::Unrecovered => "unrecovered".to_owned(),
                    ReaderMessage::Closes(code) => format!("closes {code}"),
                    ReaderMessage::Ended => "ended".to_owned(),
                });
            });
            if let Err(why) = read {
                heard.push(why);
                return heard;
            }
        }
        heard
    }

    fn chunked(content_type: &str, body: &str) -> String {
        let half = body.len() / 2;
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\
             Transfer-Encoding: chunked\r\n\r\n{half:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &body[..half],
            body.len() - half,
            &body[half..]
        )
    }

    #[test]
    fn an_event_stream_is_read_to_its_end() {
        let body = "event: position\ndata: {\"position\":\"x7:1\",\"recovered\":true}\nid: x7:1\n\n\
            :\ndata: one\nid: x7:2\n\nevent: reset\n\
            data: {\"position\":\"x7:9\",\"recovered\":false}\n\nevent: close\n\
            data: {\"code\":1001,\"reason\":\"retry=5\"}\n\n";
        assert_eq!(
            check(Transport::Sse, &chunked("text/event-stream", body)),
            ["begun", "one", "unrecovered", "closes 1001", "ended"]
        );
    }

    #[test]
    fn a_stream_is_read_line_by_line() {
        let body = "{\"position\":\"x7:1\",\"recovered\":true}\n{}\n\
            {\"offset\":2,\"text\":\"LGz1\"}\n{\"offset\":3,\"text\":\"other\"}\n\
            {\"position\":\"x7:1\",\"recovered\":false}\n{\"code\":4008,\"reason\":\"\"}\n";
        let expected = [
            "begun",
            "{\"offset\":2,\"text\":\"LGz1\"}",
            "{\"offset\":3,\"text\":\"other\"}",
            "unrecovered",
            "closes 4008",
            "ended",
        ];
        let heard = check(Transport::Stream, &chunked("application/x-ndjson", body));
        assert_eq!(heard, expected);
    }

    #[test]
    fn answers_to_polls_follow_each_other() {
        let answer = |status: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        let gap = "{\"position\":\"x7:9\",\"recovered\":false,\"publications\":[]}";
        let text = [
            answer("200 OK", "{\"recovered\":true}"),
            "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
            answer("200 OK", gap),
            chunked("application/json", "[12345]"),
            answer("503 Busy", "later"),
        ];
        let expected = [
            "200 {\"recovered\":true}",
            "304 ",
            "unrecovered",
            &format!("200 {gap}"),
            "200 [12345]",
            "503 later",
        ];
        assert_eq!(check(Transport::Poll, &text.concat()), expected);
    }

    #[test]
    fn a_stream_that_is_none_is_refused() {
        let refusal = "HTTP/1.1 501 No\r\nContent-Length: 4\r\n\r\nnone";
        assert_eq!(check(Transport::Sse, refusal), ["501 none"]);
        let heard = check(Transport::Sse, &chunked("application/json", "{\"a\":1}"));
        assert!(heard[0].contains("application/json"), "{heard:?}");
        let heard = check(Transport::Stream, "SSH-2.0\r\n");
        assert!(heard[0].contains("not http"), "{heard:?}");
    }

    #[test]
    fn the_end_of_a_connection_may_be_the_end_of_an_answer() {
        let mut reader = Reader::default();
        let head = b"HTTP/1.0 200 OK\r\nETag: \"x7:3\"\r\n\r\n{}";
        let read = reader.handle_bytes(Transport::Poll, head, |it| panic!("{it:?}"));
        assert_eq!(read, Ok(()));
        let mut heard = 0;
        let ended = reader.handle_eof(|it| {
            let (status, body) = (200, &b"{}"[..]);
            let is_last = true;
            let expected = ReaderMessage::Answer {
                status,
                body,
                is_last,
            };
            assert_eq!(it, expected);
            heard += 1;
        });
        assert_eq!((ended, heard), (Ok(()), 1));
        reader.reconnect();
        assert!(reader.cursor.position().is_some(), "it knows where it was");
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: \"x7:4\"\r\n\r\n{}";
        let read = reader.handle_bytes(Transport::Poll, cut, |it| panic!("{it:?}"));
        assert_eq!(read, Ok(()));
        assert!(reader.handle_eof(|it| panic!("{it:?}")).is_err());
        let position = reader.cursor.position().map(|p| p.to_string());
        assert_eq!(position.as_deref(), Some("x7:3"), "what it has not read");
    }
}
