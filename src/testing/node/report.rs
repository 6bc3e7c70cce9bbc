//! What happened in a run, so that a batch of runs can tell whether it has tried everything.

use std::fmt;

/// Counts of one run, or of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    counts: [u64; SeenPublication::ALL.len()],
    /// All that happened, as one number; of many runs their sum.
    history: u64,
}

/// Writes the enum together with its list and names.
macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Something that must happen in a batch of runs, or the batch proves nothing about it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum SeenPublication { $($(#[$doc])* $name,)* }

        impl SeenPublication {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

seen! {
    Publications = "publications that were sequenced",
    Deliveries = "publications that clients read",
    PostsAnswered = "posts answered with 200",
    PipelinedPosts = "posts answered that were written behind another one",
    PostsBeforeFin = "posts answered after the client's end",
    PostsRefused = "posts answered with 503",
    ExactCounts = "posts whose counts were known exactly",
    IncompleteCounts = "posts answered before all shards had counted",
    CreditRefusals = "publishes refused for lack of credit",
    TopicRefusals = "requests refused for lack of room for a topic",
    FullRefusals = "connections met by a full node",
    NotAllowed = "publishes that were not allowed",
    ShortSends = "sends that were short",
    PendingSends = "sends that came back later",
    Broken = "connections that broke",
    SlowCloses = "closes with 4008 that clients read",
    BudgetDrops = "outboxes cut for the node's budget",
    Recovered = "recoveries that missed nothing",
    NotRecovered = "recoveries that said that something is missing",
    Resets = "events that said that something is missing",
    Replayed = "publications read from history",
    Epochs = "topics that came back with another epoch",
    Drained = "closes with 1001 that clients read",
    Fragmented = "messages that clients fragmented",
    OwnMessages = "messages that their sender read",
    PingTimeouts = "closes with 4012 that clients read",
    PongsRead = "pongs that clients read",
    PeerCloses = "closes with 1000 that clients asked for and read",
    ProtocolCloses = "closes with 1002, 1007 or 1009 that clients earned",
    TryAgainCloses = "closes with 1013 that clients read",
    PolicyCloses = "closes with 1008 that clients read",
    RequestTimeouts = "requests answered with 408",
    HealthChecks = "health checks answered",
    Adopted = "connections of runs that hand sockets around",
    EventStreams = "streams of events",
    JsonEventStreams = "streams of events in JSON",
    LineStreams = "streams of lines",
    BareStreams = "streams without chunks",
    StreamReads = "publications read from streams",
    SignsOfLife = "signs of life on streams",
    StreamsDrained = "streams that ended with 1001",
    SlowStreams = "streams that ended with 4008",
    StreamsBroken = "streams that broke while they were read",
    StreamsRefused = "streams answered with 503",
    Base64Events = "events of what a line cannot hold",
    EventsOfLines = "events of several lines",
    ConflatedReads = "publications read by those who want only the newest",
    StandsForMany = "publications that stood for several",
    ConflatedReplays = "replays of which only the newest was read",
    LongFanOuts = "turns that left a fan-out to the next one",
    LongAnswers = "turns that left answers to long polls to the next one",
    InTime = "publications that came in time to those who read at once",
    PollNews = "polls answered with publications",
    PollsEmpty = "polls answered with nothing",
    PollsNotModified = "polls answered with 304",
    LongPollNews = "long polls answered with publications",
    LongPollsOfSeveral = "long polls answered with several new publications",
    LongPollsInTime = "long polls answered in time with what is new",
    LongPollsLeft = "long polls whose client went",
    LongPollsEmpty = "long polls answered with nothing at their end",
    LongPollsNotModified = "long polls answered with 304 at their end",
    LongPollsDrained = "long polls answered at a drain",
    PollsRecovered = "polls that missed nothing behind their position",
    PollsNotRecovered = "polls told that something is missing",
    PollsRefused = "polls answered with 503",
    PollReads = "publications read by polls",
    PipedPolls = "polls answered that were written behind another request",
    PollsBeforeFin = "polls answered after the client's end",
    HeadsOnly = "heads without a body",
    UnaskedBodies = "requests with a body that nobody asked for",
    Continued = "clients told to send such a body",
    OtherLives = "positions of another life",
    Futures = "positions of the future",
    QuietReaders = "subscribers who had seen everything when all was quiet",
}

impl Default for Report {
    fn default() -> Self {
        let counts = [0; SeenPublication::ALL.len()];
        let history = 0;
        Self { counts, history }
    }
}

impl Report {
    pub(super) fn count(&mut self, what: SeenPublication) {
        self.add(what, 1);
    }

    pub(super) fn add(&mut self, what: SeenPublication, n: u64) {
        self.counts[what as usize] += n;
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.history = self.history.wrapping_add(other.history);
    }

    /// Notes all that happened in a run.
    pub(super) fn note_history(&mut self, history: u64) {
        self.history = history;
    }

    /// What never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let never = |what: &&SeenPublication| self.counts[**what as usize] == 0;
        SeenPublication::ALL
            .iter()
            .filter(never)
            .map(|what| what.text())
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in SeenPublication::ALL {
            writeln!(f, "{:>9}  {}", self.counts[*what as usize], what.text())?;
        }
        writeln!(f, "history {:016x}", self.history)
    }
}
