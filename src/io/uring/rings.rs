//! [`Rings`]: all rings of a driver, the choice between them, and the one wait for all.
//!
//! A table of descriptors holds no more than the process may have open, but each ring has one of
//! its own: so a driver makes another ring when the tables of the others are nearly full. It waits
//! on a single ring directly; several ring a bell each, in one epoll.
//!
//! Trap: the waker's eventfd is in that epoll itself. It is polled by the first ring too, but where
//! one eventfd (the waker's) leads to another (the ring's bell), the kernel rings that later, and
//! does so only once: from the second time on the wake would be lost.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{EventfdFlags, eventfd};

use super::super::driver::Tables;
use super::options::RingSize;
use super::ring::Ring;
use super::scarcity::Scarcity;

/// The most rings of a driver: a connection names its ring by one byte.
const RINGS_MAX: usize = 256;

/// Where the next connection can be accepted.
pub(super) enum RingRoom {
    /// As many as come.
    Many(u8),
    /// One.
    One(u8),
    /// Every table is full.
    None,
}

/// The rings of a driver.
pub(super) struct Rings {
    list: Vec<Ring>,
    size: RingSize,
    /// How many there may be.
    max: usize,
    /// The waker's eventfd.
    wakes: RawFd,
    /// What several rings are waited for with.
    epoll: Option<(Poll, Events)>,
}

impl Rings {
    /// One ring; up to `max` when there is need for them. `wakes` is what the waker writes to.
    pub(super) fn new(size: RingSize, max: usize, wakes: RawFd) -> io::Result<Self> {
        Ok(Self {
            list: vec![Ring::new(size)?],
            size,
            max: max.clamp(1, RINGS_MAX),
            wakes,
            epoll: None,
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The ring with that number, which has to be there.
    pub(super) fn at(&mut self, ring: u8) -> &mut Ring {
        &mut self.list[usize::from(ring)]
    }

    fn number(at: usize) -> u8 {
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    fn roomiest(&self) -> Option<u8> {
        let rings = self.list.iter().enumerate();
        let roomiest = rings.max_by_key(|(_, ring)| ring.places.room());
        roomiest.map(|(at, _)| Self::number(at))
    }

    /// Where to accept; makes a ring if that helps.
    ///
    /// # Errors
    /// When a ring is needed and the system gives none.
    pub(super) fn room(&mut self) -> io::Result<RingRoom> {
        let Some(roomiest) = self.roomiest() else {
            return Ok(RingRoom::None);
        };
        if self.at(roomiest).places.has_margin() {
            return Ok(RingRoom::Many(roomiest));
        }
        if self.list.len() < self.max && self.size.files > self.size.margin() {
            return Ok(RingRoom::Many(self.grow()?));
        }
        if self.at(roomiest).places.room() > 0 {
            return Ok(RingRoom::One(roomiest));
        }
        if self.list.len() < self.max {
            return Ok(RingRoom::One(self.grow()?));
        }
        Ok(RingRoom::None)
    }

    /// A ring with a place to put a descriptor in.
    ///
    /// # Errors
    /// When every table is full, or a ring is needed and the system gives none.
    pub(super) fn with_place(&mut self) -> io::Result<u8> {
        match self.room()? {
            RingRoom::Many(ring) | RingRoom::One(ring) => Ok(ring),
            RingRoom::None => Err(full()),
        }
    }

    fn grow(&mut self) -> io::Result<u8> {
        let mut ring = Ring::new(self.size)?;
        if self.epoll.is_none() {
            let epoll = Poll::new()?;
            add(&epoll, self.wakes)?;
            give_bell(&mut self.list[0], &epoll)?;
            self.epoll = Some((epoll, Events::with_capacity(RINGS_MAX)));
        }
        if let Some((epoll, _)) = &self.epoll {
            give_bell(&mut ring, epoll)?;
        }
        self.list.push(ring);
        tracing::info!(
            rings = self.list.len(),
            "one more ring for more connections"
        );
        Ok(Self::number(self.list.len() - 1))
    }

    /// Hands over what is queued, of all rings.
    pub(super) fn submit(&mut self) {
        self.list.iter_mut().for_each(Ring::submit);
    }

    /// Hands over what is queued, and waits up to `timeout` (`None`: for ever) for completions.
    ///
    /// # Errors
    /// Only when a ring or epoll is broken.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.list.as_mut_slice() {
            [ring] if timeout != Some(Duration::ZERO) => ring.enter(1, timeout)?,
            [_] => {}
            _ => self.wait_for_several(timeout)?,
        }
        self.take_what_is_there()
    }

    fn wait_for_several(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.take_what_is_there()?;
        if timeout == Some(Duration::ZERO) || self.is_busy() {
            return Ok(());
        }
        let Some((epoll, events)) = &mut self.epoll else {
            return Ok(());
        };
        match epoll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Enters each ring that has something to do, until none has or a turn has enough to do.
    fn take_what_is_there(&mut self) -> io::Result<()> {
        for ring in &mut self.list {
            for _ in 0..ENTERS_PER_TURN_MAX {
                if !ring.has_work() {
                    break;
                }
                ring.enter(0, None)?;
            }
        }
        Ok(())
    }

    /// How many there are, and how many entries of theirs are in use.
    pub(super) fn tables(&self) -> Tables {
        let taken = self.list.iter().map(|ring| ring.places.taken() as usize);
        Tables {
            rings: self.list.len(),
            direct_descriptors: taken.sum(),
        }
    }

    /// How many bytes are left of sends that were told as sent.
    pub(super) fn held(&self) -> usize {
        self.list.iter().map(Ring::held).sum()
    }

    /// What was short so far, of all rings.
    pub(super) fn scarcity(&self) -> Scarcity {
        let each = self.list.iter().map(|ring| ring.scarcity);
        each.fold(Scarcity::default(), Scarcity::and)
    }

    /// Whether completions wait to be handed on.
    pub(super) fn is_busy(&self) -> bool {
        self.list.iter().any(|ring| ring.completions() > 0)
    }
}

/// Enters of one ring in one poll. The kernel does about twenty pieces of deferred work in each,
/// so that a turn handles some hundreds at most.
const ENTERS_PER_TURN_MAX: usize = 16;

fn give_bell(ring: &mut Ring, epoll: &Poll) -> io::Result<()> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    add(epoll, bell.as_raw_fd())?;
    ring.set_bell(bell)
}

/// Edge-triggered, so nobody has to read it.
fn add(epoll: &Poll, eventfd: RawFd) -> io::Result<()> {
    let registry = epoll.registry();
    registry.register(&mut SourceFd(&eventfd), Token(0), Interest::READABLE)
}

fn full() -> io::Error {
    io::Error::other("the tables of all rings are full")
}
