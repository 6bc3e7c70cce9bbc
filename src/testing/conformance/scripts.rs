//! The scripts, one a rule of the contract.

use std::io;
use std::time::Duration;

use crate::base::{Chunk, ConnId, Part, clock};
use crate::io::{Close, Driver, SendStatus};

use super::rig::{Rig, pattern};
use super::{Harness, RawPeer};

/// An id that no rig gives to an accepted connection.
const OTHER: ConnId = ConnId {
    slot: 70,
    generation: 9,
};

/// Long against a turn, short for who waits for the tests.
const WHILE: Duration = Duration::from_millis(30);

pub(super) fn an_accepted_connection_echoes<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    assert!(rig.driver().peer(id).is_some());
    rig.peers[0].write(b"hello");
    rig.until("received", |rig| rig.conn(id).received == b"hello");
    rig.send(id, b"hello yourself");
    rig.until("answered", |rig| {
        rig.peers[0].received() == b"hello yourself"
    });
    rig.close_and_wait(id, Close::Graceful);
    rig.until("ended", |rig| rig.peers[0].is_ended());
    assert!(!rig.peers[0].is_reset());
}

pub(super) fn a_big_transfer_keeps_its_order_in_both_directions<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let (there, back) = (pattern(3_000_000), pattern(700_001));
    rig.peers[0].set_reading(false);
    rig.send(id, &there);
    rig.peers[0].write(&back);
    rig.until("held up", |rig| rig.is_held_up(id));
    rig.until("received", |rig| rig.conn(id).received.len() == back.len());
    rig.peers[0].set_reading(true);
    rig.until("all sent", |rig| {
        rig.peers[0].received().len() == there.len()
    });
    assert!(rig.is_flushed(id));
    assert!(rig.conn(id).received == back, "other bytes received");
    assert!(rig.peers[0].received() == there, "other bytes sent");
}

pub(super) fn many_parts_leave_as_one_stream<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let bytes = pattern(2000);
    let chunk = Chunk::private(bytes.clone());
    // Thirty parts of rising length, more than one batch holds.
    let mut start = 0;
    for length in 1..=30 {
        let end = start + length;
        let chunk = chunk.clone();
        rig.send_part(id, Part { chunk, start, end });
        start = end;
    }
    let all = &bytes[..start as usize];
    rig.until("all sent", |rig| rig.peers[0].received().len() == all.len());
    assert_eq!(rig.peers[0].received(), all);
}

pub(super) fn nothing_is_received_while_receiving_is_off<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let bytes = pattern(50_000);
    rig.receive(id, false);
    rig.peers[0].write(&bytes);
    // The rig asserts that nothing is received.
    rig.settle();
    rig.receive(id, true);
    rig.until("received", |rig| rig.conn(id).received.len() == bytes.len());
    rig.receive(id, false);
    rig.peers[0].write(b"more");
    rig.settle();
    rig.receive(id, true);
    rig.until("received", |rig| rig.conn(id).received.ends_with(b"more"));
    assert!(rig.conn(id).received.starts_with(&bytes));
}

pub(super) fn the_end_is_received_after_the_last_byte<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let bytes = pattern(10_000);
    rig.receive(id, false);
    rig.peers[0].write(&bytes);
    rig.peers[0].fin();
    rig.settle();
    rig.receive(id, true);
    // The rig asserts that nothing is received after the end.
    rig.until("ended", |rig| rig.conn(id).eof);
    assert!(rig.conn(id).received == bytes);
    rig.settle();
}

pub(super) fn after_the_peers_end_sending_is_still_possible<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.peers[0].fin();
    rig.until("ended", |rig| rig.conn(id).eof);
    let bytes = pattern(100_000);
    rig.send(id, &bytes);
    rig.until("all sent", |rig| {
        rig.peers[0].received().len() == bytes.len()
    });
    rig.close_and_wait(id, Close::Graceful);
    rig.until("the peer ended", |rig| rig.peers[0].is_ended());
}

pub(super) fn after_our_end_receiving_is_still_possible<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.send(id, b"last");
    rig.until("sent", |rig| rig.is_flushed(id));
    rig.driver().shutdown_write(id);
    rig.until("the peer ended", |rig| rig.peers[0].is_ended());
    assert_eq!(rig.peers[0].received(), b"last");
    rig.peers[0].write(b"answer");
    rig.peers[0].fin();
    rig.until("ended", |rig| rig.conn(id).eof);
    assert_eq!(rig.conn(id).received, b"answer");
    rig.close_and_wait(id, Close::Graceful);
}

/// Leaves the peer with unread input, without which a Unix socket cannot reset.
fn leave_unread<H: Harness>(rig: &mut Rig<H>, id: ConnId) {
    rig.peers[0].set_reading(false);
    rig.send(id, b"unread");
    rig.until("sent", |rig| rig.is_flushed(id));
    // What was taken may leave with the next turn only.
    rig.settle();
}

