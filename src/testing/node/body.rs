//! A simulated client's readers of endless answers: chunks, lines, and server-sent events.
//!
//! They are stricter than clients have to be, and share nothing with the node's own readers.

/// The body of an answer that does not end by itself.
#[derive(Debug)]
pub(super) struct StreamBody {
    chunked: bool,
    /// What was read and is no whole line yet.
    text: Vec<u8>,
    /// The last chunk was read.
    ended: bool,
}

impl StreamBody {
    pub(super) fn new(chunked: bool) -> Self {
        Self {
            chunked,
            text: Vec::new(),
            ended: false,
        }
    }

    /// Takes in what has arrived, as far as it is whole.
    pub(super) fn take(&mut self, incoming: &mut Vec<u8>) {
        if !self.chunked {
            self.text.append(incoming);
            return;
        }
        while !self.ended && self.take_chunk(incoming).is_some() {}
        if self.ended {
            assert!(incoming.is_empty(), "bytes behind the last chunk");
        }
    }

    fn take_chunk(&mut self, incoming: &mut Vec<u8>) -> Option<()> {
        let line = incoming.windows(2).position(|w| w == b"\r\n");
        let Some(line) = line else {
            assert!(incoming.len() < 10, "no length before a chunk");
            return None;
        };
        let digits = std::str::from_utf8(&incoming[..line]).expect("a length is text");
        let len = usize::from_str_radix(digits, 16).expect("a length is hexadecimal");
        let (start, end) = (line + 2, line + 2 + len);
        if incoming.len() < end + 2 {
            return None;
        }
        assert_eq!(&incoming[end..end + 2], b"\r\n", "a chunk's end");
        self.ended = len == 0;
        let data = &incoming[start..end];
        // Whatever comes between two chunks is between two lines as well.
        assert!(
            self.ended || data.ends_with(b"\n"),
            "a chunk of whole lines"
        );
        self.text.extend_from_slice(data);
        incoming.drain(..end + 2);
        Some(())
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Option<String> {
        let end = self.text.iter().position(|b| *b == b'\n')?;
        let rest = self.text.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.text, rest);
        line.pop();
        Some(String::from_utf8(line).expect("a line is UTF-8"))
    }

    /// Whether all that was read are whole lines.
    pub(super) fn is_whole(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it has said where it ends, which it cannot without chunks.
    pub(super) fn has_ended(&self) -> bool {
        self.ended || !self.chunked
    }

    /// Whether nothing may follow.
    pub(super) fn is_over(&self) -> bool {
        self.ended
    }
}

/// A block of lines, as a client dispatches it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct BodyEvent {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) data: Option<String>,
    pub(super) retry: Option<u64>,
}

/// What a line has completed.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum BodyPiece {
    Event(BodyEvent),
    /// A comment between two events.
    Comment,
}

/// Reads server-sent events line by line.
#[derive(Debug, Default)]
pub(super) struct Events {
    current: BodyEvent,
}

impl Events {
    pub(super) fn take(&mut self, line: &str) -> Option<BodyPiece> {
        assert!(!line.contains('\r'), "a carriage return ends a line");
        if line.is_empty() {
            assert!(!self.is_whole(), "an empty event");
            return Some(BodyPiece::Event(std::mem::take(&mut self.current)));
        }
        if line == ":" {
            assert!(self.is_whole(), "a comment inside an event");
            return Some(BodyPiece::Comment);
        }
        let (field, value) = line.split_once(": ").expect("a field and its value");
        let current = &mut self.current;
        assert_eq!(current.id, None, "a line behind the id");
        match field {
            "data" => match &mut current.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => current.data = Some(value.to_owned()),
            },
            "id" => only(&mut current.id, value.to_owned()),
            "event" => only(&mut current.name, value.to_owned()),
            "retry" => only(&mut current.retry, value.parse().expect("milliseconds")),
            _ => panic!("a field {field:?}"),
        }
        None
    }

    /// Whether no event has begun.
    pub(super) fn is_whole(&self) -> bool {
        self.current == BodyEvent::default()
    }
}

fn only<T>(place: &mut Option<T>, value: T) {
    assert!(place.replace(value).is_none(), "a field stands twice");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_lines_wherever_they_are_cut() {
        let bytes = b"4\r\nab\n\n\r\n2\r\nc\n\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            let (mut body, mut incoming) = (StreamBody::new(true), bytes[..cut].to_vec());
            body.take(&mut incoming);
            incoming.extend_from_slice(&bytes[cut..]);
            body.take(&mut incoming);
            let lines: Vec<String> = std::iter::from_fn(|| body.line()).collect();
            assert_eq!(lines, ["ab", "", "c"]);
            assert!(body.has_ended() && body.is_whole());
        }
    }

    #[test]
    fn a_block_of_lines_is_one_event() {
        let mut events = Events::default();
        for line in ["event: base64", "data: x", "data: ", "id: a:1"] {
            assert_eq!(events.take(line), None);
        }
        let event = BodyEvent {
            id: Some("a:1".to_owned()),
            name: Some("base64".to_owned()),
            data: Some("x\n".to_owned()),
            retry: None,
        };
        assert_eq!(events.take(""), Some(BodyPiece::Event(event)));
        assert_eq!(events.take(":"), Some(BodyPiece::Comment));
    }

    #[test]
    #[should_panic(expected = "a line behind the id")]
    fn an_id_before_the_data_is_noticed() {
        let mut events = Events::default();
        assert_eq!(events.take("id: a:1"), None);
        events.take("data: x");
    }

    #[test]
    #[should_panic(expected = "a comment inside an event")]
    fn a_comment_inside_an_event_is_noticed() {
        let mut events = Events::default();
        assert_eq!(events.take("data: x"), None);
        events.take(":");
    }
}
