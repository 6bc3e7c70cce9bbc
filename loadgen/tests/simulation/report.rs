//! What must happen in a batch of runs, and what is counted of each.

use altavoz::testing::batch::{BatchReport, milestones};

/// Counts of one run, or of many.
pub(crate) type Report = BatchReport<Milestone>;

milestones! {
    /// Something that must happen in a batch of runs, or the batch proves nothing about it.
    pub(crate) enum Milestone {
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
}
