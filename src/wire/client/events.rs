//! Server-sent events out of the pieces of a body, as the HTML standard reads them.
//!
//! Owns what has come of a block that is not whole, up to a bound; between blocks it keeps
//! nothing. Remembering the last `id` and coming back with it is the caller's.

use std::borrow::Cow;

use super::lines::TooLong;

/// One block of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerEvent<'a> {
    /// The event's name; empty for a plain message.
    pub name: &'a [u8],
    /// The `id`, if the block has one.
    pub id: Option<&'a [u8]>,
    /// The data, its lines joined by LF. `None` is no event: only the `id` counts then.
    pub data: Option<Cow<'a, [u8]>>,
}

/// Reads an event stream.
#[derive(Debug, Default)]
pub struct EventReader {
    /// The beginning of a block. Invariant: none, or at least one byte.
    partial: Option<Box<PartialEvent>>,
    /// Whether a byte has come: in front of it there may be a byte order mark.
    begun: bool,
    /// Whether the block has a line that is no comment.
    has_line: bool,
    /// What the line under way is.
    line: EventLine,
    /// Whether the last byte was a CR, to which an LF still belongs.
    after_cr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum EventLine {
    /// It has no byte yet.
    #[default]
    Empty,
    /// It begins with a colon, and so did all lines before it in its block.
    Comment,
    /// Anything else.
    Field,
}

#[derive(Debug, Default)]
struct PartialEvent {
    bytes: Vec<u8>,
}

const _: () = assert!(
    size_of::<EventReader>() <= 16,
    "kept for every event stream"
);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl EventReader {
    /// Hands out each block that these bytes end, if it has data or an `id`.
    ///
    /// # Errors
    /// When a block is longer than `block_bytes_max`.
    pub fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        block_bytes_max: usize,
        mut on_event: impl FnMut(ServerEvent<'_>),
    ) -> Result<(), TooLong> {
        loop {
            bytes = self.skip_second_half(bytes);
            let Some(length) = self.find_end(bytes) else {
                break;
            };
            let (end, rest) = bytes.split_at(length);
            match self.partial.take() {
                None if length > block_bytes_max => return Err(TooLong),
                None => self.read(end, &mut on_event),
                Some(mut partial) => {
                    partial.extend(end, block_bytes_max)?;
                    self.read(&partial.bytes, &mut on_event);
                }
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            let partial = self.partial.get_or_insert_default();
            partial.extend(bytes, block_bytes_max)?;
        }
        Ok(())
    }

    /// Behind the CR that ended a block its LF is passed over, so that nothing is kept.
    fn skip_second_half<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let is_between = self.partial.is_none() && self.after_cr;
        match bytes.strip_prefix(b"\n").filter(|_| is_between) {
            Some(rest) => {
                self.after_cr = false;
                rest
            }
            None => bytes,
        }
    }

    /// How many bytes there are up to and including the empty line that ends a block. A comment
    /// in front of a block ends like one, so that a sign of life leaves nothing behind.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            let is_second_half = self.after_cr && *byte == b'\n';
            self.after_cr = *byte == b'\r';
            match (byte, self.line) {
                (b'\n', _) if is_second_half => {}
                (b'\n' | b'\r', EventLine::Field) => {
                    self.line = EventLine::Empty;
                    self.has_line = true;
                }
                (b'\n' | b'\r', EventLine::Empty | EventLine::Comment) => {
                    self.line = EventLine::Empty;
                    self.has_line = false;
                    return Some(at + 1);
                }
                (b':', EventLine::Empty) if !self.has_line => self.line = EventLine::Comment,
                (_, EventLine::Empty) => self.line = EventLine::Field,
                (_, EventLine::Comment | EventLine::Field) => {}
            }
        }
        None
    }

    fn read(&mut self, block: &[u8], on_event: &mut impl FnMut(ServerEvent<'_>)) {
        let block = if self.begun {
            block
        } else {
            block.strip_prefix(BYTE_ORDER_MARK).unwrap_or(block)
        };
        self.begun = true;
        let event = read_block(block);
        if event.data.is_some() || event.id.is_some() {
            on_event(event);
        }
    }
}

impl PartialEvent {
    fn extend(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > bytes_max {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn read_block(block: &[u8]) -> ServerEvent<'_> {
    let mut event = ServerEvent::default();
    // CRLF makes an empty piece between its halves, which is no field.
    for line in block.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => add_line(&mut event.data, value),
            b"event" => event.name = value,
            // An id with a NUL is none.
            b"id" if !value.contains(&0) => event.id = Some(value),
            // A comment has no name; `retry` and what else there may be is not for us.
            _ => {}
        }
    }
    event
}

