//! All that happened in a simulated network, as one number.
//!
//! Two runs with the same number gave the same bytes to the same ends at the same moments, so a
//! change that means to move code and nothing else can be held to that.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::link::{LinkId, SimLink};
use crate::base::Time;

/// A running hash of what happens.
#[derive(Clone, Debug, Default)]
pub(super) struct RunHistory(SipHasher13);

impl RunHistory {
    /// Something happens at a driver's end: its kind is told by a number.
    pub(super) fn happens(&mut self, now: Time, kind: u8, id: LinkId) {
        self.0.write_u64(now.as_nanos());
        self.0.write_u8(kind);
        self.0.write_usize(id.0);
    }

    /// So many bytes reach a peer, or the end does if nothing is on its way.
    pub(super) fn arrives(&mut self, now: Time, id: LinkId, link: &SimLink, count: usize) {
        self.happens(now, u8::MAX, id);
        let (front, back) = link.outbound.as_slices();
        let of_front = count.min(front.len());
        self.0.write(&front[..of_front]);
        self.0.write(&back[..(count - of_front).min(back.len())]);
        self.0.write_usize(count);
    }

    /// The number so far.
    pub(super) fn digest(&self) -> u64 {
        self.0.finish()
    }
}
