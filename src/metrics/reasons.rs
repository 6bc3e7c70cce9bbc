//! The closed sets of label values: why something was refused, closed or dropped.

/// A closed enum whose values are the values of a metric's label.
pub trait Label: Copy + 'static {
    /// The label's name.
    const KEY: &'static str;
    /// Every value, each at its [`Label::index`].
    const ALL: &'static [Self];
    /// The value's place in [`Label::ALL`].
    fn index(self) -> usize;
    /// The value as it stands in the text.
    fn name(self) -> &'static str;
}

/// Writes an enum together with its [`Label`], so that no value can be missing from the text.
macro_rules! labels {
    ($key:literal, $(#[$doc:meta])* $enum:ident { $($(#[$value_doc:meta])* $value:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $enum { $($(#[$value_doc])* $value,)* }

        impl Label for $enum {
            const KEY: &'static str = $key;
            const ALL: &'static [Self] = &[$(Self::$value,)*];

            fn index(self) -> usize {
                self as usize
            }

            fn name(self) -> &'static str {
                match self { $(Self::$value => $name,)* }
            }
        }
    };
}

labels! { "class",
    /// The hundreds of an HTTP status.
    StatusClass {
        /// 1xx: an upgrade, or `100 Continue`.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx: the client's mistake.
        ClientError = "4xx",
        /// 5xx: ours, or no room.
        ServerError = "5xx",
    }
}

impl StatusClass {
    /// The class of a status; what is no HTTP status counts as our error.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status / 100 {
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

labels! { "answer",
    /// What a poll or a long poll was answered.
    PollAnswer {
        /// Publications, or that the position is lost.
        News = "news",
        /// An empty list.
        Empty = "empty",
        /// 304.
        NotModified = "not_modified",
    }
}

labels! { "reason",
    /// Why a publication was not taken.
    RefuseReason {
        /// A shard had no room for it: 503 or close 1013.
        NoCredit = "no_credit",
        /// It would have been one topic too many.
        TopicsFull = "topics_full",
        /// The client may not publish here: 401, 403 or close 1008.
        NotAllowed = "not_allowed",
        /// Longer than the limit: 413 or close 1009.
        TooBig = "too_big",
    }
}

labels! { "reason",
    /// Why a connection ended.
    CloseReason {
        /// The client asked for it (1000).
        Client = "client",
        /// The node is draining (1001).
        Draining = "draining",
        /// The client broke the protocol (1002, or a 400).
        Protocol = "protocol",
        /// Text that is not UTF-8 (1007).
        InvalidData = "invalid_data",
        /// A message longer than the limit (1009).
        TooBig = "too_big",
        /// A policy forbade it (1008).
        Policy = "policy",
        /// Our own error (1011).
        Internal = "internal",
        /// No room now (1013, or 503).
        TryAgain = "try_again",
        /// Its outbox was full (4008).
        SlowConsumer = "slow_consumer",
        /// No pong in time (4012).
        NoPong = "no_pong",
        /// The connection broke.
        Reset = "reset",
        /// A handshake, a body or an idle connection took too long.
        Timeout = "timeout",
        /// The client hung up without a close.
        Eof = "eof",
    }
}

labels! { "reason",
    /// Why publications left an outbox unsent.
    DropReason {
        /// The connection's own outbox was full.
        SlowConsumer = "slow_consumer",
        /// The outboxes of the node together were over their budget.
        NodeBudget = "node_budget",
        /// The connection ended with them.
        Closed = "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label + PartialEq + std::fmt::Debug>() {
        for (place, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), place, "{label:?}");
            let twins = L::ALL.iter().filter(|l| l.name() == label.name());
            assert_eq!(twins.count(), 1, "{label:?}");
        }
    }

    #[test]
    fn every_label_stands_at_its_index_under_its_own_name() {
        check::<StatusClass>();
        check::<PollAnswer>();
        check::<RefuseReason>();
        check::<CloseReason>();
        check::<DropReason>();
    }

    #[test]
    fn a_status_has_the_class_of_its_hundreds() {
        assert_eq!(StatusClass::of(101), StatusClass::Informational);
        assert_eq!(StatusClass::of(204), StatusClass::Success);
        assert_eq!(StatusClass::of(304), StatusClass::Redirection);
        assert_eq!(StatusClass::of(431), StatusClass::ClientError);
        assert_eq!(StatusClass::of(503), StatusClass::ServerError);
        assert_eq!(StatusClass::of(0), StatusClass::ServerError);
    }
}
