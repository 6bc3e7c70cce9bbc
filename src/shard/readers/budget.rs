//! How many sends a turn has left for its fan-outs.

/// How many subscribers a turn may still write to: so many for what is new, and as many for what
/// is under way, so that neither waits for the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) fresh: usize,
    pub(super) under_way: usize,
}

/// Of which half of the budget a flush is paid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    Fresh,
    UnderWay,
}

impl Budget {
    pub(super) fn new(sends: usize) -> Self {
        Self {
            fresh: sends,
            under_way: sends,
        }
    }

    pub(super) fn left(&mut self, share: Share) -> &mut usize {
        match share {
            Share::Fresh => &mut self.fresh,
            Share::UnderWay => &mut self.under_way,
        }
    }
}
