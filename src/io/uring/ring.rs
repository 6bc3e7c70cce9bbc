//! [`Ring`]: one io_uring with its table of descriptors, its receive buffers, and the memory that
//! its operations in flight refer to.
//!
//! Knows operations by their tokens and nothing of connections. Hands completions on in the order
//! in which the kernel gave them.
//!
//! Traps:
//!
//! - Only one thread may enter the ring, and that is the first that does, not the one that made it.
//! - Completions of deferred work come only when that thread enters; the kernel then does about
//!   twenty at a time and says by a flag whether there are more.
//! - A multishot accept that finds the table full has taken its connection off the backlog already
//!   and drops it. So it is stopped while as much room is left as completions fit into the queue.
//! - Memory of an operation must outlive it also when the ring is dropped: everything is cancelled
//!   and waited for then, and left behind for ever if that does not help.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use rustix::io::Errno;
use slab::Slab;

use crate::base::Part;

use super::buffers::Buffers;
use super::memory::OperationMemory;
use super::operation::{Completion, OperationKind, Token};
use super::options::RingSize;
use super::places::Places;
use super::scarcity::Scarcity;
use super::volley::Volley;

/// How long a ring that is dropped waits for its last operations, a hundred times.
const LAST_WAIT: Duration = Duration::from_millis(10);

/// Enters that fetch what did not fit into the queue of completions, after each other.
const OVERFLOW_ENTERS_MAX: usize = 64;

/// One io_uring.
pub(super) struct Ring {
    uring: IoUring,
    enabled: bool,
    buffers: Buffers,
    memory: Slab<OperationMemory>,
    /// Invariant: the bytes of the rests in `memory`.
    rest_bytes: usize,
    pub(super) volley: Volley,
    /// Where input goes that nobody wants.
    scratch: Vec<u8>,
    /// What did not fit into the submission queue when the kernel would take no more.
    spill: VecDeque<squeue::Entry>,
    completed: VecDeque<Completion>,
    /// Operations that have not come back for the last time.
    in_flight: usize,
    /// The table's places.
    pub(super) places: Places,
    /// Multishot accepts into the table.
    accepts: Vec<Token>,
    /// What was short so far.
    pub(super) scarcity: Scarcity,
    /// Signalled when there is something to do, if the ring is one of several.
    bell: Option<OwnedFd>,
}

impl Ring {
    /// A ring with an empty table. No thread owns it yet.
    ///
    /// # Errors
    /// When the kernel has no io_uring, not what we need of it, or no memory.
    pub(super) fn new(size: RingSize) -> io::Result<Self> {
        let uring = IoUring::builder()
            .dontfork()
            .setup_r_disabled()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(size.completions)
            .build(size.submissions)
            .map_err(|error| at("a ring with deferred task work (Linux 6.1)", &error))?;
        let table = uring.submitter().register_files_sparse(size.files);
        table.map_err(|error| at("a table of descriptors (Linux 5.19)", &error))?;
        let buffers = Buffers::register(&uring.submitter(), size.buffers, size.buffer_bytes);
        let buffers =
            buffers.map_err(|error| at("a queue of receive buffers (Linux 5.19)", &error))?;
        Ok(Self {
            uring,
            enabled: false,
            buffers,
            memory: Slab::new(),
            rest_bytes: 0,
            volley: Volley::new(),
            scratch: Vec::new(),
            spill: VecDeque::new(),
            completed: VecDeque::new(),
            in_flight: 0,
            places: Places::new(&size),
            accepts: Vec::new(),
            scarcity: Scarcity::default(),
            bell: None,
        })
    }

    /// Rings a bell from now on when there is something to do.
    pub(super) fn set_bell(&mut self, bell: OwnedFd) -> io::Result<()> {
        self.uring.submitter().register_eventfd(bell.as_raw_fd())?;
        self.bell = Some(bell);
        Ok(())
    }

    /// Sends without waiting, with others in one volley; the volley's number.
    pub(super) fn take(&mut self, slot: u32, file: u32, part: &Part) -> u32 {
        // Before it is in the volley, and not after that, since an enter may finish the volley.
        self.make_room();
        let (place, operation) = self.volley.take(slot, file, part);
        self.queue(Token::new(OperationKind::Taken, place), operation);
        self.volley.number()
    }

