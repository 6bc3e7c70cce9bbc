//! Sessions as their shard sees them: bytes and answers in, bytes and wishes out.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Context, Joins, Outputs, Question, Reply, Rules, Session};
use crate::base::{After, Epoch, Offset, Position, Tag, Time};
use crate::config::{Anonymous, ForeignTokens, Limits};
use crate::http::{Door, Policy};
use crate::hub::{PublishOutcome, Recovery};
use crate::wire::close::CloseCode;
use crate::wire::frame::{Opcode, encode, encode_close, encode_close_masked, encode_masked};
use crate::wire::http::Date;

const MASK: [u8; 4] = [7, 1, 200, 3];

/// A session, the moment it is in, and everything it has sent.
struct SessionPair {
    session: Session,
    cx: Context,
    sent: Vec<u8>,
    wishes: Vec<String>,
    /// The names of those that were not answered.
    asked: Vec<Tag>,
    /// What it did not take yet.
    unread: Vec<u8>,
}

impl SessionPair {
    fn new() -> Self {
        Self::with(Anonymous::Publish)
    }

    fn with(anonymous: Anonymous) -> Self {
        let cx = context(anonymous);
        Self {
            session: Session::new(&cx),
            cx,
            sent: Vec::new(),
            wishes: Vec::new(),
            asked: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// A WebSocket on the topic `t`, whose handshake is forgotten.
    fn subscribed(anonymous: Anonymous) -> Self {
        let mut pair = Self::with(anonymous);
        pair.read(upgrade("/topics/t").as_bytes());
        pair.subscribe(5, true);
        pair.sent();
        pair.wishes();
        pair
    }

    fn handle(&mut self, handle: impl FnOnce(&mut Session, &Context, &mut Outputs)) {
        let mut out = Outputs::default();
        handle(&mut self.session, &self.cx, &mut out);
        self.sent.extend_from_slice(&out.bytes);
        self.wishes.extend(out.actions.iter().map(wish));
        for tag in out.actions.iter().filter_map(tag_of) {
            assert!(!self.asked.contains(&tag), "{tag:?} is the name of another");
            self.asked.push(tag);
        }
    }

    /// The oldest wish without an answer, which it gets now.
    fn next_asked(&mut self) -> Tag {
        self.asked.remove(0)
    }

    /// Gives it bytes, as far as it takes them.
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while !self.unread.is_empty() && self.session.takes_bytes(&self.cx.rules.limits) {
            let mut unread = std::mem::take(&mut self.unread);
            let mut taken = 0;
            self.handle(|session, cx, out| taken = session.handle_bytes(cx, &mut unread, out));
            assert!(taken > 0, "a session that takes bytes takes some");
            unread.drain(..taken);
            self.unread = unread;
        }
    }

    fn read_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked(&mut bytes, opcode, MASK, payload);
        self.read(&bytes);
    }

    fn read_close(&mut self, code: CloseCode) {
        let mut bytes = Vec::new();
        encode_close_masked(&mut bytes, code, "", MASK);
        self.read(&bytes);
    }

    fn subscribe(&mut self, offset: u64, recovered: bool) {
        self.join(&Recovery {
            position: position(offset),
            recovered,
            publications: Vec::new(),
        });
    }

    /// The topic's home answers a subscribe.
    fn join(&mut self, recovery: &Recovery) -> Joins {
        let (tag, topic) = (self.next_asked(), "t".parse_topic());
        let mut joins = Joins::Gone;
        self.handle(|session, cx, out| {
            joins = session.handle_subscribed(cx, (tag, &topic), recovery, out);
        });
        joins
    }

    fn refuse_topic(&mut self) {
        let tag = self.next_asked();
        self.handle(|session, cx, out| session.handle_topics_full(cx, tag, out));
    }

    /// The topic's home answers a read.
    fn tell(&mut self, recovery: &Recovery) {
        let tag = self.next_asked();
        self.handle(|session, cx, out| session.handle_read(cx, tag, recovery, out));
    }