pub(super) fn a_reset_is_one_closed_with_its_error<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    leave_unread(&mut rig, id);
    rig.peers[0].reset();
    rig.until("closed", |rig| rig.conn(id).closed.is_some());
    let reset = Some(Some(io::ErrorKind::ConnectionReset));
    assert_eq!(rig.conn(id).closed, reset);
    let part = Part::whole(Chunk::private(b"late".to_vec()));
    assert_eq!(rig.driver().send(id, &[part]), SendStatus::Gone);
    // The rig asserts that nothing follows.
    rig.driver().close(id, Close::Graceful);
    rig.settle();
}

pub(super) fn a_reset_is_noticed_while_receiving_is_off<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.receive(id, false);
    leave_unread(&mut rig, id);
    rig.peers[0].write(b"nobody reads this");
    rig.peers[0].reset();
    rig.until("closed", |rig| rig.conn(id).closed.is_some());
    assert!(matches!(rig.conn(id).closed, Some(Some(_))));
}

pub(super) fn a_graceful_close_delivers_the_tail_in_spite_of_unread_input<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.receive(id, false);
    rig.peers[0].set_reading(false);
    rig.peers[0].write(&pattern(20_000));
    rig.until("written", |rig| rig.peers[0].unwritten() == 0);
    rig.settle();
    let tail = pattern(15_000);
    rig.send(id, &tail);
    rig.until("taken", |rig| rig.is_flushed(id));
    rig.close_and_wait(id, Close::Graceful);
    rig.peers[0].set_reading(true);
    rig.until("the peer ended", |rig| {
        assert!(!rig.peers[0].is_reset(), "the tail is lost");
        rig.peers[0].is_ended()
    });
    assert!(rig.peers[0].received() == tail);
}

pub(super) fn a_reset_close_drops_the_connection<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.send(id, b"never read");
    rig.close_and_wait(id, Close::Reset);
    rig.until("the peer is cut", |rig| {
        let peer = &rig.peers[0];
        peer.is_reset() || (!H::RESETS && peer.is_ended())
    });
}

pub(super) fn a_close_ends_what_was_asked_before<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.peers[0].set_reading(false);
    rig.peers[0].write(b"never handed out");
    rig.send(id, &pattern(8_000_000));
    rig.until("held up", |rig| rig.is_held_up(id));
    // The rig asserts that neither Writable nor Received follows.
    rig.close_and_wait(id, Close::Reset);
    rig.settle();
}

pub(super) fn memory_in_flight_is_let_go_with_closed<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let chunk = Chunk::private(pattern(5000));
    let status = rig.driver().send(id, &[Part::whole(chunk.clone())]);
    if status == SendStatus::Pending {
        assert!(chunk.handles() > 1, "the driver has no handle of its own");
    }
    rig.close_and_wait(id, Close::Reset);
    assert_eq!(chunk.handles(), 1);
}

/// Sends small pieces to a connection's peer, which does not read, until the driver takes no more.
fn fill<H: Harness>(rig: &mut Rig<H>, id: ConnId) -> usize {
    let peer = id.index();
    rig.peers[peer].set_reading(false);
    while !rig.is_held_up(id) {
        rig.send(id, &pattern(3000));
        rig.turn(Some(Duration::ZERO));
    }
    rig.conn(id).offered
}

pub(super) fn nothing_is_held_once_it_is_out_or_its_connection_gone<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    assert_eq!(rig.driver().held(), 0);
    let said = fill(&mut rig, id);
    rig.peers[0].set_reading(true);
    rig.until("all sent", |rig| rig.peers[0].received().len() == said);
    rig.until("nothing held", |rig| rig.driver().held() == 0);
    fill(&mut rig, id);
    rig.close_and_wait(id, Close::Reset);
    assert_eq!(rig.driver().held(), 0);
    let next = rig.accept();
    fill(&mut rig, next);
    rig.peers[1].reset();
    rig.until("closed", |rig| rig.conn(next).closed.is_some());
    assert_eq!(rig.driver().held(), 0);
}

pub(super) fn commands_for_stale_ids_do_nothing<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    let older = ConnId {
        generation: id.generation - 1,
        ..id
    };
    let newer = ConnId {
        generation: id.generation + 1,
        ..id
    };
    let gone = rig.accept();
    rig.close_and_wait(gone, Close::Graceful);
    let part = Part::whole(Chunk::private(b"x".to_vec()));
    for stale in [older, newer, gone, OTHER] {
        let driver = rig.driver();
        assert_eq!(
            driver.send(stale, std::slice::from_ref(&part)),
            SendStatus::Gone
        );
        driver.receive(stale, false);
        driver.shutdown_write(stale);
        driver.close(stale, Close::Reset);
        assert_eq!(driver.unsent(stale), 0);
        assert_eq!(driver.peer(stale), None);
    }
    rig.settle();
    rig.peers[0].write(b"still here");
    rig.until("received", |rig| rig.conn(id).received == b"still here");
}