    /// Sends or connects, and keeps what that needs until [`Ring::forget`].
    pub(super) fn start(&mut self, token: Token, file: u32, memory: OperationMemory) -> u32 {
        let operation = memory.operation(file);
        self.rest_bytes += memory.rest_bytes();
        let at = self.memory.insert(memory);
        self.push(token, operation);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// How many bytes an operation in flight sends.
    pub(super) fn memory_bytes(&self, at: u32) -> usize {
        self.memory
            .get(at as usize)
            .map_or(0, OperationMemory::bytes)
    }

    /// What an operation needed that has come back.
    pub(super) fn forget(&mut self, at: u32) -> Option<OperationMemory> {
        let memory = self.memory.try_remove(at as usize)?;
        self.rest_bytes -= memory.rest_bytes();
        Some(memory)
    }

    /// How many bytes are left of sends that were told as sent. Those of the last volley are
    /// looked through: there are a few hundred at most, and only until the next send or wait.
    pub(super) fn held(&self) -> usize {
        self.rest_bytes + self.volley.rest_bytes()
    }

    /// Does the same once more.
    pub(super) fn repeat(&mut self, token: Token, file: u32, at: u32) {
        if let Some(memory) = self.memory.get(at as usize) {
            let operation = memory.operation(file);
            self.push(token, operation);
        }
    }

    /// Accepts into the table until there is too little room.
    pub(super) fn accept_many(&mut self, token: Token, operation: squeue::Entry) {
        self.accepts.push(token);
        self.push(token, operation);
    }

    /// Stops an operation; its last completion follows.
    pub(super) fn cancel(&mut self, token: Token) {
        let which = CancelBuilder::user_data(token.to_bits());
        self.push_aside(opcode::AsyncCancel2::new(which).build());
    }

    /// Queues an operation whose result nobody looks at. It must not wait, so that it is over
    /// before what is queued behind it begins.
    pub(super) fn push_aside(&mut self, operation: squeue::Entry) {
        let operation = operation.flags(squeue::Flags::SKIP_SUCCESS);
        self.push(Token::new(OperationKind::Ignored, 0), operation);
    }

    /// Memory that may be written to by anybody at any time, and is never read.
    pub(super) fn scratch(&mut self, len: u32) -> *mut u8 {
        if self.scratch.len() < len as usize {
            self.scratch = vec![0; len as usize];
        }
        self.scratch.as_mut_ptr()
    }

    /// Queues an operation, which the next enter hands over.
    pub(super) fn push(&mut self, token: Token, operation: squeue::Entry) {
        self.make_room();
        self.queue(token, operation);
    }

    /// Queues an operation, without an enter.
    ///
    /// What it refers to has to live until it has come back: our own operations refer to
    /// `memory`, to the volley, to the buffers, or to what is there for ever.
    #[expect(unsafe_code, reason = "the kernel will use the memory that it names")]
    fn queue(&mut self, token: Token, operation: squeue::Entry) {
        self.in_flight += usize::from(token.kind.is_counted());
        let operation = operation.user_data(token.to_bits());
        if self.spill.is_empty() {
            // SAFETY: see above; `Drop` waits for what is in flight or leaves its memory behind.
            let pushed = unsafe { self.uring.submission().push(&operation) };
            if pushed.is_ok() {
                return;
            }
        }
        self.spill.push_back(operation);
    }

    fn make_room(&mut self) {
        if self.spill.is_empty() && self.uring.submission().is_full() {
            self.submit();
        }
    }

    /// Hands over what is queued, and takes completions in: they would not all fit otherwise.
    pub(super) fn submit(&mut self) {
        // What it does not take now stays queued, and the next enter says why.
        let _ = self.enter(0, None);
    }

    /// Whether an enter has something to do besides waiting.
    pub(super) fn has_work(&mut self) -> bool {
        let queue = self.uring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow() || !self.spill.is_empty()
    }

    /// How many completions wait to be handed on.
    pub(super) fn completions(&self) -> usize {
        self.completed.len()
    }

    /// The next completion.
    pub(super) fn next(&mut self) -> Option<Completion> {
        self.completed.pop_front()
    }

    /// Hands over what is queued, and waits for `want` completions or for that long.
    ///
    /// # Errors
    /// Only when the ring is broken.
    pub(super) fn enter(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        if !self.enabled {
            self.uring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        self.refill();
        let submitter = self.uring.submitter();
        let entered = match timeout {
            Some(timeout) if want > 0 => {
                let timeout = Timespec::from(timeout);
                submitter.submit_with_args(want, &SubmitArgs::new().timespec(&timeout))
            }
            _ => submitter.submit_and_wait(want),
        };
        self.take_completions();
        self.take_overflow();
        self.finish_volley();
        self.stop_accepts_in_time();
        match entered {
            Ok(_) => Ok(()),
            Err(error) if is_momentary(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves into the submission queue what had no room there.
    #[expect(unsafe_code, reason = "the kernel will use the memory that it names")]
    fn refill(&mut self) {
        let mut queue = self.uring.submission();
        while let Some(operation) = self.spill.front() {
            // SAFETY: as in `push`.
            if unsafe { queue.push(operation) }.is_err() {
                return;
            }
            self.spill.pop_front();
        }
    }

    /// Completions that did not fit into the queue are kept by the kernel, until it is entered.
    fn take_overflow(&mut self) {
        for _ in 0..OVERFLOW_ENTERS_MAX {
            if !self.uring.submission().cq_overflow() {
                return;
            }
            self.scarcity.overflows += 1;
            let _ = self.uring.submitter().submit_and_wait(0);
            self.take_completions();
        }
    }

    /// All sends of a volley are over when nothing is queued any more; those that failed are known
    /// when no completion is kept back.
    fn finish_volley(&mut self) {
        let queue = self.uring.submission();
        if self.spill.is_empty() && queue.is_empty() && !queue.cq_overflow() {
            drop(queue);
            self.volley.finish();
        }
    }

    fn take_completions(&mut self) {
        for entry in self.uring.completion() {
            let completion = Completion {
                token: Token::from_bits(entry.user_data()),
                result: entry.result(),
                flags: entry.flags(),
            };
            let kind = completion.token.kind;
            if kind == OperationKind::AcceptDirect && completion.result >= 0 {
                self.places.take();
            }
            if kind == OperationKind::Taken {
                self.volley.fail(completion.token.index, completion.result);
            }
            if !kind.is_counted() {
                continue;
            }
            if !completion.has_more() {
                self.in_flight -= 1;
                if kind == OperationKind::AcceptDirect {
                    self.accepts.retain(|token| *token != completion.token);
                }
            }
            self.completed.push_back(completion);
        }
    }

    /// Before the next enter could fill the table.
    fn stop_accepts_in_time(&mut self) {
        if !self.accepts.is_empty() && !self.places.has_margin() {
            for token in mem::take(&mut self.accepts) {
                self.cancel(token);
            }
        }
    }

    /// The completion that somebody waits for at once, out of its turn.
    pub(super) fn take_call(&mut self) -> Option<Completion> {
        let is_it = |completion: &Completion| completion.token.kind == OperationKind::Call;
        let at = self.completed.iter().rposition(is_it)?;
        self.completed.remove(at)
    }

    /// Received bytes.
    pub(super) fn received(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        self.buffers.bytes(buffer, len)
    }

    /// Received bytes were handed out.
    pub(super) fn give_back(&mut self, buffer: u16) {
        self.buffers.give_back(buffer);
    }

    /// Cancels everything and waits for it; whether nothing is in flight any more.
    fn quiesce(&mut self) -> bool {
        if self.in_flight == 0 {
            return true;
        }
        let all = opcode::AsyncCancel2::new(CancelBuilder::any().all()).build();
        self.push(Token::new(OperationKind::Ignored, 0), all);
        for _ in 0..100 {
            if self.enter(1, Some(LAST_WAIT)).is_err() || self.in_flight == 0 {
                break;
            }
        }
        self.in_flight == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Operations that were only queued have used nothing, and without an enter never will.
        if self.enabled && !self.quiesce() {
            mem::forget(mem::take(&mut self.memory));
            self.volley.leak();
            self.buffers.leak();
        }
    }
}

/// An error with what was asked for.
fn at(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// What an enter may fail with and be repeated: interrupted, timed out, short of memory, or too
/// many completions to take in first.
fn is_momentary(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::INTR | Errno::TIME | Errno::AGAIN | Errno::BUSY)
    )
}
