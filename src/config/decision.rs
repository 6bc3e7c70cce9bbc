//! A value of the plan, with the reason that an operator is told.

/// A value and why it is this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision<T> {
    /// The value.
    pub value: T,
    /// Why, as a clause: "from the descriptor limit of 20000".
    pub why: String,
}

impl<T> Decision<T> {
    pub(super) fn new(value: T, why: impl Into<String>) -> Self {
        Self {
            value,
            why: why.into(),
        }
    }
}
