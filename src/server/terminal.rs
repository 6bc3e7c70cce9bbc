//! Whether the terminal that the node was started from is still there.

use std::io::{self, IsTerminal};

/// Which of the standard streams were a terminal when the node started.
#[derive(Debug)]
pub(super) struct Terminal([bool; 3]);

impl Terminal {
    /// Looks at the standard streams.
    pub(super) fn look() -> Self {
        Self([
            io::stdin().is_terminal(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        ])
    }

    /// Whether one of them was a terminal and is none any more: its window was closed, or its
    /// connection lost.
    pub(super) fn is_gone(&self) -> bool {
        let Self(now) = Self::look();
        self.0.iter().zip(now).any(|(then, now)| *then && !now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_no_terminal_is_not_gone() {
        assert!(!Terminal([false; 3]).is_gone());
        assert!(!Terminal::look().is_gone());
    }
}
