//! What has a name on the command line and stands for much: comparisons, and lengths of heads.

use clap::ValueEnum;

/// The comparisons that have a name.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    /// Polling every 2, 5 and 10 s against push, and what bytes and requests they take.
    Seed,
    /// The three cases of Lubbers and Greco (2010): theirs was arithmetic, this is measured.
    Lubbers,
    /// Bozdag and others (2007): publish by poll interval by users; coherence and CPU.
    Bozdag,
    /// Pimentel and Nickerson (2012): a sensor at 4 Hz, over longer and longer round trips.
    Pimentel,
    /// From which update rate on polling takes fewer bytes, and that conflation ends it.
    Crossover,
    /// Rooms in which everybody writes now and then.
    Chat,
    /// Players whose movements all others see.
    Game,
    /// A task's state that a few watch.
    Tasks,
    /// Sensors, each with some watchers.
    Sensors,
    /// Prices that change all the time.
    Quotes,
    /// A topic for each user, and news now and then.
    Notify,
    /// One topic, everybody.
    Live,
    /// What a user asks for: GET, and request and answer on a held socket.
    Ondemand,
}

impl Preset {
    /// As it stands on the command line.
    #[must_use]
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// How long the heads of requests are.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderPreset {
    /// What HTTP asks for.
    Minimal,
    /// A small program's, 352 bytes.
    #[value(name = "352")]
    Small,
    /// A browser's without cookies, 850 bytes.
    #[value(name = "850")]
    Browser,
    /// What the best-known comparison of polling with WebSockets counted, 871 bytes.
    #[value(name = "871")]
    Classic,
}

impl HeaderPreset {
    /// The length of a head in bytes, unless it is the shortest there is.
    #[must_use]
    pub const fn bytes(self) -> Option<u32> {
        match self {
            Self::Minimal => None,
            Self::Small => Some(352),
            Self::Browser => Some(850),
            Self::Classic => Some(871),
        }
    }
}