fn add_line<'a>(data: &mut Option<Cow<'a, [u8]>>, line: &'a [u8]) {
    match data {
        None => *data = Some(Cow::Borrowed(line)),
        Some(data) => {
            let data = data.to_mut();
            data.push(b'\n');
            data.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = (String, Option<String>, Option<String>);

    fn in_pieces(text: &[u8], size: usize, max: usize) -> (Vec<Seen>, Result<(), TooLong>) {
        let mut reader = EventReader::default();
        let mut seen = Vec::new();
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = text.chunks(size).try_for_each(|piece| {
            reader.handle_bytes(piece, max, |event| {
                let data = event.data.as_deref().map(text_of);
                seen.push((text_of(event.name), event.id.map(text_of), data));
            })
        });
        (seen, read)
    }

    /// The events of a stream: name, id and data; whatever the pieces and the ends of lines.
    fn check(text: &str) -> Vec<Seen> {
        let (whole, read) = in_pieces(text.as_bytes(), text.len(), 1000);
        assert_eq!(read, Ok(()));
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            for size in 1..=text.len() {
                let found = in_pieces(text.as_bytes(), size, 1000);
                assert_eq!(
                    found,
                    (whole.clone(), Ok(())),
                    "{end:?} in pieces of {size}"
                );
            }
        }
        whole
    }

    fn seen(name: &str, id: Option<&str>, data: Option<&str>) -> Seen {
        (
            name.to_owned(),
            id.map(str::to_owned),
            data.map(str::to_owned),
        )
    }

    #[test]
    fn a_stream_of_ours_is_read() {
        let text = "event: position\ndata: {}\nid: x7f3:17\n\n\
            data: first line\ndata: second line\nid: x7f3:18\n\n:\n\n\
            event: base64\ndata: AP8=\nid: x7f3:19\n\nevent: close\ndata: {\"code\":1001}\n\
            retry: 1234\n\nid: x7f3:20\n\n";
        let expected = [
            seen("position", Some("x7f3:17"), Some("{}")),
            seen("", Some("x7f3:18"), Some("first line\nsecond line")),
            seen("base64", Some("x7f3:19"), Some("AP8=")),
            seen("close", None, Some("{\"code\":1001}")),
            seen("", Some("x7f3:20"), None),
        ];
        assert_eq!(check(text), expected);
    }

    #[test]
    fn the_standards_own_corners() {
        assert_eq!(check("data\n\n"), [seen("", None, Some(""))]);
        assert_eq!(check("data\ndata\n\ndata:\n"), [seen("", None, Some("\n"))]);
        assert_eq!(check("data:test\n\ndata: test\n\n").len(), 2);
        assert_eq!(check("data:  two\n\n"), [seen("", None, Some(" two"))]);
        assert_eq!(check("\n\n: comment\n\nevent: x\n\nother: y\n\n"), []);
        assert_eq!(check("data: a\nid\n\n"), [seen("", Some(""), Some("a"))]);
        assert_eq!(check("id: a\0b\n\n"), []);
        assert_eq!(check("data: not whole\n"), []);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_once() {
        let mark = str::from_utf8(BYTE_ORDER_MARK).expect("text");
        let text = format!("{mark}data: a\n\n{mark}data: b\n\n");
        assert_eq!(check(&text), [seen("", None, Some("a"))]);
    }

    #[test]
    fn an_endless_block_is_refused_and_nothing_is_kept_between_blocks() {
        let text = b"data: 0123456789\n\n";
        for size in 1..=text.len() {
            assert_eq!(in_pieces(text, size, text.len()).1, Ok(()), "{size}");
            assert_eq!(
                in_pieces(text, size, text.len() - 2).1,
                Err(TooLong),
                "{size}"
            );
        }
        let mut reader = EventReader::default();
        for (bytes, keeps) in [
            ("data: a\n", true),
            ("\n", false),
            ("data: b\n\n", false),
            ("data: c\r\n\r\n", false),
            ("data: d\r\n\r", false),
            ("\n", false),
            (":\n", false),
            (": alive\r", false),
            ("data: e\n:\n", true),
            ("\n", false),
        ] {
            let read = reader.handle_bytes(bytes.as_bytes(), 99, |_| ());
            assert_eq!(read, Ok(()));
            assert_eq!(reader.partial.is_some(), keeps, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            parts in proptest::collection::vec(
                prop_oneof![Just("\n"), Just("\r"), Just("data"), Just(":"), Just(" "), Just("id"), Just("\u{feff}"), Just("x")],
                0..40,
            ),
            size in 1usize..20,
        ) {
            let text = parts.concat().into_bytes();
            prop_assert_eq!(in_pieces(&text, size, 999), in_pieces(&text, 999, 999));
        }
    }
}
