//! Sends by io_uring: direct descriptors, some hundreds handed over in one system call.
//!
//! Whoever asks for a WebSocket is a subscriber and is not read any more. The body of a `POST`
//! goes to every subscriber: one frame, made once, and a send each. The answer comes when the last
//! of them was handed over. Where a socket takes nothing the message is lost to it, and where it
//! takes a part the connection is closed.
//!
//! The kernel allows a table of descriptors as many as the process may have open, so there are as
//! many rings as are needed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use altavoz::base::clock;
use altavoz::wire::frame::{Opcode, encode};
use altavoz::wire::http::{BodyReader, Date, Framing, HeadParser, HttpError, Response, Version};
use io_uring::types::{DestinationSlot, Fd, Fixed};
use io_uring::{IoUring, opcode, squeue};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde_json::json;

use super::upgrade::{HEAD_LIMITS, upgrade};

/// Sends in one system call.
const SUBMISSIONS: u32 = 256;
/// Only sends that fail have a completion.
const COMPLETIONS: u32 = 4096;
/// Descriptors in a table, whatever the process may have: eight bytes each are taken at once.
const FILES_MAX: u64 = 1 << 18;
/// Bytes of a request that are read at once.
const READ_BYTES: u32 = 4096;
/// The longest body of a `POST`, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Names of operations; a request's are its place.
const ACCEPT: u64 = u64::MAX;
const CLOSE: u64 = u64::MAX - 1;
/// With the place in the table in the lower half.
const BROADCAST: u64 = 1 << 32;

/// `MSG_DONTWAIT`: it is over when the call returns. `MSG_WAITALL`: one that goes out in part is
/// no success, which would be silent.
const SEND_FLAGS: i32 =
    (SendFlags::DONTWAIT.bits() | SendFlags::NOSIGNAL.bits() | RecvFlags::WAITALL.bits())
        .cast_signed();

