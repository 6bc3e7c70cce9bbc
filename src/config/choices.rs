//! Settings that are one of a few words.

/// Writes an enum with the words that an operator writes for its values.
macro_rules! words {
    ($(#[$doc:meta])* $enum:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $enum { $($(#[$value_doc])* $value,)* }

        impl $enum {
            /// Every word, as in `a|b`.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Reads a word.
            ///
            /// # Errors
            /// When it is none of them; the message lists them.
            pub fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$value),)*
                    _ => Err(format!("must be one of {}", Self::WORDS.join(", "))),
                }
            }

            /// The word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }
    };
}

words! {
    /// What a client without a key or token may do; each includes the one before.
    Anonymous {
        /// Nothing.
        None = "none",
        /// Subscribe and read.
        Subscribe = "subscribe",
        /// Publish too.
        Publish = "publish",
    }
}

words! {
    /// What becomes of a token that is not the key, where none is needed.
    ForeignTokens {
        /// It is as good as none: gateways hand on those of other applications.
        Ignore = "ignore",
        /// It is refused, so that a mistyped key is noticed.
        Refuse = "refuse",
    }
}

words! {
    /// What moves the bytes.
    DriverChoice {
        /// The best that this host has.
        Auto = "auto",
        /// Readiness by epoll.
        Epoll = "epoll",
        /// Completion by io_uring.
        Uring = "uring",
    }
}

words! {
    /// How a log line looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// The least of what is logged.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may fail soon.
        Warn = "warn",
        /// What the node does.
        Info = "info",
        /// Why it does it.
        Debug = "debug",
        /// Each step.
        Trace = "trace",
    }
}
