//! What happened in a run, so that a batch of runs can tell whether it has tried everything.

use std::fmt;

/// Counts of one run, or of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    counts: [u64; Seen::ALL.len()],
    /// All that happened, as one number; of many runs their sum.
    history: u64,
}

/// Writes the enum together with its list and names.
macro_rules! seen {
    ($($name:ident = $text:literal,)*) => {
        /// Something that must happen in a batch of runs, or the batch proves nothing about it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Seen { $($name,)* }

        impl Seen {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

seen! {
    Rounds = "rounds that a worker reported",
    CleanRounds = "rounds in which nothing was lost, doubled or reordered",
    Published = "publications that workers sent",
    Deliveries = "deliveries for the first time",
    Lost = "deliveries that were lost",
    Duplicated = "deliveries that were there already",
    Reordered = "deliveries behind a later one",
    Incomplete = "publications that somebody never got",
    Foreign = "stamps of other runs, rounds and topics",
    Unstamped = "messages without a stamp",
    Merged = "deliveries that came in one answer with others",
    LeftOut = "publications that were left out by design",
    Unrecovered = "gaps that the server owned to",
    Rows = "rows for the join with another worker",
    Passive = "rounds in which somebody else published",
    ClosedLoops = "rounds of a closed loop",
    Posted = "POSTs that were answered",
    PostsRefused = "POSTs that were refused",
    PostsUnanswered = "POSTs that were never answered",
    PostsRetried = "POSTs that were sent again",
    LostPublishers = "publishers that were closed for good",
    Seconds = "seconds of rounds that were logged",
    Returned = "publishers' connections in the place of another",
    SocketReads = "deliveries by WebSocket",
    EventReads = "deliveries by server-sent events",
    LineReads = "deliveries by stream",
    LongPollReads = "deliveries by long poll",
    PollReads = "deliveries by poll",
    Echoes = "questions on WebSockets that were answered",
    NotModified = "answers that nothing is new",
    AnswersRefused = "polls that were refused",
    Broken = "requests whose answer never came",
    Halves = "messages that ended in their middle",
    Fragments = "messages in several frames",
    Closes = "connections that the server closed with a code",
    Ends = "connections that the server ended without a word",
    Resets = "connections that the server reset",
    Refusals = "clients that were not let in",
    Storms = "storms",
    Churns = "churns",
    Cut = "clients that were cut",
    Back = "clients that came back",
    SlowReads = "messages that slow readers read after all",
    ShortSends = "sends that were short",
    PendingSends = "sends that came back later",
    Stalls = "turns that a worker was held back",
}

impl Default for Report {
    fn default() -> Self {
        let counts = [0; Seen::ALL.len()];
        let history = 0;
        Self { counts, history }
    }
}

impl Report {
    pub(crate) fn count(&mut self, what: Seen) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: Seen, n: u64) {
        self.counts[what as usize] += n;
    }

    /// Adds another run's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.history = self.history.wrapping_add(other.history);
    }

    /// Notes all that happened in a run.
    pub(crate) fn note_history(&mut self, history: u64) {
        self.history = history;
    }

    /// What never happened.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let never = |what: &&Seen| self.counts[**what as usize] == 0;
        let missing = Seen::ALL.iter().filter(never);
        missing.map(|what| what.text()).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in Seen::ALL {
            writeln!(f, "{:>9}  {}", self.counts[*what as usize], what.text())?;
        }
        writeln!(f, "history {:016x}", self.history)
    }
}
