//! One publisher's way to the server, across its connections: the POST that has no answer yet,
//! what becomes of it when its connection ends, and when to connect again.
//!
//! One POST is under way at a time, since nothing may be sent behind a request that is not
//! idempotent until its answer is there (RFC 9112 §9.3.2). A server may end a kept connection
//! whenever it likes, and a POST may meet that end. It is sent once more only where its connection
//! had been idle and not one byte of an answer came, or where the server says that it saw none.
//! Anything else may have been taken: it is counted as unanswered, and not sent again. What was
//! sent twice is counted too, so that nothing is doubled in silence.

use std::ops::{Index, IndexMut};
use std::time::Duration;

use altavoz::base::Time;
use altavoz::wire::client::{AnswerError, AnswerReader, Piece};

use super::connection::ClientId;

/// The first wait before a publisher connects again; it doubles up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The longest wait that a server may ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(30);

/// After so many attempts in a row that brought nothing a publisher gives up: half a minute.
const ATTEMPTS_MAX: u32 = 20;

/// How long an answer, or a connection, is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket that lived so long brought something.
const LIFE_MIN: Duration = Duration::from_secs(1);

/// The publishers of a worker, whose places lie behind each other.
#[derive(Debug, Default)]
pub struct Couriers {
    first: usize,
    all: Vec<Courier>,
}

impl Couriers {
    /// One for each publisher.
    pub fn new(publishers: impl Iterator<Item = ClientId>) -> Self {
        let places: Vec<usize> = publishers.map(ClientId::index).collect();
        Self {
            first: places.first().copied().unwrap_or(0),
            all: places.iter().map(|_| Courier::default()).collect(),
        }
    }
}

impl Index<ClientId> for Couriers {
    type Output = Courier;

    fn index(&self, publisher: ClientId) -> &Courier {
        &self.all[publisher.index() - self.first]
    }
}

impl IndexMut<ClientId> for Couriers {
    fn index_mut(&mut self, publisher: ClientId) -> &mut Courier {
        &mut self.all[publisher.index() - self.first]
    }
}

/// A publisher across its connections.
#[derive(Debug, Default)]
pub struct Courier {
    answers: AnswerReader,
    /// Status of the answer under way, and whether its connection ends behind it.
    head: Option<(u16, bool)>,
    under_way: Option<UnderWay>,
    /// Attempts in a row that brought nothing.
    attempts: u32,
    /// It does not connect before this moment.
    pub not_before: Time,
    /// When its connection began.
    pub since: Time,
    /// How long the server asked to be left alone, in milliseconds.
    pub asked_ms: u64,
}

/// A POST without a whole answer.
#[derive(Debug)]
struct UnderWay {
    request: Vec<u8>,
    /// When it was sent; `None` if it waits to be.
    sent: Option<Time>,
    /// Whether the server's end of the connection is the likely reason if there is no answer.
    is_safe: bool,
    /// Whether it was sent before.
    is_again: bool,
}

/// What the server's bytes, or its end, were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostAnswer {
    /// A whole answer to the POST.
    Whole {
        /// Its status.
        status: u16,
        /// Whether the connection ends behind it.
        is_last: bool,
    },
    /// The server ends the connection, since it has seen no request.
    Unseen,
}

/// What became of the POST under way when its connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostOutcome {
    /// There was none.
    Idle,
    /// It had not been sent, and waits on.
    Waits,
    /// It is sent once more.
    Again,
    /// Its answer was cut behind this status.
    Cut(u16),
    /// The server may have taken it or not.
    Unanswered,
}