    fn publish(&mut self, outcome: PublishOutcome) {
        let tag = self.next_asked();
        self.handle(|session, cx, out| session.handle_published(cx, tag, &outcome, out));
    }

    fn eof(&mut self) {
        self.handle(|session, _, out| session.handle_eof(out));
    }

    fn drain(&mut self) {
        self.handle(|session, cx, out| session.handle_drain(cx, 1234, out));
    }

    /// Lets time pass to its deadline.
    fn time_out(&mut self) {
        self.cx.now = self.session.deadline();
        assert_ne!(self.cx.now, Time::NEVER, "it waits for nothing");
        self.handle(|session, cx, out| session.handle_timeout(cx, out));
    }

    /// What was sent since the last call.
    fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.sent()).expect("HTTP heads are text")
    }

    fn wishes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wishes)
    }

    #[track_caller]
    fn check_close(&mut self, code: CloseCode, reason: &str) {
        let mut expected = Vec::new();
        encode_close(&mut expected, code, reason);
        assert_eq!(
            self.sent().escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }
}

/// Shorthand for names in these tests.
trait ParseTopic {
    fn parse_topic(&self) -> crate::base::TopicName;
}

impl ParseTopic for str {
    fn parse_topic(&self) -> crate::base::TopicName {
        crate::base::TopicName::new(self).expect("a topic's name")
    }
}

fn context(anonymous: Anonymous) -> Context {
    let policy = Policy {
        publish_key: None,
        anonymous,
        foreign_tokens: ForeignTokens::Ignore,
        subprotocols: Vec::new(),
        allow_origins: Vec::new(),
        echo: true,
        admin_elsewhere: false,
    };
    let rules = Rules {
        limits: Limits {
            publishes_in_flight_max: 2,
            ..Limits::default()
        },
        policy,
        doors: vec![Door::default()],
        trusted_proxies: Vec::new(),
    };
    Context {
        rules: Arc::new(rules),
        now: Time::from_nanos(1_000_000_000),
        date: Date::at(Duration::from_secs(784_111_777)),
        door: 0,
        proxy: None,
        is_full: false,
        takes_upgrades: true,
        is_draining: false,
        resumed: None,
        is_backed_up: false,
        random: 1 << 63,
    }
}

/// A wish in one line.
fn wish(action: &Action) -> String {
    match action {
        Action::Subscribe { topic, after, .. } => match after {
            None => format!("subscribe {topic}"),
            Some(After::Earliest) => format!("subscribe {topic} after earliest"),
            Some(After::Unknown) => format!("subscribe {topic} after something"),
            Some(After::Position(position)) => format!("subscribe {topic} after {position}"),
        },
        Action::Publish(_, draft) => {
            let payload = draft.payload.escape_ascii();
            format!("publish {} {:?} {payload}", draft.topic, draft.kind)
        }
        Action::Read { topic, after, .. } => format!("read {topic} {after:?}"),
        Action::Answered(status) => format!("answered {status}"),
        other => format!("{other:?}"),
    }
}

fn tag_of(action: &Action) -> Option<Tag> {
    match action {
        Action::Subscribe { tag, .. } | Action::Publish(tag, _) | Action::Read { tag, .. } => {
            Some(*tag)
        }
        _ => None,
    }
}

fn position(offset: u64) -> Position {
    Position {
        epoch: Epoch::new(1),
        offset: Offset(offset),
    }
}

fn published(offset: u64) -> PublishOutcome {
    PublishOutcome::Published {
        position: position(offset),
        subscribers: 3,
        queued: 2,
        dropped: 1,
        complete: true,
    }
}

fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

