//! The simulated network: clock, chance, and what is due when.
//!
//! What concerns a driver waits in a queue of its own until its `poll`; what concerns peers
//! happens as time is advanced. Equal moments are ordered by chance.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use rustix::io::Errno;

use crate::base::{ConnId, ListenerId, Part, Time};
use crate::io::{Close, SendStatus};

use super::due::DueEvent;
use super::event::OwnedEvent;
use super::history::RunHistory;
use super::link::{LinkEnd, LinkId, Place, SimLink, offered};
use super::peer::SimPeer;
use super::profile::{Profile, chance};
use super::socket::SimSocket;

/// How long a listener rests after a simulated lack of descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What the virtual wall clock says when the other one says zero, since the beginning of 1970.
const WALL_BEGAN: Duration = Duration::from_secs(784_111_777);

/// A network that several drivers and their peers share; a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct SimNet(pub(super) Rc<RefCell<Net>>);

/// An address that drivers listen on; several may, then each connection goes to one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimListener(usize);

/// An address that drivers connect to; peers answer there, or nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimTarget(Option<usize>);

impl SimTarget {
    /// Where nobody listens: connections are refused.
    pub const NOBODY: Self = Self(None);
}

impl SimNet {
    /// A network without connections, at an arbitrary moment, that treats connections as
    /// `profile` says.
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self(Rc::new(RefCell::new(Net::new(seed, profile))))
    }

    /// The present moment of the virtual clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.borrow().now
    }

    /// The present moment of the virtual wall clock, since the beginning of 1970.
    #[must_use]
    pub fn wall(&self) -> Duration {
        WALL_BEGAN + self.now().since(Time::ZERO)
    }

    /// Lets time pass. What is due for drivers waits for their `poll`.
    pub fn advance(&self, by: Duration) {
        let mut net = self.0.borrow_mut();
        let until = net.now + by;
        net.run_until(until);
    }

    /// When something happens next; now or earlier if something is already due. `None`: nothing
    /// ever happens unless somebody does something.
    #[must_use]
    pub fn next_event(&self) -> Option<Time> {
        self.0.borrow_mut().next_event()
    }

    /// How the network treats connections that begin from now on.
    pub fn set_profile(&self, profile: Profile) {
        self.0.borrow_mut().profile = profile;
    }

    /// What every driver says that it holds from now on: what was told as sent is with the simulated
    /// system at once, so this is said for the sake of who asks.
    pub fn set_held(&self, bytes: usize) {
        self.0.borrow_mut().held = bytes;
    }

    /// A new address to listen on.
    #[must_use]
    pub fn listener(&self) -> SimListener {
        let mut net = self.0.borrow_mut();
        net.listeners.push(Vec::new());
        SimListener(net.listeners.len() - 1)
    }

    /// A new address that peers answer on; see [`SimNet::next_connected`].
    #[must_use]
    pub fn target(&self) -> SimTarget {
        let mut net = self.0.borrow_mut();
        net.targets.push(Vec::new());
        SimTarget(Some(net.targets.len() - 1))
    }

    /// The peer of the oldest connection to `target` that was not asked for yet.
    #[must_use]
    pub fn next_connected(&self, target: SimTarget) -> Option<SimPeer> {
        let mut net = self.0.borrow_mut();
        let waiting = net.targets.get_mut(target.0?)?;
        let link = (!waiting.is_empty()).then(|| waiting.remove(0))?;
        Some(SimPeer::new(self.clone(), link))
    }

    /// A peer connects; if nobody listens it finds itself reset.
    #[must_use]
    pub fn connect(&self, listener: SimListener) -> SimPeer {
        let link = self.0.borrow_mut().connect_peer(listener.0);
        SimPeer::new(self.clone(), link)
    }

    /// Connections whose end at a driver is not gone: in a backlog, accepted, open or closing.
    #[must_use]
    pub fn connections(&self) -> usize {
        let net = self.0.borrow();
        let alive = |link: &&SimLink| !matches!(link.end, LinkEnd::Gone);
        net.links.iter().filter(alive).count()
    }

    /// All that has happened so far as one number.
    #[must_use]
    pub fn history(&self) -> u64 {
        self.0.borrow().history.digest()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        self.0.borrow().counts
    }
}

/// How often chance has decided for the worse, so that a test can tell whether it was tried.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SimCounts {
    /// Sends that took less than they were offered.
    pub short_sends: u64,
    /// Sends that came back later.
    pub pending_sends: u64,
    /// Connections that ended without a close of the driver.
    pub resets: u64,
}

