//! Names of things that live in tables: shards, connections, listeners.

use std::fmt;

/// One event-loop thread of the node, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard's place in a table of all shards.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A connection of one shard: a slot of its slab and the generation of what lives there.
///
/// A slot's generation goes up when its connection is gone, so an id that is kept too long
/// finds nothing instead of a stranger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Place in the shard's table of connections.
    pub slot: u32,
    /// How many connections lived in this slot before.
    pub generation: u32,
}

impl ConnId {
    /// Both halves in one number, for tables that name a connection by 64 bits.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The inverse of [`ConnId::to_bits`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half is cut out on purpose"
    )]
    pub fn from_bits(bits: u64) -> Self {
        Self {
            slot: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }

    /// The slot as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// What a session calls one of its wishes; its answer is told by the same name. Of those that wait
/// for an answer no two of a connection have the same.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u32);

impl Tag {
    /// The name of the wish after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A subscriber anywhere on the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriberId {
    /// The shard that owns the connection.
    pub shard: ShardId,
    /// The connection there.
    pub conn: ConnId,
}

/// One listening socket of a driver, counted from 0 in the order of `listen`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_id_survives_its_bits() {
        let id = ConnId {
            slot: 7,
            generation: u32::MAX,
        };
        assert_eq!(ConnId::from_bits(id.to_bits()), id);
    }
}
