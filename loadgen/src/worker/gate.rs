//! A worker's way to the server: its driver, and where that connects to.

use std::net::IpAddr;

use altavoz::base::ConnId;
use altavoz::io::Driver;

/// The driver of a worker and its targets.
pub struct Gate<D: Driver> {
    /// What moves the bytes.
    pub driver: D,
    /// The server.
    target: D::Target,
    /// Where publishers connect to, if not to the target.
    elsewhere: Option<D::Target>,
}

impl<D: Driver> Gate<D> {
    /// To a server, and to another one for those who publish.
    pub fn new(driver: D, target: D::Target, elsewhere: Option<D::Target>) -> Self {
        Self {
            driver,
            target,
            elsewhere,
        }
    }

    /// Begins a connection. Source addresses are for the target.
    pub fn connect(&mut self, id: ConnId, from: Option<IpAddr>, publishes: bool) {
        match &self.elsewhere {
            Some(elsewhere) if publishes => self.driver.connect(id, elsewhere, None),
            _ => self.driver.connect(id, &self.target, from),
        }
    }
}
