//! The words that every floor shares: ids, addresses, positions, time, shared bytes, keyed maps, the
//! timer wheel.
//!
//! Owns no state of the program and knows nothing of connections, sockets or topics' contents.

pub mod address;
pub mod chunk;
pub mod clock;
pub mod ids;
pub mod map;
pub mod position;
pub mod topic;
pub mod wheel;

pub use address::{Address, AddressError};
pub use chunk::{Chunk, FrameEnd, Part};
pub use clock::Time;
pub use ids::{ConnId, ListenerId, ShardId, SubscriberId, Tag};
pub use map::{HashKey, Map};
pub use position::{After, Epoch, Offset, Position, PositionError};
pub use topic::{TopicName, TopicNameError};
pub use wheel::TimerWheel;