pub(super) fn a_slot_lives_again_after_closed<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.peers[0].write(b"for the first");
    rig.close_and_wait(id, Close::Reset);
    let next = ConnId {
        generation: id.generation + 1,
        ..id
    };
    rig.accept_as(next);
    rig.peers[1].write(b"for the second");
    rig.until("received", |rig| {
        rig.conn(next).received == b"for the second"
    });
    rig.close_and_wait(next, Close::Graceful);
}

pub(super) fn wakes_coalesce<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    for round in 1..=3 {
        let waker = rig.driver().waker();
        let waking = std::thread::spawn(move || (0..1000).for_each(|_| waker.wake()));
        waking.join().expect("wakes");
        rig.until("woken", |rig| rig.woken > round - 1);
        rig.turn(Some(Duration::ZERO));
        assert_eq!(rig.woken, round);
    }
}

pub(super) fn a_wake_ends_the_sleep<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    for round in 1..=20 {
        let waker = rig.driver().waker();
        let waking = std::thread::spawn(move || waker.wake());
        while rig.woken < round {
            rig.turn(None);
        }
        waking.join().expect("wakes");
    }
}

pub(super) fn a_connection_is_begun_and_used<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    let target = rig.harness.target();
    rig.connect(OTHER, &target);
    rig.send(OTHER, b"hello");
    rig.until("connected", |rig| rig.conn(OTHER).connected);
    rig.until("answered", |rig| {
        let answered = rig.harness.answer();
        rig.peers.extend(answered);
        !rig.peers.is_empty()
    });
    rig.until("sent", |rig| rig.peers[0].received() == b"hello");
    rig.peers[0].write(b"welcome");
    rig.until("received", |rig| rig.conn(OTHER).received == b"welcome");
    rig.close_and_wait(OTHER, Close::Graceful);
    rig.until("the peer ended", |rig| rig.peers[0].is_ended());
}

pub(super) fn a_refused_connection_is_closed_with_its_error<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    let nobody = rig.harness.nobody();
    rig.connect(OTHER, &nobody);
    rig.until("closed", |rig| rig.conn(OTHER).closed.is_some());
    let refused = Some(Some(io::ErrorKind::ConnectionRefused));
    assert_eq!(rig.conn(OTHER).closed, refused);
    assert!(!rig.conn(OTHER).connected);
}

pub(super) fn a_connection_is_closed_before_it_is_there<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    let target = rig.harness.target();
    rig.connect(OTHER, &target);
    // The rig asserts that no Connected follows.
    rig.close_and_wait(OTHER, Close::Graceful);
    rig.settle();
}

pub(super) fn a_burst_is_accepted_over_several_turns<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    for _ in 0..100 {
        let peer = rig.harness.connect();
        rig.peers.push(peer);
    }
    rig.until("all accepted", |rig| {
        assert!(rig.accepted_last <= rig.harness.accepts_per_turn_max());
        rig.sockets.len() == 100
    });
    assert!(rig.peers.iter().all(|peer| !peer.is_reset()));
}

pub(super) fn a_dropped_socket_ends_the_peer<H: Harness>(harness: H) {
    let mut rig = Rig::new(harness);
    let peer = rig.harness.connect();
    rig.peers.push(peer);
    rig.until("accepted", |rig| rig.sockets.pop_front().is_some());
    rig.until("the peer ended", |rig| rig.peers[0].is_ended());
}

pub(super) fn after_stop_listening_nobody_gets_in<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.driver().stop_listening();
    let late = rig.harness.connect();
    rig.peers.push(late);
    rig.until("refused", |rig| rig.peers[1].is_reset());
    rig.peers[0].write(b"still here");
    rig.until("received", |rig| rig.conn(id).received == b"still here");
}

pub(super) fn a_timeout_is_kept_and_zero_does_not_sleep<H: Harness>(harness: H) {
    let (mut rig, id) = Rig::accepted(harness);
    rig.settle();
    let before = clock::now();
    (0..10).for_each(|_| rig.turn(Some(Duration::ZERO)));
    if H::SLEEPS {
        assert!(clock::now().since(before) < Duration::from_secs(2));
        // A spurious return is legal, so only all of them together are measured.
        let before = clock::now();
        (0..3).for_each(|_| rig.turn(Some(WHILE)));
        assert!(clock::now().since(before) >= WHILE);
    }
    rig.close(id, Close::Graceful);
    while rig.conn(id).closed.is_none() {
        // Never sleeps for ever: something is still to be handed out.
        rig.turn(None);
    }
}
