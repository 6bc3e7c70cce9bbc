//! The answers to pipelined POSTs: their statuses, in order, whatever the segmentation.

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Reads answers one behind the other.
#[derive(Debug, Default)]
pub struct Answers {
    /// What has arrived of a head.
    head: Vec<u8>,
    /// Bytes of the body that are still to come.
    body: usize,
    /// Requests whose answer has not begun.
    pub waiting: u32,
}

impl Answers {
    /// Takes bytes and hands out the status of each answer whose head is whole.
    ///
    /// # Errors
    /// When it is no answer with a length.
    pub fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        mut on_status: impl FnMut(u16),
    ) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let skipped = self.body.min(bytes.len());
            self.body -= skipped;
            bytes = &bytes[skipped..];
            let Some(&byte) = bytes.first() else {
                return Ok(());
            };
            self.head.push(byte);
            bytes = &bytes[1..];
            if self.head.ends_with(b"\r\n\r\n") {
                let (status, length) = parse(&self.head).ok_or("the answer has no length")?;
                self.body = length;
                self.head.clear();
                // 1xx is not the answer yet.
                self.waiting = self.waiting.saturating_sub(u32::from(status >= 200));
                on_status(status);
            } else if self.head.len() > HEAD_BYTES_MAX {
                return Err("the head of the answer is too long");
            }
        }
        Ok(())
    }
}

/// Status and length of the body.
fn parse(head: &[u8]) -> Option<(u16, usize)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let status = words.next().filter(|w| w.starts_with("HTTP/1."))?;
    debug_assert!(!status.is_empty());
    let status: u16 = words.next()?.parse().ok()?;
    if matches!(status, 204 | 304) || status < 200 {
        return Some((status, 0));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Some((status, length?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello\
        HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 429 Slow\r\nContent-Length:0\r\n\r\n";

    fn statuses(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<u16> {
        let mut answers = Answers::default();
        let mut statuses = Vec::new();
        for piece in pieces {
            let read = answers.handle_bytes(&piece, |status| statuses.push(status));
            assert_eq!(read, Ok(()));
        }
        statuses
    }

    #[test]
    fn pipelined_answers_are_counted_whatever_the_pieces() {
        for size in 1..=THREE.len() {
            let pieces = THREE.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(statuses(pieces), [200, 204, 429], "{size}");
        }
    }

    #[test]
    fn an_answer_without_length_is_an_error() {
        let mut answers = Answers::default();
        assert!(
            answers
                .handle_bytes(b"HTTP/1.1 200 OK\r\n\r\n", |_| ())
                .is_err()
        );
        let mut answers = Answers::default();
        assert!(answers.handle_bytes(b"SSH-2.0\r\n\r\n", |_| ()).is_err());
        let mut answers = Answers::default();
        assert!(answers.handle_bytes(&[b'x'; 20_000], |_| ()).is_err());
    }
}
