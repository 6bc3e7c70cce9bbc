//! The loop of plain `send`s, over epoll.
//!
//! Every message that arrives on any connection goes to every open connection: one frame, made
//! once, and a `send` a connection. No topics, no outbox, no timers, no second thread:
//! where a socket takes nothing the message is lost to it, and where it takes a part the
//! connection is closed. What it costs is what the system calls cost.

use std::io;
use std::os::fd::OwnedFd;

use altavoz::wire::frame::{Opcode, encode};
use altavoz::wire::http::HeadParser;
use altavoz::wire::message::{Decoder, Incoming, MessageLimits, Role};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags};

use super::upgrade::{HEAD_LIMITS, upgrade};

/// The listener's name in epoll; connections are named by their place.
const LISTENER: u64 = u64::MAX;

const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 16 * 1024 * 1024,
    fragments_max: 1024,
};

/// Serves until it is killed.
pub(super) fn serve(listener: OwnedFd) -> io::Result<()> {
    let mut bare = Bare::new(listener)?;
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(
            &bare.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        ) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => bare.accept(),
                place => bare.read(usize::try_from(place).unwrap_or(usize::MAX)),
            }
        }
    }
}

struct Bare {
    epoll: OwnedFd,
    listener: OwnedFd,
    conns: Vec<Option<BareConnection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    frame: Vec<u8>,
}

struct BareConnection {
    fd: OwnedFd,
    /// What reads the request; `None` once it was answered.
    head: Option<HeadParser>,
    decoder: Decoder,
}

impl Bare {
    fn new(listener: OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Self {
            epoll,
            listener,
            conns: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; 256 * 1024],
            frame: Vec::new(),
        })
    }

    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok(fd) = net::accept_with(&self.listener, flags) {
            let place = self.free.pop().unwrap_or(self.conns.len());
            let data = EventData::new_u64(place as u64);
            if epoll::add(&self.epoll, &fd, data, EventFlags::IN).is_err() {
                continue;
            }
            let conn = Some(BareConnection {
                fd,
                head: Some(HeadParser::new()),
                decoder: Decoder::default(),
            });
            match self.conns.get_mut(place) {
                Some(free) => *free = conn,
                None => self.conns.push(conn),
            }
        }
    }

    fn read(&mut self, place: usize) {
        let Some(Some(conn)) = self.conns.get_mut(place) else {
            return;
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let is_fine = match net::recv(&conn.fd, &mut buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => false,
            Ok((count, _)) => self.handle_bytes(place, &mut buffer[..count]).is_some(),
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        };
        self.buffer = buffer;
        if !is_fine {
            self.close(place);
        }
    }

    /// `None` ends the connection.
    fn handle_bytes(&mut self, place: usize, mut bytes: &mut [u8]) -> Option<()> {
        let conn = self.conns[place].as_mut()?;
        if let Some(parser) = &mut conn.head {
            // A client waits for the answer before its first frame, so the head comes alone.
            if let Some(head) = parser.handle_bytes(&HEAD_LIMITS, bytes).ok()?.head {
                let answer = upgrade(&head).ok()?;
                net::send(&conn.fd, &answer, SendFlags::NOSIGNAL).ok()?;
                conn.head = None;
            }
            return Some(());
        }
        while !bytes.is_empty() {
            let conn = self.conns[place].as_mut()?;
            let step = conn
                .decoder
                .handle_bytes(Role::Server, &LIMITS, bytes)
                .ok()?;
            let consumed = step.consumed;
            self.frame.clear();
            match step.incoming {
                Some(Incoming::Text(text)) => {
                    encode(&mut self.frame, Opcode::Text, text.as_bytes());
                }
                Some(Incoming::Binary(binary)) => encode(&mut self.frame, Opcode::Binary, &binary),
                Some(Incoming::Close(_)) => return None,
                Some(Incoming::Ping(_) | Incoming::Pong(_)) | None => {}
            }
            if !self.frame.is_empty() {
                self.broadcast();
            }
            bytes = &mut bytes[consumed..];
        }
        Some(())
    }

    /// The loop that is measured.
    fn broadcast(&mut self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let mut broken = Vec::new();
        for (place, conn) in self.conns.iter().enumerate() {
            let Some(conn) = conn.as_ref().filter(|conn| conn.head.is_none()) else {
                continue;
            };
            match net::send(&conn.fd, &self.frame, flags) {
                Ok(count) if count == self.frame.len() => {}
                Err(Errno::AGAIN) => {}
                Ok(_) | Err(_) => broken.push(place),
            }
        }
        broken.into_iter().for_each(|place| self.close(place));
    }

    fn close(&mut self, place: usize) {
        if self.conns[place].take().is_some() {
            self.free.push(place);
        }
    }
}