/// Moment, then chance, then the order of scheduling.
type DueKey = (Time, u32, u64);

/// A driver's side of the net.
#[derive(Debug)]
struct DriverDesk {
    due: BTreeMap<DueKey, DueEvent>,
    /// Connections by slot; the link knows the generation.
    slots: Vec<Option<LinkId>>,
    listeners: u16,
    woken: Arc<AtomicBool>,
}

/// All of the network.
#[derive(Debug)]
pub(super) struct Net {
    now: Time,
    rng: Rng,
    profile: Profile,
    links: Vec<SimLink>,
    desks: Vec<DriverDesk>,
    /// Who listens, by address.
    listeners: Vec<Vec<(usize, ListenerId)>>,
    /// Peers nobody asked for, by address.
    targets: Vec<Vec<LinkId>>,
    /// Accepted sockets that are not opened.
    loose: Vec<LinkId>,
    /// What happens at the peers' ends.
    due: BTreeMap<DueKey, DueEvent>,
    scheduled: u64,
    /// What drivers say that they hold.
    pub(super) held: usize,
    counts: SimCounts,
    history: RunHistory,
}

impl Net {
    fn new(seed: u64, profile: Profile) -> Self {
        Self {
            now: Time::from_nanos(1_000_000_000),
            rng: Rng::with_seed(seed),
            profile,
            links: Vec::new(),
            desks: Vec::new(),
            listeners: Vec::new(),
            targets: Vec::new(),
            loose: Vec::new(),
            due: BTreeMap::new(),
            scheduled: 0,
            held: 0,
            counts: SimCounts::default(),
            history: RunHistory::default(),
        }
    }

    pub(super) fn add_driver(&mut self) -> (usize, Arc<AtomicBool>) {
        let woken = Arc::new(AtomicBool::new(false));
        self.desks.push(DriverDesk {
            due: BTreeMap::new(),
            slots: Vec::new(),
            listeners: 0,
            woken: woken.clone(),
        });
        (self.desks.len() - 1, woken)
    }

    pub(super) fn listen(&mut self, driver: usize, listener: SimListener) -> ListenerId {
        let desk = &mut self.desks[driver];
        let id = ListenerId(desk.listeners);
        desk.listeners += 1;
        self.listeners[listener.0].push((driver, id));
        id
    }

    pub(super) fn stop_listening(&mut self, driver: usize) {
        for listening in &mut self.listeners {
            listening.retain(|(d, _)| *d != driver);
        }
        let links = &mut self.links;
        self.desks[driver].due.retain(|_, due| {
            let DueEvent::Accept(_, id) = due else {
                return true;
            };
            links[id.0].cut();
            links[id.0].end = LinkEnd::Gone;
            false
        });
    }

    fn connect_peer(&mut self, listener: usize) -> LinkId {
        let id = self.begin(LinkEnd::Backlog);
        let listening = &self.listeners[listener];
        if listening.is_empty() {
            self.links[id.0].cut();
            self.links[id.0].end = LinkEnd::Gone;
            return id;
        }
        let (driver, listener) = listening[self.rng.usize(..listening.len())];
        self.schedule_for(driver, id, DueEvent::Accept(listener, id));
        id
    }

    /// A new link, which the network may already mean to reset.
    fn begin(&mut self, end: LinkEnd) -> LinkId {
        let id = LinkId(self.links.len());
        self.links.push(SimLink::new(self.profile.clone(), end));
        id
    }

    pub(super) fn connect(&mut self, driver: usize, id: ConnId, target: SimTarget) {
        let place = Place { driver, id };
        let link = self.begin(LinkEnd::Connecting(place));
        self.occupy(place, link);
        match target.0 {
            Some(target) => {
                self.targets[target].push(link);
                self.schedule_for(driver, link, DueEvent::Connected(link));
            }
            None => self.break_link(link, io::ErrorKind::ConnectionRefused),
        }
    }

    pub(super) fn open(&mut self, driver: usize, id: ConnId, link: LinkId) {
        let place = Place { driver, id };
        self.loose.retain(|l| *l != link);
        self.links[link.0].end = LinkEnd::Open(place);
        self.occupy(place, link);
        self.opened(link);
        if self.links[link.0].broken.is_some() {
            self.schedule_for(driver, link, DueEvent::Broken(link));
        }
    }

    fn occupy(&mut self, place: Place, link: LinkId) {
        let slots = &mut self.desks[place.driver].slots;
        if slots.len() <= place.id.index() {
            slots.resize(place.id.index() + 1, None);
        }
        let slot = &mut slots[place.id.index()];
        debug_assert!(slot.is_none(), "slot used before its Closed");
        *slot = Some(link);
    }

