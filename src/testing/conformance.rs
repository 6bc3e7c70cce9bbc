//! One list of scripts that every driver passes: the contract of [`crate::io::driver`], run.
//!
//! A [`Harness`] makes a driver and plays the far ends of its connections; the [`Rig`] drives
//! both and holds every event to the rules that always apply; a script says what happens.
//! Nothing waits by sleeping: a script waits for a condition, with a deadline.
//!
//! [`Rig`]: rig::Rig

use crate::io::Driver;

mod kernel;
mod rig;
mod scarcity;
mod scripts;
mod sim;
mod uring;

/// A driver under test and the world around it.
pub(super) trait Harness {
    type Driver: Driver;
    type Peer: RawPeer;

    /// Whether its `poll` sleeps in real time.
    const SLEEPS: bool;
    /// Whether `Close::Reset` shows at the peer as a reset whatever is unread.
    const RESETS: bool;

    fn driver(&mut self) -> &mut Self::Driver;

    /// The most connections that one listener accepts in one `poll`.
    fn accepts_per_turn_max(&self) -> usize;

    /// A peer connects to the listener of the driver; refused, it is reset from the start.
    fn connect(&mut self) -> Self::Peer;

    /// Where peers answer.
    fn target(&mut self) -> <Self::Driver as Driver>::Target;

    /// The next peer that was connected to at `target`, if there is one.
    fn answer(&mut self) -> Option<Self::Peer>;

    /// Where nobody answers, and that shows at once.
    fn nobody(&mut self) -> <Self::Driver as Driver>::Target;

    /// Lets virtual time pass.
    fn step(&mut self);
}

/// The far end of a connection.
pub(super) trait RawPeer {
    /// Sends bytes; what does not fit is kept and sent by `pump`.
    fn write(&mut self, bytes: &[u8]);
    /// Bytes that its system has not taken yet.
    fn unwritten(&self) -> usize;
    /// Whether it reads what arrives, as it does at first.
    fn set_reading(&mut self, on: bool);
    /// Reads and writes what is possible now.
    fn pump(&mut self);
    /// All it has read so far.
    fn received(&self) -> &[u8];
    /// Whether it has read to the end.
    fn is_ended(&self) -> bool;
    /// Whether the connection turned out to be reset or refused.
    fn is_reset(&self) -> bool;
    /// Ends its direction, after everything was taken by its system.
    fn fin(&mut self);
    /// Cuts the connection. On Unix sockets that takes unread input, which the script provides.
    fn reset(&mut self);
}

macro_rules! conformance {
    ($($script:ident,)*) => {
        mod sim_smooth {
            $(#[test] fn $script() { super::scripts::$script(super::sim::smooth()); })*
        }
        mod sim_rough {
            $(#[test] fn $script() {
                (0..16).for_each(|seed| super::scripts::$script(super::sim::rough(seed)));
            })*
        }
        mod epoll_tcp {
            $(#[test] fn $script() { super::scripts::$script(super::kernel::tcp()); })*
        }
        mod epoll_tcp_in_small_bounds {
            $(#[test] fn $script() { super::scripts::$script(super::kernel::tcp_small()); })*
        }
        mod epoll_unix {
            $(#[test] fn $script() { super::scripts::$script(super::kernel::unix()); })*
        }
        mod uring_tcp {
            use crate::io::UringOptions;
            $(#[test] fn $script() {
                super::kernel::on_uring::<true>(&UringOptions::default(), super::scripts::$script);
            })*
        }
        mod uring_tcp_in_small_bounds {
            $(#[test] fn $script() {
                super::kernel::on_uring::<true>(&super::kernel::uring_small(), super::scripts::$script);
            })*
        }
        mod uring_unix {
            use crate::io::UringOptions;
            $(#[test] fn $script() {
                super::kernel::on_uring::<false>(&UringOptions::default(), super::scripts::$script);
            })*
        }
        mod uring_unix_in_small_bounds {
            $(#[test] fn $script() {
                super::kernel::on_uring::<false>(&super::kernel::uring_small(), super::scripts::$script);
            })*
        }
    };
}

conformance! {
    an_accepted_connection_echoes,
    a_big_transfer_keeps_its_order_in_both_directions,
    many_parts_leave_as_one_stream,
    nothing_is_received_while_receiving_is_off,
    the_end_is_received_after_the_last_byte,
    after_the_peers_end_sending_is_still_possible,
    after_our_end_receiving_is_still_possible,
    a_reset_is_one_closed_with_its_error,
    a_reset_is_noticed_while_receiving_is_off,
    a_graceful_close_delivers_the_tail_in_spite_of_unread_input,
    a_reset_close_drops_the_connection,
    a_close_ends_what_was_asked_before,
    memory_in_flight_is_let_go_with_closed,
    nothing_is_held_once_it_is_out_or_its_connection_gone,
    commands_for_stale_ids_do_nothing,
    a_slot_lives_again_after_closed,
    wakes_coalesce,
    a_wake_ends_the_sleep,
    a_connection_is_begun_and_used,
    a_refused_connection_is_closed_with_its_error,
    a_connection_is_closed_before_it_is_there,
    a_burst_is_accepted_over_several_turns,
    a_dropped_socket_ends_the_peer,
    after_stop_listening_nobody_gets_in,
    a_timeout_is_kept_and_zero_does_not_sleep,
}
