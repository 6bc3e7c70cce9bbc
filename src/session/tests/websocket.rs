//! WebSockets: messages, pings, closes, and the echo.

use super::*;

#[test]
fn a_client_that_is_held_back_is_not_blamed_for_its_silence() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.read_frame(Opcode::Text, b"a");
    pair.read_frame(Opcode::Text, b"b");
    assert!(!pair.session.takes_bytes(&pair.cx.rules.limits));
    pair.time_out();
    pair.sent();
    pair.time_out();
    assert!(
        pair.sent().is_empty(),
        "its pong may wait behind our answers"
    );
    pair.publish(published(1));
    pair.time_out();
    pair.check_close(CloseCode::NO_PONG, "no pong in time");
}

#[test]
fn a_drained_websocket_is_told_when_to_come_back() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.drain();
    pair.check_close(CloseCode::GOING_AWAY, "retry=1234");
    assert_eq!(pair.wishes(), ["Leave(Draining)"]);
    pair.read_close(CloseCode::GOING_AWAY);
    assert_eq!(pair.wishes(), ["Finish(Draining)"]);
    assert!(pair.sent().is_empty(), "one close from each side");
}

#[test]
fn a_pong_that_is_late_since_the_node_stood_still_is_waited_for_again() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.time_out();
    pair.sent();
    pair.cx.resumed = Some(pair.session.deadline());
    pair.time_out();
    assert!(pair.sent().is_empty(), "nobody could hear it");
    pair.time_out();
    pair.check_close(CloseCode::NO_PONG, "no pong in time");
}

#[test]
fn a_silent_websocket_is_pinged_then_closed_then_cut() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    let begun = pair.cx.now;
    pair.time_out();
    assert!(pair.cx.now.since(begun) <= Duration::from_secs(25));
    assert_eq!(
        (pair.sent(), pair.wishes()),
        (b"\x89\x00".to_vec(), vec!["Pinged".to_owned()])
    );
    pair.time_out();
    pair.check_close(CloseCode::NO_PONG, "no pong in time");
    assert_eq!(pair.wishes(), ["Leave(NoPong)"]);
    pair.time_out();
    assert_eq!(pair.wishes(), ["Abort(NoPong)"]);
    assert_eq!(pair.session.deadline(), Time::NEVER);
}

#[test]
fn whatever_comes_in_answers_a_ping() {
    for opcode in [Opcode::Pong, Opcode::Text] {
        let mut pair = SessionPair::subscribed(Anonymous::Publish);
        pair.time_out();
        pair.sent();
        pair.read_frame(opcode, b"");
        pair.time_out();
        assert!(pair.sent().is_empty(), "{opcode:?} is a sign of life");
        pair.time_out();
        assert_eq!(pair.sent(), b"\x89\x00", "the next ping");
    }
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.read_frame(Opcode::Ping, b"abc");
    assert_eq!(pair.sent(), b"\x8a\x03abc");
}

#[test]
fn a_close_is_echoed_once_and_ends_the_connection() {
    let cases = [
        (CloseCode::NORMAL, "\\x88\\x02\\x03\\xe8"),
        (CloseCode(4321), "\\x88\\x02\\x10\\xe1"),
    ];
    for (code, echo) in cases {
        let mut pair = SessionPair::subscribed(Anonymous::Publish);
        pair.read_close(code);
        pair.read_frame(Opcode::Text, b"too late");
        assert_eq!(pair.sent().escape_ascii().to_string(), echo);
        assert_eq!(pair.wishes(), ["Finish(Client)"]);
    }
    let mut without_code = SessionPair::subscribed(Anonymous::Publish);
    without_code.read_frame(Opcode::Close, b"");
    assert_eq!(without_code.sent(), b"\x88\x00");
}

#[test]
fn after_our_close_only_the_peers_close_counts() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.handle(|session, cx, out| session.handle_slow(cx, out));
    pair.check_close(
        CloseCode::SLOW_CONSUMER,
        "too slow: more was waiting than an outbox holds",
    );
    pair.read_frame(Opcode::Text, b"a");
    pair.read_frame(Opcode::Ping, b"b");
    pair.drain();
    assert_eq!(
        (pair.sent(), pair.wishes()),
        (Vec::new(), vec!["Leave(SlowConsumer)".to_owned()])
    );
    pair.eof();
    assert_eq!(pair.wishes(), ["Finish(SlowConsumer)"]);
}

#[test]
fn messages_are_published_as_what_they_are_and_so_many_at_once() {
    let mut pair = SessionPair::subscribed(Anonymous::Publish);
    pair.read_frame(Opcode::Text, b"a");
    pair.read_frame(Opcode::Binary, b"\xff");
    pair.read_frame(Opcode::Text, b"c");
    let two = [
        "MessageIn",
        "publish t Text a",
        "MessageIn",
        "publish t Binary \\xff",
    ];
    assert_eq!(pair.wishes(), two);
    assert!(!pair.unread.is_empty(), "two are in flight");
    pair.publish(published(1));
    pair.read(b"");
    assert_eq!(pair.wishes(), ["MessageIn", "publish t Text c"]);
}

#[test]
fn a_message_that_is_not_taken_closes_its_connection() {
    let mut forbidden = SessionPair::subscribed(Anonymous::Subscribe);
    forbidden.read_frame(Opcode::Text, b"a");
    forbidden.check_close(CloseCode::POLICY, "publishing is not allowed here");
    assert_eq!(
        forbidden.wishes(),
        ["MessageIn", "NotAllowed", "Leave(Policy)"]
    );
    let cases = [
        (
            PublishOutcome::Busy,
            "the node cannot take more publications now",
        ),
        (
            PublishOutcome::TopicsFull,
            "the node has no room for another topic",
        ),
    ];
    for (outcome, reason) in cases {
        let mut pair = SessionPair::subscribed(Anonymous::Publish);
        pair.read_frame(Opcode::Text, b"a");
        pair.wishes();
        pair.publish(outcome);
        pair.check_close(CloseCode::TRY_AGAIN, reason);
        assert_eq!(pair.wishes(), ["Leave(TryAgain)"]);
    }
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_how_and_let_go() {
    let cases: [(&[u8], u16, &str); 3] = [
        (b"\x81\x01a", 1002, "Protocol"),
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007, "InvalidData"),
        (
            b"\x82\xff\x00\x00\x00\x00\x7f\x00\x00\x00\x00\x00\x00\x00",
            1009,
            "TooBig",
        ),
    ];
    for (bytes, code, reason) in cases {
        for size in [1, 100] {
            let mut pair = SessionPair::subscribed(Anonymous::Publish);
            bytes.chunks(size).for_each(|piece| pair.read(piece));
            assert_eq!(pair.sent()[2..4], code.to_be_bytes(), "in pieces of {size}");
            assert_eq!(pair.wishes(), [format!("Finish({reason})")]);
        }
    }
}

#[test]
fn the_echo_sends_back_each_message_and_publishes_nothing() {
    let mut pair = SessionPair::new();
    pair.read(upgrade("/echo").as_bytes());
    assert!(pair.text().starts_with("HTTP/1.1 101"));
    assert_eq!(pair.wishes(), ["Upgraded", "Reads(Some(WebSocket))"]);
    pair.read_frame(Opcode::Text, b"hi");
    pair.read_frame(Opcode::Binary, b"\xff");
    assert_eq!(pair.sent(), b"\x81\x02hi\x82\x01\xff");
    assert_eq!(pair.wishes(), ["MessageIn", "MessageIn"]);
}