impl Courier {
    /// Whether it takes another POST.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.under_way.is_none()
    }

    /// Whether an answer is overdue.
    #[must_use]
    pub fn is_overdue(&self, now: Time) -> bool {
        let waits = |it: &UnderWay| it.sent.is_some_and(|sent| sent + PATIENCE < now);
        self.under_way.as_ref().is_some_and(waits)
    }

    /// Whether it has tried often enough.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        self.attempts >= ATTEMPTS_MAX
    }

    /// Takes the next POST.
    pub fn put(&mut self, request: Vec<u8>) {
        debug_assert!(self.is_free());
        self.under_way = Some(UnderWay {
            request,
            sent: None,
            is_safe: false,
            is_again: false,
        });
    }

    /// What is to be sent, now that the connection is open; `was_idle` says that it was before.
    pub fn take_request(&mut self, now: Time, was_idle: bool) -> Option<&[u8]> {
        let under_way = self.under_way.as_mut().filter(|it| it.sent.is_none())?;
        (under_way.sent, under_way.is_safe) = (Some(now), was_idle);
        Some(&under_way.request)
    }

    /// Takes bytes of the server.
    ///
    /// # Errors
    /// When they are no answer, or one that nobody asked for.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<Option<PostAnswer>, String> {
        let mut found = None;
        loop {
            let step = self.answers.handle_bytes(bytes).map_err(in_words)?;
            bytes = &bytes[step.consumed..];
            match step.piece {
                None => return Ok(found),
                // RFC 9110 §15.5.9: it waited for a request and saw none.
                Some(Piece::Head(head)) if head.status == 408 && !self.is_again() => {
                    return Ok(self.unseen(found));
                }
                Some(Piece::Head(_)) if !self.waits() => {
                    return Err("an answer that nobody asked for".to_owned());
                }
                Some(Piece::Head(head)) => self.head = Some((head.status, head.is_last)),
                Some(Piece::Body { .. }) => {}
                Some(Piece::End) => found = self.end(),
            }
        }
    }

    /// The server ended its direction, which may be the end of an answer.
    pub fn handle_eof(&mut self) -> Option<PostAnswer> {
        match self.answers.handle_eof() {
            Ok(true) => self.end(),
            Ok(false) => None,
            Err(_) => {
                // Its answer has begun: the server has taken it, or may have.
                if let Some(it) = &mut self.under_way {
                    it.is_safe = false;
                }
                None
            }
        }
    }

    /// The connection is gone, or did not come about.
    pub fn handle_closed(&mut self, now: Time, came_about: bool) -> PostOutcome {
        let head = self.head.take();
        let has_begun = self.answers.is_within() || head.is_some();
        self.answers = AnswerReader::default();
        let fate = match (&mut self.under_way, head) {
            (None, _) => return PostOutcome::Idle,
            // It came while the server's last answer, or its end, was on its way.
            (Some(it), _) if it.sent.is_none() && came_about => return PostOutcome::Waits,
            (Some(it), _) if it.sent.is_none() => PostOutcome::Waits,
            (Some(it), _) if it.is_safe && !it.is_again && !has_begun => {
                (it.sent, it.is_again) = (None, true);
                return PostOutcome::Again;
            }
            (Some(_), Some((status, _))) => PostOutcome::Cut(status),
            (Some(_), None) => PostOutcome::Unanswered,
        };
        if fate != PostOutcome::Waits {
            self.under_way = None;
        }
        if matches!(fate, PostOutcome::Cut(_)) {
            // The server is there, and said something.
            self.attempts = 0;
        }
        self.back_off(now);
        fate
    }

    /// A WebSocket is gone, or did not come about.
    pub fn handle_socket_closed(&mut self, now: Time) {
        if now.since(self.since) >= LIFE_MIN {
            self.attempts = 0;
        }
        self.back_off(now);
    }

    /// Each attempt that brought nothing waits twice as long as the one before.
    fn back_off(&mut self, now: Time) {
        let wait = FIRST_WAIT * (1 << self.attempts.min(10));
        let asked = Duration::from_millis(std::mem::take(&mut self.asked_ms));
        let asked = asked.min(ASKED_WAIT_MAX);
        self.attempts += 1;
        self.not_before = now + wait.min(LAST_WAIT).max(asked);
    }

    fn waits(&self) -> bool {
        self.under_way.as_ref().is_some_and(|it| it.sent.is_some())
    }

    fn end(&mut self) -> Option<PostAnswer> {
        let (status, is_last) = self.head.take()?;
        self.under_way = None;
        self.attempts = 0;
        Some(PostAnswer::Whole { status, is_last })
    }

    /// Whether the POST under way was sent before: what is said of it now counts.
    fn is_again(&self) -> bool {
        self.under_way
            .as_ref()
            .is_some_and(|it| it.is_again && it.sent.is_some())
    }

    fn unseen(&mut self, found: Option<PostAnswer>) -> Option<PostAnswer> {
        self.answers = AnswerReader::default();
        if let Some(it) = &mut self.under_way {
            it.is_safe = true;
        }
        let is_last = true;
        Some(match found {
            Some(PostAnswer::Whole { status, .. }) => PostAnswer::Whole { status, is_last },
            Some(PostAnswer::Unseen) | None => PostAnswer::Unseen,
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is handed to map_err by name"
)]
fn in_words(error: AnswerError) -> String {
    error.to_string()
}

/// How long a server that goes away asks its clients to stay away, in milliseconds: `retry=MS` in
/// the reason of its close.
#[must_use]
pub fn asked_ms(reason: &str) -> u64 {
    let number = reason.split_once("retry=").map_or("", |(_, rest)| rest);
    let end = number.find(|c: char| !c.is_ascii_digit());
    number[..end.unwrap_or(number.len())].parse().unwrap_or(0)
}

/// Whether a WebSocket that was closed so is not worth another try: the server refuses what is
/// sent, and would again.
#[must_use]
pub const fn is_final_code(code: u16) -> bool {
    matches!(code, 1002 | 1003 | 1007..=1010)
}

/// The same of the status of a handshake: what is asked for is refused, not only now.
#[must_use]
pub const fn is_final_status(status: u16) -> bool {
    matches!(status, 101 | 200..=407 | 409..=424 | 426..=428 | 430..=499 | 501 | 505)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    /// One whose POST was sent on a connection that was idle before, or was not.
    fn sent(was_idle: bool) -> Courier {
        let mut courier = Courier::default();
        courier.put(b"POST".to_vec());
        assert_eq!(courier.take_request(at(1), was_idle), Some(&b"POST"[..]));
        assert_eq!(courier.take_request(at(2), was_idle), None, "it is out");
        courier
    }

    fn whole(status: u16, is_last: bool) -> Result<Option<PostAnswer>, String> {
        Ok(Some(PostAnswer::Whole { status, is_last }))
    }

    #[test]
    fn answers_of_every_form_end_a_post_whatever_the_pieces() {
        let answers: [(&[u8], u16, bool); 7] = [
            (OK, 200, false),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, false),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, false),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 201 x\r\n\
               Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n", 201, false),
            (b"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 503, true),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, false),
        ];
        for (answer, status, is_last) in answers {
            for size in 1..=answer.len() {
                let mut courier = sent(false);
                let mut found = Ok(None);
                for piece in answer.chunks(size) {
                    found = courier.handle_bytes(piece);
                }
                assert_eq!(found, whole(status, is_last), "{size}");
                assert!(courier.is_free());
                assert_eq!(courier.handle_closed(at(9), true), PostOutcome::Idle);
                assert_eq!(
                    courier.not_before,
                    Time::ZERO,
                    "a server may end what is idle"
                );
            }
        }
    }

    #[test]
    fn an_answer_may_end_with_its_connection() {
        let mut courier = sent(false);
        let head = courier.handle_bytes(b"HTTP/1.1 200 OK\r\n\r\n{}");
        assert_eq!(head, Ok(None));
        assert_eq!(Ok(courier.handle_eof()), whole(200, true));
        assert_eq!(courier.handle_closed(at(9), true), PostOutcome::Idle);
    }

    #[test]
    fn a_post_is_sent_again_once_and_only_where_the_connection_was_idle() {
        let mut courier = sent(true);
        assert_eq!(courier.handle_closed(at(5), true), PostOutcome::Again);
        assert_eq!(courier.not_before, Time::ZERO, "at once");
        assert!(courier.take_request(at(6), false).is_some());
        assert_eq!(courier.handle_closed(at(7), true), PostOutcome::Unanswered);
        assert!(courier.is_free());
        assert_eq!(
            sent(false).handle_closed(at(5), true),
            PostOutcome::Unanswered
        );
    }

    #[test]
    fn a_post_whose_answer_has_begun_is_not_sent_again() {
        let mut courier = sent(true);
        assert_eq!(courier.handle_bytes(b"HTTP/1.1 2"), Ok(None));
        assert_eq!(courier.handle_closed(at(5), true), PostOutcome::Unanswered);
        let mut courier = sent(true);
        assert_eq!(courier.handle_bytes(b"HTTP/1.1 2"), Ok(None));
        assert_eq!(courier.handle_eof(), None);
        assert_eq!(courier.handle_closed(at(5), true), PostOutcome::Unanswered);
        let mut courier = sent(true);
        let cut = courier.handle_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
        assert_eq!((cut, courier.handle_eof()), (Ok(None), None));
        assert_eq!(courier.handle_closed(at(5), true), PostOutcome::Cut(200));
        assert_eq!(
            courier.not_before,
            at(5) + FIRST_WAIT,
            "the server is there"
        );
    }

    #[test]
    fn a_server_that_waited_in_vain_says_so_and_has_taken_nothing() {
        let timeout = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
        let mut idle = Courier::default();
        assert_eq!(idle.handle_bytes(timeout), Ok(Some(PostAnswer::Unseen)));
        assert_eq!(idle.handle_closed(at(5), true), PostOutcome::Idle);
        let mut crossed = sent(false);
        assert_eq!(crossed.handle_bytes(timeout), Ok(Some(PostAnswer::Unseen)));
        assert_eq!(crossed.handle_closed(at(5), true), PostOutcome::Again);
        // Who says so again has refused it.
        assert!(crossed.take_request(at(6), false).is_some());
        assert_eq!(crossed.handle_bytes(timeout), Ok(None));
        assert_eq!(Ok(crossed.handle_eof()), whole(408, true));
        let mut behind = sent(false);
        let both = [OK, timeout].concat();
        assert_eq!(behind.handle_bytes(&both), whole(200, true));
    }

    #[test]
    fn what_nobody_asked_for_is_no_answer() {
        assert!(Courier::default().handle_bytes(OK).is_err());
        let mut courier = sent(false);
        assert!(courier.handle_bytes(&[OK, OK].concat()).is_err());
        assert!(sent(false).handle_bytes(b"SSH-2.0\r\n\r\n").is_err());
        assert!(sent(false).handle_bytes(b"HTTP/1.1 101 x\r\n\r\n").is_err());
    }

    #[test]
    fn a_post_that_comes_while_a_connection_ends_goes_on_the_next_at_once() {
        let mut courier = Courier::default();
        courier.put(b"POST".to_vec());
        assert_eq!(courier.handle_closed(at(5), true), PostOutcome::Waits);
        assert_eq!(courier.not_before, Time::ZERO);
    }

    #[test]
    fn attempts_back_off_and_come_to_an_end_and_an_answer_begins_anew() {
        let mut courier = Courier::default();
        courier.put(b"POST".to_vec());
        let mut waits = Vec::new();
        while !courier.gives_up() {
            assert_eq!(courier.handle_closed(at(0), false), PostOutcome::Waits);
            waits.push(courier.not_before.as_millis());
        }
        assert_eq!(waits.len(), 20);
        assert_eq!(waits[..7], [50, 100, 200, 400, 800, 1600, 2000]);
        assert!(courier.take_request(at(1), false).is_some());
        assert_eq!(courier.handle_bytes(OK), whole(200, false));
        assert!(!courier.gives_up());
    }

    #[test]
    fn a_socket_waits_as_long_as_it_is_asked_to_within_bounds() {
        let mut courier = Courier {
            asked_ms: asked_ms("going away, retry=1500"),
            ..Courier::default()
        };
        courier.handle_socket_closed(at(0));
        assert_eq!(courier.not_before, at(1_500_000_000));
        courier.asked_ms = u64::MAX;
        courier.handle_socket_closed(at(0));
        assert_eq!(courier.not_before, Time::ZERO + ASKED_WAIT_MAX);
        for (reason, ms) in [("", 0), ("retry=", 0), ("retry=12x", 12), ("retry=-1", 0)] {
            assert_eq!(asked_ms(reason), ms, "{reason}");
        }
        assert!(is_final_code(1008) && !is_final_code(1012) && !is_final_code(4008));
        assert!(is_final_status(401) && !is_final_status(503) && !is_final_status(429));
    }
}
