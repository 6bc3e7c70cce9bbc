//! One connection of a shard: its session, its outbox, and where it stands with the driver.
//!
//! Kept small, since there are very many: what only a busy connection needs is behind a box.

use super::outbox::{ChargedChunk, Outbox};
use super::speaker::Speaker;
use crate::base::Time;
use crate::io::driver::SendStatus;
use crate::mesh::Permit;
use crate::metrics::CloseReason;
use crate::session::{Reader, Session};
use crate::shard::member::Membership;

/// Bytes that a session has not been given; eight bytes of a connection where there are none.
pub(crate) type UnreadBytes = Box<Vec<u8>>;

/// A connection, from `open` to its `Closed`.
///
/// In this order in memory: what the fan-out looks at comes first, in one cache line, since at very
/// many subscribers every line of theirs is a miss.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Connection {
    /// Nothing waits while there is none.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// Bytes that the driver has and has not answered for.
    pub(crate) in_flight: u32,
    pub(crate) state: ConnectionState,
    pub(crate) gate: Gate,
    /// Whether it is in the list of outboxes to flush.
    pub(crate) dirty: bool,
    /// Whether the driver was told to receive.
    pub(crate) receiving: bool,
    /// Its place among the subscribers. Invariant: the group's member there is this connection.
    ///
    /// Here because the slab tells its free slots by the tag of this option.
    pub(crate) membership: Option<Membership>,
    pub(crate) session: Session,
    /// Bytes that arrived while the session could not take them.
    pub(crate) unread: Option<UnreadBytes>,
    pub(crate) speaker: Speaker,
    /// When the timer wheel asks next. Invariant: the wheel has an entry for this moment.
    pub(crate) wakes_at: Time,
    /// When a close that was begun is cut short; [`Time::NEVER`] while open.
    pub(crate) finish_by: Time,
    /// When it was accepted.
    pub(crate) accepted: Time,
    pub(crate) door: u16,
    pub(crate) permit: Permit,
    pub(crate) reason: CloseReason,
    /// The peer has ended its direction; the session hears of it behind what is unread.
    pub(crate) ended: bool,
    /// As what it is counted.
    pub(crate) reads: Option<Reader>,
}

// There are very many of them.
const _: () = assert!(size_of::<Connection>() <= 120);

/// Where a connection is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionState {
    /// Bytes go both ways.
    Open,
    /// What waits is still sent, then it is closed; what arrives is ignored.
    Finishing,
    /// The driver was told to close it.
    Closed,
}

/// Whether bytes may go to the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gate {
    /// They may.
    Open,
    /// A send was short: `Writable` follows.
    Blocked,
    /// The pause behind a 101 is on; its end is in the shard's `pauses`.
    Paused,
}

/// What became of bytes that the driver was offered.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Took {
    /// So many are the system's; `None` if that is not known yet, or nobody is there.
    pub(crate) sent: Option<usize>,
    /// Whether others are still wanted, so that they have to be kept.
    pub(crate) is_short: bool,
}

impl Connection {
    pub(crate) fn new(session: Session, door: u16, permit: Permit, now: Time) -> Self {
        Self {
            session,
            outbox: None,
            unread: None,
            membership: None,
            speaker: Speaker::Peer,
            wakes_at: Time::NEVER,
            finish_by: Time::NEVER,
            accepted: now,
            in_flight: 0,
            door,
            state: ConnectionState::Open,
            permit,
            reason: CloseReason::Eof,
            gate: Gate::Open,
            receiving: true,
            dirty: false,
            ended: false,
            reads: None,
        }
    }

    /// Bytes in the outbox.
    pub(crate) fn pending(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.pending())
    }

    /// Whether bytes can go to the driver at once, past the outbox.
    pub(crate) fn is_clear(&self) -> bool {
        self.outbox.is_none() && self.can_send()
    }

    /// Whether the driver takes a send now.
    pub(crate) fn can_send(&self) -> bool {
        self.gate == Gate::Open && self.in_flight == 0 && self.state != ConnectionState::Closed
    }

    /// What waits now leaves by itself: a pause is behind it.
    pub(crate) fn pause_behind(&mut self) {
        if let Some(outbox) = &mut self.outbox {
            outbox.pause_behind();
        }
    }

    /// Ends the pause, or goes without it.
    pub(crate) fn skip_pause(&mut self) {
        if self.gate == Gate::Paused {
            self.gate = Gate::Open;
        }
        if let Some(outbox) = &mut self.outbox {
            outbox.skip_pause();
        }
    }

    /// Whether it would have less waiting if it was too slow: a subscriber, or a client that reads
    /// an answer. A WebSocket that has said its close has nothing left that could be dropped.
    pub(crate) fn can_be_cut_off(&self) -> bool {
        self.membership.is_some() || self.reads.is_none()
    }

    /// Whether it gets publications one behind the other, and not in one answer.
    pub(crate) fn is_sent_each(&self) -> bool {
        !matches!(self.reads, None | Some(Reader::Held))
    }

    /// Puts bytes behind all that wait.
    pub(crate) fn push(&mut self, charged: ChargedChunk, start: u32) {
        self.outbox.get_or_insert_default().push(charged, start);
    }

    /// Notes what became of bytes that the driver was offered, now or when it answers for those
    /// that were in flight.
    #[inline]
    pub(crate) fn took(&mut self, status: SendStatus, offered: usize) -> Took {
        let (sent, is_short) = match status {
            SendStatus::Sent(bytes) => {
                let is_short = bytes < offered;
                let gate = if is_short { Gate::Blocked } else { Gate::Open };
                // Mostly it is so already, and the fan-out leaves every line clean that it can.
                if self.gate != gate {
                    self.gate = gate;
                }
                (Some(bytes), is_short)
            }
            SendStatus::Pending => {
                self.in_flight = u32::try_from(offered).unwrap_or(u32::MAX);
                (None, true)
            }
            SendStatus::Gone => (None, false),
        };
        Took { sent, is_short }
    }

    /// Forgets bytes that the system took, and the outbox with the last one. Says whether a pause
    /// is behind them, which the caller begins.
    #[must_use]
    pub(crate) fn advance(&mut self, bytes: usize) -> bool {
        let Some(outbox) = &mut self.outbox else {
            return false;
        };
        let before = outbox.is_before_pause();
        outbox.advance(bytes);
        let pauses = before && !outbox.is_before_pause();
        if outbox.is_empty() {
            self.outbox = None;
        }
        pauses
    }

    /// When something has to be done about it if nothing happens before.
    pub(crate) fn deadline(&self) -> Time {
        match self.state {
            ConnectionState::Open => self.session.deadline(),
            ConnectionState::Finishing => self.finish_by,
            ConnectionState::Closed => Time::NEVER,
        }
    }
}