    /// What follows when a driver's end is there.
    fn opened(&mut self, id: LinkId) {
        let link = &self.links[id.0];
        if let Some((place, after)) = link.open().zip(link.profile.reset_after(&mut self.rng)) {
            let at = self.now + after;
            self.schedule_at(at, Some(place.driver), DueEvent::Broken(id));
        }
        self.kick_delivery(id);
    }

    /// The link of a connection, if it is open and not broken.
    fn live(&self, driver: usize, id: ConnId) -> Option<LinkId> {
        let link = self.find(driver, id)?;
        self.links[link.0].open().map(|_| link)
    }

    /// The link of a connection whose `Closed` is not handed out.
    fn find(&self, driver: usize, id: ConnId) -> Option<LinkId> {
        let link = (*self.desks[driver].slots.get(id.index())?)?;
        let place = self.links[link.0].place()?;
        (place.id == id).then_some(link)
    }

    pub(super) fn send(&mut self, driver: usize, id: ConnId, parts: &[Part]) -> SendStatus {
        let Some(link) = self.live(driver, id) else {
            return SendStatus::Gone;
        };
        let end = &mut self.links[link.0];
        debug_assert!(end.pending.is_none(), "send before Sent");
        debug_assert!(!end.blocked, "send before Writable");
        debug_assert!(offered(parts) > 0, "send of nothing");
        if end.outbound_fin {
            self.break_link(link, io::ErrorKind::BrokenPipe);
            return SendStatus::Gone;
        }
        if chance(&mut self.rng, end.profile.pending_sends_percent) {
            end.pending = Some(parts.to_vec());
            self.counts.pending_sends += 1;
            self.schedule_for(driver, link, DueEvent::Complete(link));
            return SendStatus::Pending;
        }
        SendStatus::Sent(self.take(link, parts))
    }

    /// Takes of a send what chance and the window allow.
    fn take(&mut self, id: LinkId, parts: &[Part]) -> usize {
        let link = &mut self.links[id.0];
        let offered = offered(parts);
        let room = link.room().min(offered);
        let taken = link.profile.taken(&mut self.rng, room);
        link.put(parts, taken);
        link.blocked = taken < offered;
        self.counts.short_sends += u64::from(link.blocked);
        self.kick_arrival(id);
        self.kick_writable(id);
        taken
    }

    pub(super) fn receive(&mut self, driver: usize, id: ConnId, on: bool) {
        if let Some(link) = self.live(driver, id) {
            self.links[link.0].paused = !on;
            self.kick_delivery(link);
        }
    }

    pub(super) fn shutdown_write(&mut self, driver: usize, id: ConnId) {
        if let Some(link) = self.live(driver, id) {
            self.links[link.0].outbound_fin = true;
            self.kick_arrival(link);
        }
    }

    pub(super) fn close(&mut self, driver: usize, id: ConnId, how: Close) {
        let Some(id) = self.find(driver, id) else {
            return;
        };
        let link = &mut self.links[id.0];
        let (LinkEnd::Open(place) | LinkEnd::Connecting(place)) = link.end else {
            return;
        };
        if link.broken.is_some() {
            return;
        }
        link.end = LinkEnd::Closing(place);
        match how {
            Close::Graceful => link.outbound_fin = true,
            Close::Reset => link.cut(),
        }
        self.schedule_for(driver, id, DueEvent::Closed(id));
        self.kick_arrival(id);
    }

    pub(super) fn unsent(&self, driver: usize, id: ConnId) -> usize {
        let link = self.live(driver, id);
        link.map_or(0, |link| self.links[link.0].outbound.len())
    }

    /// The number of the link of a connection that is not gone.
    pub(super) fn link_number(&self, driver: usize, id: ConnId) -> Option<usize> {
        self.live(driver, id).map(|link| link.0)
    }

