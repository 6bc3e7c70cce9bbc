//! The network's edge: one completion-shaped [`Driver`], and the systems behind it.
//!
//! The only module that meets the kernel's network. It knows a connection by its [`ConnId`]
//! and nothing of what the bytes mean.
//!
//! [`ConnId`]: crate::base::ConnId

pub mod driver;
pub mod epoll;
pub mod sys;
pub mod uring;

pub use driver::{Close, Driver, Event, Peer, SendStatus, Tables, TcpCounters, Wake};
pub use epoll::{EpollDriver, EpollOptions};
pub use sys::{ListenOptions, ListenSocket};
pub use uring::{UringDriver, UringOptions};
