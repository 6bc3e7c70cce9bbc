//! The one hash map: SipHash with a key that is passed in.
//!
//! Clients choose the names that are hashed, so the key is random on a server, against
//! collision attacks; the simulator passes its own, so that a seed replays the same run.

use std::hash::{BuildHasher, Hash};

use siphasher::sip::SipHasher13;

/// The secret of a map's hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashKey(pub u64, pub u64);

impl HashKey {
    /// The keyed hash of a value.
    #[must_use]
    pub fn hash<T: Hash + ?Sized>(&self, value: &T) -> u64 {
        self.hash_one(value)
    }
}

impl BuildHasher for HashKey {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> Self::Hasher {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A hash map with a key that is passed in: `Map::with_hasher(key)`.
#[expect(
    clippy::disallowed_types,
    reason = "this is the one place that names the type"
)]
pub type Map<K, V> = std::collections::HashMap<K, V, HashKey>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_is_another_hash() {
        assert_eq!(HashKey(1, 2).hash("topic"), HashKey(1, 2).hash("topic"));
        assert_ne!(HashKey(1, 2).hash("topic"), HashKey(1, 3).hash("topic"));
    }
}