fn post(body: &str) -> String {
    let len = body.len();
    format!("POST /topics/t HTTP/1.1\r\nHost: a.test\r\nContent-Length: {len}\r\n\r\n{body}")
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

#[test]
fn an_upgrade_is_answered_when_the_subscription_is_there() {
    let cases = [
        ("/topics/t", "subscribe t", false),
        ("/topics/t?after=1:7", "subscribe t after 1:7", false),
        (
            "/topics/t?after=earliest&format=json",
            "subscribe t after earliest",
            true,
        ),
    ];
    for (target, wanted, greets) in cases {
        let mut pair = SessionPair::new();
        pair.read(upgrade(target).as_bytes());
        assert_eq!(pair.wishes(), [wanted]);
        assert!(pair.sent().is_empty() && !pair.session.takes_bytes(&Limits::default()));
        pair.subscribe(9, false);
        assert_eq!(pair.wishes(), ["Upgraded", "Reads(Some(WebSocket))"]);
        let sent = pair.sent();
        let head = sent
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a whole head")
            + 4;
        let text = String::from_utf8_lossy(&sent[..head]);
        // RFC 6455 §1.3 has this key and its answer.
        assert!(text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{text}");
        let mut greeting = Vec::new();
        encode(
            &mut greeting,
            Opcode::Text,
            br#"{"position":"1:9","recovered":false}"#,
        );
        assert_eq!(&sent[head..], if greets { &greeting[..] } else { b"" });
    }
}

#[test]
fn an_upgrade_is_refused_while_draining_when_full_and_without_room_for_the_topic() {
    let mut full = SessionPair::new();
    full.cx.is_full = true;
    let mut draining = SessionPair::new();
    draining.cx.takes_upgrades = false;
    let mut crowded = SessionPair::new();
    for (pair, code) in [
        (&mut full, "full"),
        (&mut draining, "draining"),
        (&mut crowded, "topics_full"),
    ] {
        pair.read(upgrade("/topics/t").as_bytes());
        if code == "topics_full" {
            pair.refuse_topic();
        }
        let answer = pair.text();
        assert_eq!(status(&answer), "503");
        assert!(
            answer.contains(code) && answer.contains("Retry-After"),
            "{answer}"
        );
    }
}

#[test]
fn a_post_is_answered_with_what_became_of_it_whatever_the_pieces() {
    let chunked = "POST /topics/t HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for request in [post("hello"), chunked.to_owned()] {
        for size in [1, 7, 1000] {
            let mut pair = SessionPair::new();
            request
                .as_bytes()
                .chunks(size)
                .for_each(|piece| pair.read(piece));
            assert_eq!(
                pair.wishes(),
                ["publish t Text hello"],
                "in pieces of {size}"
            );
            pair.publish(published(4));
            let answer = pair.text();
            assert_eq!(status(&answer), "200");
            let body = r#"{"topic":"t","position":"1:4","epoch":"1","offset":4,"subscribers":3,"queued":2,"dropped":1}"#;
            assert!(answer.ends_with(body), "{answer}");
        }
    }
}

#[test]
fn a_post_that_is_not_taken_is_told_why() {
    let mut incomplete = published(4);
    if let PublishOutcome::Published { complete, .. } = &mut incomplete {
        *complete = false;
    }
    let cases = [
        (PublishOutcome::Busy, "503", "busy"),
        (PublishOutcome::TopicsFull, "503", "topics_full"),
        (incomplete, "200", r#""complete":false"#),
    ];
    for (outcome, code, word) in cases {
        let mut pair = SessionPair::new();
        pair.read(post("a").as_bytes());
        pair.publish(outcome);
        let answer = pair.text();
        assert_eq!(status(&answer), code);
        assert!(answer.contains(word), "{answer}");
    }
}

#[test]
fn requests_written_at_once_are_taken_one_after_the_other() {
    let mut pair = SessionPair::new();
    pair.read([post("1"), post("2")].concat().as_bytes());
    assert_eq!(pair.wishes(), ["publish t Text 1"]);
    assert_eq!(pair.unread, post("2").as_bytes());
    pair.publish(published(1));
    pair.read(b"");
    assert_eq!(pair.wishes(), ["answered 200", "publish t Text 2"]);
    pair.publish(published(2));
    assert_eq!(pair.text().matches("HTTP/1.1 200").count(), 2);
}

#[test]
fn a_head_request_has_the_answer_without_its_body() {
    let mut pair = SessionPair::new();
    pair.read(b"HEAD /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(
        pair.wishes(),
        [format!("{:?}", Action::Ask(Question::Health))]
    );
    let reply = Reply::Text(200, "ok\n".to_owned());
    pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
    let answer = pair.text();
    assert!(
        answer.to_lowercase().contains("content-length: 3"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(
        pair.session.takes_bytes(&Limits::default()),
        "the connection stays"
    );
}

#[test]
fn the_end_of_the_client_ends_what_is_not_whole_and_lets_an_answer_go_first() {
    for half in [
        "",
        "GET /hea",
        "POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
    ] {
        let mut pair = SessionPair::new();
        pair.read(half.as_bytes());
        pair.eof();
        assert_eq!(
            (pair.wishes(), pair.text()),
            (vec!["Finish(Eof)".to_owned()], String::new())
        );
    }
    let mut waiting = SessionPair::new();
    waiting.read(post("a").as_bytes());
    waiting.eof();
    assert_eq!(waiting.wishes(), ["publish t Text a"]);
    waiting.publish(published(1));
    assert_eq!(waiting.wishes(), ["answered 200", "Finish(Client)"]);
    assert!(waiting.text().to_lowercase().contains("connection: close"));
    let mut subscribing = SessionPair::new();
    subscribing.read(upgrade("/topics/t").as_bytes());
    subscribing.eof();
    assert_eq!(subscribing.wishes(), ["subscribe t", "Finish(Eof)"]);
}

#[test]
fn a_request_that_takes_too_long_is_408_and_an_idle_client_is_let_go() {
    let body = "POST /topics/t HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab";
    for half in ["GET /hea", body] {
        let mut pair = SessionPair::new();
        pair.read(half.as_bytes());
        pair.time_out();
        assert_eq!(status(&pair.text()), "408");
        assert_eq!(pair.wishes(), ["answered 408", "Finish(Timeout)"]);
    }
    let mut idle = SessionPair::new();
    idle.time_out();
    assert_eq!(
        (idle.wishes(), idle.text()),
        (vec!["Finish(Timeout)".to_owned()], String::new())
    );
}

#[test]
fn the_answer_to_a_request_is_waited_for_without_a_deadline() {
    for request in [post("a"), upgrade("/topics/t")] {
        let mut pair = SessionPair::new();
        pair.read(request.as_bytes());
        assert_eq!(pair.session.deadline(), Time::NEVER);
    }
}

#[test]
fn a_drain_ends_idle_clients_and_makes_an_answer_the_last() {
    let mut idle = SessionPair::new();
    idle.drain();
    assert_eq!(idle.wishes(), ["Finish(Draining)"]);
    let mut waiting = SessionPair::new();
    waiting.read(post("a").as_bytes());
    waiting.wishes();
    waiting.cx.is_draining = true;
    waiting.drain();
    assert!(waiting.wishes().is_empty());
    waiting.publish(published(1));
    assert_eq!(waiting.wishes(), ["answered 200", "Finish(Draining)"]);
}

#[test]
fn a_body_without_a_length_is_411_and_one_that_is_too_long_413() {
    let cases = [
        ("", "411", "Finish(Protocol)"),
        ("Content-Length: 99999999\r\n", "413", "Finish(TooBig)"),
    ];
    for (header, code, end) in cases {
        let mut pair = SessionPair::new();
        let request =
            format!("POST /topics/t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n");
        pair.read(request.as_bytes());
        assert_eq!(status(&pair.text()), code);
        assert_eq!(pair.wishes(), [format!("answered {code}"), end.to_owned()]);
    }
}

mod bodies;
mod client;
mod heads;
mod reading;
mod websocket;
