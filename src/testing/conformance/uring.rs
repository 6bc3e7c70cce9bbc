//! What io_uring runs short of, each on purpose: buffers, room for completions, places in tables,
//! and room in a socket for what was told as sent.

use std::io;
use std::time::Duration;

use crate::base::{Chunk, ConnId, Part};
use crate::io::{Close, Driver, Event, SendStatus, Tables, UringDriver, UringOptions};

use super::kernel::{KernelHarness, on_uring};
use super::rig::{DEADLINE, Rig, pattern};
use super::{Harness, RawPeer};

type UringRig = Rig<KernelHarness<UringDriver, true>>;

/// Runs on a driver with these options, over TCP.
fn with(options: &UringOptions, script: impl FnOnce(UringRig)) {
    on_uring::<true>(options, |harness| script(Rig::new(harness)));
}

/// Peers that connect all at once, and their connections.
fn crowd(rig: &mut UringRig, count: usize) -> Vec<ConnId> {
    for _ in 0..count {
        let peer = rig.harness.connect();
        rig.peers.push(peer);
    }
    rig.until("all accepted", |rig| rig.sockets.len() == count);
    let first = rig.conns.len();
    (first..first + count).map(|at| rig.open_next(at)).collect()
}

/// Every peer says something of its own at the same time, and it arrives whole.
fn everybody_speaks(rig: &mut UringRig, ids: &[ConnId], bytes: usize) {
    for (peer, number) in rig.peers.iter_mut().zip(0..) {
        peer.write(&pattern(bytes + number));
    }
    let whole = |rig: &mut UringRig, (id, number): (&ConnId, usize)| {
        rig.conn(*id).received.len() == bytes + number
    };
    rig.until("all received", |rig| {
        ids.iter().zip(0..).all(|at| whole(rig, at))
    });
    // Who is whose peer is not known; lengths are all different.
    for (id, number) in ids.iter().zip(0..) {
        assert!(rig.conn(*id).received == pattern(bytes + number), "{id}");
    }
}

#[test]
fn without_buffers_receiving_begins_again() {
    let options = UringOptions {
        buffers: 2,
        buffer_bytes: 300,
        ..UringOptions::default()
    };
    with(&options, |mut rig| {
        let ids = crowd(&mut rig, 20);
        everybody_speaks(&mut rig, &ids, 30_000);
        let scarcity = rig.driver().scarcity();
        assert!(scarcity.no_buffer > 0, "{scarcity:?}");
    });
}

#[test]
fn completions_that_do_not_fit_are_not_lost_and_receives_they_end_begin_again() {
    let options = UringOptions {
        submissions: 4,
        completions: 4,
        buffer_bytes: 300,
        ..UringOptions::default()
    };
    with(&options, |mut rig| {
        let ids = crowd(&mut rig, 40);
        everybody_speaks(&mut rig, &ids, 20_000);
        let scarcity = rig.driver().scarcity();
        assert!(scarcity.overflows > 0, "{scarcity:?}");
        assert!(scarcity.receives_lost > 0, "{scarcity:?}");
        for id in ids {
            rig.close_and_wait(id, Close::Reset);
        }
    });
}

#[test]
fn beyond_one_table_there_is_another_ring_and_nobody_is_dropped() {
    let options = UringOptions {
        connections_max: 300,
        ring_files_max: 200,
        ..UringOptions::default()
    };
    with(&options, |mut rig| {
        let ids = crowd(&mut rig, 300);
        let Tables {
            rings,
            direct_descriptors,
        } = rig.driver().tables();
        assert!(rings > 1, "{rings} rings");
        assert_eq!(direct_descriptors, 300);
        everybody_speaks(&mut rig, &ids, 100);
        for id in &ids {
            rig.send(*id, b"to all");
        }
        rig.until("all sent", |rig| {
            rig.peers.iter().all(|peer| peer.received() == b"to all")
        });
        for id in ids {
            rig.close(id, Close::Graceful);
        }
        rig.until("all closed", |rig| {
            rig.conns.iter().all(|conn| conn.closed.is_some())
        });
        rig.until("all ended", |rig| rig.peers.iter().all(RawPeer::is_ended));
        assert_eq!(rig.driver().tables().direct_descriptors, 0);
        // Their places are used again.
        crowd(&mut rig, 300);
        assert_eq!(rig.driver().tables().rings, rings);
        wakes_end_the_wait_for_several_rings(&mut rig);
    });
}

fn wakes_end_the_wait_for_several_rings(rig: &mut UringRig) {
    for round in rig.woken..rig.woken + 20 {
        let waker = rig.driver().waker();
        let waking = std::thread::spawn(move || waker.wake());
        while rig.woken == round {
            rig.turn(None);
        }
        waking.join().expect("wakes");
    }
}

