//! One client of the generator and the connection that it has, if it has one.

use altavoz::base::{ConnId, Time};
use altavoz::io::Close;
use altavoz::wire::client::ResponseParser;
use altavoz::wire::message::Decoder;

use crate::base::num::id;

use super::outbox::Outbox;
use super::reader::Reader;

/// A client of a worker, by its place. Its connections come and go, and a driver knows each of
/// them by a [`ConnId`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub u32);

impl ClientId {
    /// The one in this place.
    #[must_use]
    pub fn at(place: usize) -> Self {
        Self(id(place))
    }

    /// Its place as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a client is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientKind {
    /// It is in the ledger.
    Subscriber,
    /// It asks and is answered, and no publication is its business.
    Asker,
    /// It subscribes and does not read.
    Slow,
    /// It is only there.
    Crowd,
    /// It publishes on a WebSocket; what it receives itself is not measured.
    Publisher,
    /// It publishes by POST.
    Poster,
}

impl ClientKind {
    /// Whether its traffic is its arm's.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Subscriber | Self::Asker | Self::Crowd)
    }

    /// Whether it publishes.
    #[must_use]
    pub const fn is_publisher(self) -> bool {
        matches!(self, Self::Publisher | Self::Poster)
    }
}

/// Where a connection is in its life.
#[derive(Debug)]
pub enum ConnectionState {
    /// Not begun, or over.
    Idle,
    /// Waits for TCP.
    Connecting,
    /// Waits for 101.
    Upgrading(Box<ResponseParser>),
    /// A WebSocket, with what of a message has arrived.
    Socket(Decoder),
    /// It reads over plain HTTP.
    Reading,
    /// An HTTP connection that publishes.
    Posting,
    /// We or the server have ended it; `Closed` follows.
    Closing,
}

/// One client; under 100 bytes while nothing is under way, and as much again if it reads over
/// plain HTTP.
#[derive(Debug)]
pub struct Connection {
    /// What it is there for.
    pub kind: ClientKind,
    /// Which arm of the plan it belongs to.
    pub arm: u8,
    /// Whether the client came in and is not gone. One that polls is there between connections.
    pub is_in: bool,
    /// Whether it has vanished without a word: it reads on, and answers nothing.
    pub is_mute: bool,
    /// Whether TCP was asked what it counted on this connection.
    pub is_seen: bool,
    /// Where it is in its life.
    pub state: ConnectionState,
    /// How many connections were in this place before.
    pub generation: u32,
    /// Which topic of the plan.
    pub topic: u32,
    /// When the attempt began, and then when its request was due.
    pub since: Time,
    /// When TCP was there; of a poll that is owed, when it was due.
    pub tcp_since: Time,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// How the connection is to be ended when all is out.
    pub ending: Option<Close>,
    /// What it reads over plain HTTP, and how far it is.
    pub reader: Option<Box<Reader>>,
}

const _: () = assert!(size_of::<Connection>() <= 96, "kept for every client");

impl Connection {
    /// One that is not begun.
    #[must_use]
    pub fn new(kind: ClientKind, arm: u8, topic: u32) -> Self {
        Self {
            kind,
            arm,
            is_in: false,
            is_mute: false,
            is_seen: false,
            state: ConnectionState::Idle,
            generation: 0,
            topic,
            since: Time::ZERO,
            tcp_since: Time::ZERO,
            outbox: Outbox::default(),
            ending: None,
            reader: None,
        }
    }

    /// Its name at the driver.
    #[must_use]
    pub fn id(&self, client: ClientId) -> ConnId {
        ConnId {
            slot: client.0,
            generation: self.generation,
        }
    }

    /// Whether an attempt to come in is under way.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        !self.is_in
            && matches!(
                self.state,
                ConnectionState::Connecting
                    | ConnectionState::Upgrading(_)
                    | ConnectionState::Reading
            )
    }

    /// Makes the place ready for another connection. A client that is still there knows where it
    /// was.
    pub fn reset(&mut self) {
        self.generation = self.generation.wrapping_add(1) % (u32::MAX - 1);
        self.state = ConnectionState::Idle;
        self.outbox = Outbox::default();
        self.ending = None;
        self.is_seen = false;
        self.is_mute = false;
        match &mut self.reader {
            Some(reader) if self.is_in => reader.reconnect(),
            _ => self.reader = None,
        }
    }
}