/// Serves until it is killed.
pub(super) fn serve(listener: OwnedFd) -> io::Result<()> {
    // For ever: the kernel reads and writes what requests own.
    let bare = Box::leak(Box::new(Bare::new(listener)?));
    let mut events = Vec::with_capacity(64);
    loop {
        bare.work()?;
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&bare.epoll, room, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

struct Bare {
    epoll: OwnedFd,
    listener: OwnedFd,
    rings: Vec<Ring>,
    requests: Vec<Option<Request>>,
    free: Vec<usize>,
    frame: Vec<u8>,
}

struct Ring {
    uring: IoUring,
    files: u32,
    taken: u32,
    /// Places in the table.
    subscribers: Vec<u32>,
    /// Names and results of what is over and not handled yet.
    over: Vec<(u64, i32)>,
    /// Rings when there is something to do.
    _bell: OwnedFd,
}

/// A connection that is not a subscriber, yet.
struct Request {
    ring: usize,
    file: u32,
    head: HeadParser,
    /// What reads the body of a request whose head has come.
    body: Option<BodyReader>,
    /// What has come and was not read.
    bytes: Vec<u8>,
    buffer: Box<[u8; READ_BYTES as usize]>,
    /// What is being sent; empty while something is received.
    answer: Vec<u8>,
    is_subscriber: bool,
}

/// What a request asks for.
enum Asked {
    /// To be a subscriber, which this is the answer to.
    Upgrade(Vec<u8>),
    Broadcast(Vec<u8>),
}

impl Bare {
    fn new(listener: OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut bare = Self {
            rings: vec![Ring::new(&epoll)?],
            epoll,
            listener,
            requests: Vec::new(),
            free: Vec::new(),
            frame: Vec::new(),
        };
        bare.accept();
        Ok(bare)
    }

    /// Does what there is to do, of all rings.
    fn work(&mut self) -> io::Result<()> {
        for at in 0..self.rings.len() {
            while self.rings[at].has_work() {
                for (name, result) in self.rings[at].submit()? {
                    self.handle(at, name, result)?;
                }
            }
        }
        Ok(())
    }

    /// Accepts one, by the last ring.
    fn accept(&mut self) {
        let listener = Fd(self.listener.as_raw_fd());
        let accept = opcode::Accept::new(listener, std::ptr::null_mut(), std::ptr::null_mut());
        let accept = accept.file_index(Some(DestinationSlot::auto_target()));
        if let Some(ring) = self.rings.last_mut() {
            ring.push(&accept.build().user_data(ACCEPT));
        }
    }

    fn handle(&mut self, at: usize, name: u64, result: i32) -> io::Result<()> {
        match name {
            ACCEPT => self.accepted(at, result)?,
            CLOSE => self.rings[at].taken -= 1,
            name if name >= BROADCAST => self.lost(at, name, result),
            place => self.answer_or_read(usize::try_from(place).unwrap_or(usize::MAX), result),
        }
        Ok(())
    }

    fn accepted(&mut self, ring: usize, file: i32) -> io::Result<()> {
        if let Ok(file) = u32::try_from(file) {
            self.rings[ring].taken += 1;
            let request = Request {
                ring,
                file,
                head: HeadParser::new(),
                body: None,
                bytes: Vec::new(),
                buffer: Box::new([0; READ_BYTES as usize]),
                answer: Vec::new(),
                is_subscriber: false,
            };
            let place = self.free.pop().unwrap_or_else(|| {
                self.requests.push(None);
                self.requests.len() - 1
            });
            self.requests[place] = Some(request);
            self.read(place);
        }
        if self.rings[ring].taken == self.rings[ring].files {
            self.rings.push(Ring::new(&self.epoll)?);
        }
        self.accept();
        Ok(())
    }

    fn read(&mut self, place: usize) {
        let Some(Some(request)) = self.requests.get_mut(place) else {
            return;
        };
        let recv = opcode::Recv::new(Fixed(request.file), request.buffer.as_mut_ptr(), READ_BYTES);
        let recv = recv.build().user_data(place as u64);
        self.rings[request.ring].push(&recv);
    }

    /// An answer is out, or a part of a request has come.
    fn answer_or_read(&mut self, place: usize, result: i32) {
        let Some(Some(request)) = self.requests.get_mut(place) else {
            return;
        };
        let count = usize::try_from(result).unwrap_or(0);
        if request.answer.is_empty() {
            request.bytes.extend_from_slice(&request.buffer[..count]);
        } else if count == request.answer.len() {
            request.answer.clear();
            if request.is_subscriber {
                let (ring, file) = (request.ring, request.file);
                self.forget(place);
                self.rings[ring].subscribers.push(file);
                return;
            }
        }
        if count == 0 || !request.answer.is_empty() || self.serve_request(place).is_none() {
            self.close(place);
        }
    }

    /// Answers what has come, if it is whole; `None` if it makes no sense.
    fn serve_request(&mut self, place: usize) -> Option<()> {
        let request = self.requests.get_mut(place)?.as_mut()?;
        let (answer, is_subscriber) = match request.parse().ok()? {
            None => {
                self.read(place);
                return Some(());
            }
            Some(Asked::Upgrade(answer)) => (answer, true),
            Some(Asked::Broadcast(body)) => {
                self.frame.clear();
                encode(&mut self.frame, Opcode::Text, &body);
                let response = Response::json(200, &json!({"subscribers": self.broadcast()}));
                let mut answer = Vec::new();
                let date = Date::at(clock::unix());
                response.write(&mut answer, &date, false, true, Version::Http11);
                (answer, false)
            }
        };
        let request = self.requests[place].as_mut()?;
        request.is_subscriber = is_subscriber;
        request.answer = answer;
        let (bytes, len) = (request.answer.as_ptr(), request.answer.len());
        let send = opcode::Send::new(Fixed(request.file), bytes, u32::try_from(len).ok()?);
        let send = send.flags(SEND_FLAGS).build().user_data(place as u64);
        self.rings[request.ring].push(&send);
        Some(())
    }

    /// The loop that is measured.
    fn broadcast(&mut self) -> usize {
        let len = u32::try_from(self.frame.len()).unwrap_or(u32::MAX);
        let mut count = 0;
        for ring in &mut self.rings {
            for at in 0..ring.subscribers.len() {
                let file = ring.subscribers[at];
                let send = opcode::Send::new(Fixed(file), self.frame.as_ptr(), len);
                let send = send
                    .flags(SEND_FLAGS)
                    .build()
                    .flags(squeue::Flags::SKIP_SUCCESS)
                    .user_data(BROADCAST | u64::from(file));
                ring.push(&send);
            }
            count += ring.subscribers.len();
            ring.hand_over();
        }
        count
    }

    /// A broadcast that did not go out whole to one.
    fn lost(&mut self, at: usize, name: u64, result: i32) {
        let ring = &mut self.rings[at];
        let file = (name & (BROADCAST - 1)) as u32;
        let is_full = result == -Errno::AGAIN.raw_os_error();
        let place = ring.subscribers.iter().position(|&other| other == file);
        if let (false, Some(place)) = (is_full, place) {
            ring.subscribers.swap_remove(place);
            ring.close(file);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(Some(Request { ring, file, .. })) = self.requests.get(place) {
            self.rings[*ring].close(*file);
            self.forget(place);
        }
    }

    fn forget(&mut self, place: usize) {
        self.requests[place] = None;
        self.free.push(place);
    }
}

impl Request {
    /// What is asked for; `None` while it is not whole.
    fn parse(&mut self) -> Result<Option<Asked>, HttpError> {
        if self.body.is_none() {
            let step = self.head.handle_bytes(&HEAD_LIMITS, &self.bytes)?;
            self.bytes.drain(..step.consumed);
            let Some(head) = step.head else {
                return Ok(None);
            };
            match Framing::of(&head)? {
                Framing::None => {
                    return upgrade(&head).map(|answer| Some(Asked::Upgrade(answer)));
                }
                framing => self.body = Some(BodyReader::gather(framing, BODY_BYTES_MAX)?),
            }
        }
        if let Some(body) = &mut self.body {
            let step = body.handle_bytes(&self.bytes)?;
            self.bytes.drain(..step.consumed);
        }
        let body = self.body.take_if(|body| body.is_done());
        Ok(body.map(|body| Asked::Broadcast(body.into_body())))
    }
}

impl Ring {
    fn new(epoll: &OwnedFd) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let (limit, _) = altavoz::io::sys::descriptor_limits();
        let files = u32::try_from(limit.min(FILES_MAX)).unwrap_or(1);
        uring.submitter().register_files_sparse(files)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = EventData::new_u64(0);
        epoll::add(epoll, &bell, data, EventFlags::IN | EventFlags::ET)?;
        uring.submitter().register_eventfd(bell.as_raw_fd())?;
        Ok(Self {
            uring,
            files,
            taken: 0,
            subscribers: Vec::new(),
            over: Vec::new(),
            _bell: bell,
        })
    }

    fn has_work(&mut self) -> bool {
        let queue = self.uring.submission();
        let is_queued = !queue.is_empty() || queue.taskrun() || queue.cq_overflow();
        drop(queue);
        is_queued || !self.over.is_empty() || !self.uring.completion().is_empty()
    }

    /// Hands over what is queued; names and results of what is over.
    fn submit(&mut self) -> io::Result<Vec<(u64, i32)>> {
        self.enter()?;
        Ok(std::mem::take(&mut self.over))
    }

    /// Too many completions, which are taken in here, and interruptions are no errors.
    fn enter(&mut self) -> io::Result<()> {
        match self.uring.submit() {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let completions = self.uring.completion();
        self.over
            .extend(completions.map(|c| (c.user_data(), c.result())));
        Ok(())
    }

    /// Queues an operation, and hands over what is queued when there is no room.
    #[expect(unsafe_code, reason = "the kernel will use the memory that it names")]
    fn push(&mut self, operation: &squeue::Entry) {
        // SAFETY: what receives and answers need is never freed before they came back, and
        // broadcasts are over when they were handed over, before the frame changes.
        while unsafe { self.uring.submission().push(operation) }.is_err() {
            self.hand_over();
        }
    }

    /// Hands over all that is queued, again and again while the kernel is short of memory.
    fn hand_over(&mut self) {
        while !self.uring.submission().is_empty() {
            let _ = self.enter();
        }
    }

    fn close(&mut self, file: u32) {
        let close = opcode::Close::new(Fixed(file)).build();
        self.push(&close.user_data(CLOSE));
    }
}