#[test]
fn a_full_table_leaves_newcomers_in_the_backlog_until_somebody_goes() {
    let options = UringOptions {
        connections_max: 1,
        ring_files_max: 8,
        ..UringOptions::default()
    };
    with(&options, |mut rig| {
        for _ in 0..20 {
            let peer = rig.harness.connect();
            rig.peers.push(peer);
        }
        rig.until("full", |rig| {
            rig.sockets.len() == 8 && rig.accept_failures == 1
        });
        let mut polls = 0;
        while polls < 5 {
            let polled = rig.driver().poll(Some(Duration::from_millis(20)), |event| {
                assert!(
                    !matches!(event, Event::Accepted { .. }),
                    "there is no place"
                );
            });
            polled.expect("poll");
            polls += 1;
        }
        // Said once, not at each try.
        assert_eq!((rig.sockets.len(), rig.accept_failures), (8, 1));
        let mut served = 0;
        while served < 20 {
            rig.until("accepted", |rig| !rig.sockets.is_empty());
            let id = rig.open_next(served);
            rig.send(id, b"your turn");
            rig.until("sent", |rig| rig.is_flushed(id));
            rig.close_and_wait(id, Close::Graceful);
            served += 1;
        }
        rig.until("all served", |rig| {
            let served = |peer: &_| RawPeer::received(peer) == b"your turn";
            rig.peers
                .iter()
                .all(|peer| !peer.is_reset() && served(peer))
        });
    });
}

/// Sends small pieces until the driver takes no more; all that was said.
fn fill(rig: &mut UringRig, id: ConnId) -> Vec<u8> {
    rig.peers[0].set_reading(false);
    let mut said = Vec::new();
    while !rig.is_held_up(id) {
        let piece = pattern(5000 + said.len() % 777);
        rig.send(id, &piece);
        said.extend(piece);
        rig.turn(Some(Duration::ZERO));
    }
    let scarcity = rig.driver().scarcity();
    assert!(scarcity.rests > 0, "{scarcity:?}");
    let held = rig.driver().held();
    assert!((1..=16 * 1024).contains(&held), "{held} bytes of one rest");
    said
}

#[test]
fn what_was_told_as_sent_goes_out_whole_and_in_order() {
    with(&UringOptions::default(), |mut rig| {
        let id = rig.accept();
        let said = fill(&mut rig, id);
        assert!(rig.driver().unsent(id) > 0);
        rig.peers[0].set_reading(true);
        rig.until("all sent", |rig| {
            rig.peers[0].received().len() == said.len()
        });
        assert!(rig.peers[0].received() == said);
        assert!(!rig.is_held_up(id));
        assert_eq!(rig.driver().held(), 0);
    });
}

#[test]
fn a_graceful_close_waits_for_what_was_told_as_sent() {
    with(&UringOptions::default(), |mut rig| {
        let id = rig.accept();
        fill(&mut rig, id);
        let left: usize = rig.conn(id).unsent_bytes();
        rig.close(id, Close::Graceful);
        rig.settle();
        assert_eq!(rig.conn(id).closed, None);
        assert!(rig.driver().held() > 0);
        rig.peers[0].set_reading(true);
        rig.until("closed", |rig| rig.conn(id).closed == Some(None));
        assert_eq!(rig.driver().held(), 0);
        rig.until("ended", |rig| rig.peers[0].is_ended());
        let received = rig.peers[0].received().len();
        assert_eq!(received + left, rig.conn(id).offered);
    });
}

#[test]
fn a_rest_that_is_found_within_a_turn_does_not_wait_for_the_next_event() {
    let options = UringOptions {
        submissions: 4,
        ..UringOptions::default()
    };
    with(&options, |mut rig| {
        let ids: Vec<ConnId> = (0..5).map(|_| rig.accept()).collect();
        rig.peers[0].set_reading(false);
        let long = [Part::whole(Chunk::private(pattern(3000)))];
        let short = [Part::whole(Chunk::private(b"x".to_vec()))];
        // With the fifth send the first four are handed over, and it is the last of its turn.
        while rig.driver().held() == 0 {
            rig.turn(Some(Duration::ZERO));
            for id in &ids {
                let parts = if *id == ids[0] { &long } else { &short };
                assert!(matches!(rig.driver().send(*id, parts), SendStatus::Sent(_)));
            }
        }
        assert_eq!(
            rig.driver().scarcity().rests,
            0,
            "nobody has seen to it yet"
        );
        rig.peers[0].set_reading(true);
        rig.peers[0].pump();
        // Nothing else happens that would end the wait.
        let polled = rig.driver().poll(Some(DEADLINE), |_| ());
        polled.expect("poll");
        assert_eq!(rig.driver().held(), 0);
    });
}

#[test]
fn a_reset_drops_what_was_told_as_sent() {
    with(&UringOptions::default(), |mut rig| {
        let id = rig.accept();
        fill(&mut rig, id);
        rig.close_and_wait(id, Close::Reset);
        assert_eq!(rig.driver().held(), 0);
        rig.peers[0].set_reading(true);
        rig.until("cut", |rig| rig.peers[0].is_reset());
    });
}

#[test]
fn a_socket_of_another_driver_is_refused_and_closed() {
    with(&UringOptions::default(), |mut rig| {
        let peer = rig.harness.connect();
        rig.peers.push(peer);
        rig.until("accepted", |rig| !rig.sockets.is_empty());
        let socket = rig.sockets.pop_front().expect("accepted");
        let mut other = UringDriver::new(UringOptions::default()).expect("driver");
        let id = ConnId {
            slot: 0,
            generation: 0,
        };
        let error = other.open(id, socket).expect_err("it has no such place");
        assert_eq!(error.kind(), io::ErrorKind::Other);
        rig.until("the peer ended", |rig| rig.peers[0].is_ended());
    });
}