    pub(super) fn link(&self, id: LinkId) -> &SimLink {
        &self.links[id.0]
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> &mut SimLink {
        &mut self.links[id.0]
    }

    /// The peer cuts the connection.
    pub(super) fn reset_by_peer(&mut self, id: LinkId) {
        let link = &mut self.links[id.0];
        if link.peer_reset {
            return;
        }
        link.cut();
        self.break_link(id, io::ErrorKind::ConnectionReset);
    }

    /// The connection is lost; its `Closed` follows if there is a connection at the driver.
    fn break_link(&mut self, id: LinkId, why: io::ErrorKind) {
        let link = &mut self.links[id.0];
        link.cut();
        if link.broken.is_some() {
            return;
        }
        match link.end {
            LinkEnd::Open(place) | LinkEnd::Connecting(place) => {
                link.broken = Some(why);
                self.schedule_for(place.driver, id, DueEvent::Broken(id));
            }
            LinkEnd::Backlog | LinkEnd::Accepted(_) => link.broken = Some(why),
            LinkEnd::Closing(_) | LinkEnd::Gone => {}
        }
    }

    pub(super) fn kick_delivery(&mut self, id: LinkId) {
        let link = &mut self.links[id.0];
        if let Some(place) = link.open()
            && link.has_delivery()
            && !link.deliver_scheduled
        {
            link.deliver_scheduled = true;
            self.schedule_for(place.driver, id, DueEvent::Deliver(id));
        }
    }

    fn kick_arrival(&mut self, id: LinkId) {
        let link = &mut self.links[id.0];
        if link.has_arrival() && !link.arrive_scheduled {
            link.arrive_scheduled = true;
            let at = self.now + self.links[id.0].profile.delay(&mut self.rng);
            self.schedule_at(at, None, DueEvent::Arrive(id));
        }
    }

    pub(super) fn kick_writable(&mut self, id: LinkId) {
        let link = &mut self.links[id.0];
        if let Some(place) = link.open()
            && link.blocked
            && link.room() > 0
            && !link.writable_scheduled
        {
            link.writable_scheduled = true;
            self.schedule_for(place.driver, id, DueEvent::Writable(id));
        }
    }

    /// Schedules for a driver, after a delay of the link's own.
    fn schedule_for(&mut self, driver: usize, link: LinkId, due: DueEvent) {
        let at = self.now + self.links[link.0].profile.delay(&mut self.rng);
        self.schedule_at(at, Some(driver), due);
    }

    fn schedule_at(&mut self, at: Time, driver: Option<usize>, due: DueEvent) {
        self.scheduled += 1;
        let key = (at, self.rng.u32(..), self.scheduled);
        let queue = match driver {
            Some(driver) => &mut self.desks[driver].due,
            None => &mut self.due,
        };
        queue.insert(key, due);
    }

    fn next_event(&mut self) -> Option<Time> {
        self.end_dropped_sockets();
        // Pairs with the release in `SimWaker::wake`.
        let woken = |desk: &DriverDesk| desk.woken.load(Ordering::Acquire);
        if self.desks.iter().any(woken) {
            return Some(self.now);
        }
        let queues = self.desks.iter().map(|d| &d.due).chain([&self.due]);
        queues
            .filter_map(|queue| queue.first_key_value())
            .map(|(key, _)| key.0)
            .min()
    }

    /// Lets happen at the peers' ends what is due, each at its moment.
    fn run_until(&mut self, until: Time) {
        self.end_dropped_sockets();
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= until
        {
            let ((at, ..), due) = entry.remove_entry();
            self.now = self.now.max(at);
            if let DueEvent::Arrive(id) = due {
                self.arrive(id);
            }
        }
        self.now = self.now.max(until);
    }

    fn arrive(&mut self, id: LinkId) {
        let link = &mut self.links[id.0];
        link.arrive_scheduled = false;
        if link.has_arrival() {
            let count = link.profile.segment(&mut self.rng, link.outbound.len());
            self.history.arrives(self.now, id, link, count);
            link.arrive(count);
            self.kick_writable(id);
            self.kick_arrival(id);
        }
    }

    /// A socket that was accepted and dropped is closed.
    fn end_dropped_sockets(&mut self) {
        let links = &mut self.links;
        let mut dropped = Vec::new();
        self.loose.retain(|id| {
            let alive = match &links[id.0].end {
                LinkEnd::Accepted(socket) => socket.strong_count() > 0,
                _ => false,
            };
            if !alive {
                dropped.push(*id);
            }
            alive
        });
        for id in dropped {
            let link = &mut self.links[id.0];
            link.end = LinkEnd::Gone;
            link.outbound_fin = true;
            self.kick_arrival(id);
        }
    }

    /// What the driver hands out next, if anything is due; `first` in its poll or not.
    pub(super) fn next_happening(&mut self, driver: usize, first: bool) -> Option<OwnedEvent> {
        if first {
            let now = self.now;
            self.run_until(now);
            // Acquire pairs with the release in `SimWaker::wake`.
            if self.desks[driver].woken.swap(false, Ordering::AcqRel) {
                return Some(OwnedEvent::Woken);
            }
        } else if chance(&mut self.rng, self.profile.early_returns_percent) {
            return None;
        }
        while let Some(entry) = self.desks[driver].due.first_entry()
            && entry.key().0 <= self.now
        {
            let due = entry.remove();
            if let Some(happening) = self.happen(driver, due) {
                return Some(happening);
            }
        }
        None
    }

    fn happen(&mut self, driver: usize, due: DueEvent) -> Option<OwnedEvent> {
        let (kind, link) = due.told();
        self.history.happens(self.now, kind, link);
        match due {
            DueEvent::Accept(listener, id) => self.accept(driver, listener, id),
            DueEvent::Connected(id) => self.connected(id),
            DueEvent::Deliver(id) => self.deliver(id),
            DueEvent::Complete(id) => self.complete(id),
            DueEvent::Writable(id) => self.writable(id),
            DueEvent::Broken(id) => self.broken(id),
            DueEvent::Closed(id) => self.closed(id, None),
            DueEvent::Arrive(_) => None,
        }
    }

    fn accept(&mut self, driver: usize, listener: ListenerId, id: LinkId) -> Option<OwnedEvent> {
        let percent = self.links[id.0].profile.failed_accepts_percent;
        if chance(&mut self.rng, percent) {
            // Once a link: the next try is not left to chance again.
            self.links[id.0].profile.failed_accepts_percent = 0;
            let at = self.now + ACCEPT_RETRY;
            self.schedule_at(at, Some(driver), DueEvent::Accept(listener, id));
            return Some(OwnedEvent::AcceptFailed(listener, Errno::MFILE.into()));
        }
        let alive = Arc::new(());
        self.links[id.0].end = LinkEnd::Accepted(Arc::downgrade(&alive));
        self.loose.push(id);
        Some(OwnedEvent::Accepted(listener, SimSocket::new(id, alive)))
    }

    fn connected(&mut self, id: LinkId) -> Option<OwnedEvent> {
        let link = &mut self.links[id.0];
        let LinkEnd::Connecting(place) = link.end else {
            return None;
        };
        if link.broken.is_some() {
            return None;
        }
        link.end = LinkEnd::Open(place);
        self.opened(id);
        Some(OwnedEvent::Connected(place.id))
    }

    fn deliver(&mut self, id: LinkId) -> Option<OwnedEvent> {
        let link = &mut self.links[id.0];
        link.deliver_scheduled = false;
        let place = link.open().filter(|_| link.has_delivery())?;
        if link.inbound.is_empty() {
            link.eof = true;
            return Some(OwnedEvent::Eof(place.id));
        }
        let count = link.profile.segment(&mut self.rng, link.inbound.len());
        let bytes = link.inbound.drain(..count).collect();
        self.kick_delivery(id);
        Some(OwnedEvent::Received(place.id, bytes))
    }

    fn complete(&mut self, id: LinkId) -> Option<OwnedEvent> {
        let place = self.links[id.0].open()?;
        let parts = self.links[id.0].pending.take()?;
        let taken = self.take(id, &parts);
        Some(OwnedEvent::Sent(place.id, taken))
    }

    fn writable(&mut self, id: LinkId) -> Option<OwnedEvent> {
        let link = &mut self.links[id.0];
        link.writable_scheduled = false;
        let place = link.open()?;
        link.blocked = false;
        Some(OwnedEvent::Writable(place.id))
    }

    /// The connection's end without a `close`: noticed by the system, or now made by chance.
    fn broken(&mut self, id: LinkId) -> Option<OwnedEvent> {
        let link = &mut self.links[id.0];
        if matches!(link.end, LinkEnd::Closing(_)) {
            return None;
        }
        link.cut();
        self.counts.resets += 1;
        let why = self.links[id.0]
            .broken
            .unwrap_or(io::ErrorKind::ConnectionReset);
        self.closed(id, Some(why))
    }

    fn closed(&mut self, id: LinkId, why: Option<io::ErrorKind>) -> Option<OwnedEvent> {
        let link = &mut self.links[id.0];
        let place = link.place()?;
        if let Some(parts) = link.pending.take() {
            // What the system had in hand when we closed may be out, all or in part.
            let room = link.room().min(offered(&parts));
            let taken = self.rng.usize(0..=room);
            if !link.peer_reset {
                link.put(&parts, taken);
            }
        }
        link.end = LinkEnd::Gone;
        self.desks[place.driver].slots[place.id.index()] = None;
        self.kick_arrival(id);
        Some(OwnedEvent::Closed(place.id, why))
    }
}
