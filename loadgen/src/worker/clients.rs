//! The clients of a worker, each in its place.

use std::ops::{Deref, Index, IndexMut};

use altavoz::base::ConnId;

use super::connection::{ClientId, ClientKind, Connection};

/// All of them: subscribers first, then slow readers, the crowd, the publishers.
#[derive(Debug, Default)]
pub struct Clients {
    all: Vec<Connection>,
    /// Where the publishers begin.
    publishers: usize,
}

impl Clients {
    /// In this order, which has the publishers last.
    #[must_use]
    pub fn new(all: Vec<Connection>) -> Self {
        let publishers = all.partition_point(|conn| !conn.kind.is_publisher());
        Self { all, publishers }
    }

    /// Each of them.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> + use<> {
        (0..self.all.len()).map(ClientId::at)
    }

    /// Those who publish.
    pub fn publishers(&self) -> impl Iterator<Item = ClientId> + use<> {
        (self.publishers..self.all.len()).map(ClientId::at)
    }

    /// One who publishes, counted from the first of them.
    #[must_use]
    pub fn publisher(&self, number: u32) -> ClientId {
        ClientId::at(self.publishers + number as usize)
    }

    /// Those who are there for something.
    pub fn of(&self, kind: ClientKind) -> impl Iterator<Item = ClientId> + '_ {
        self.ids().filter(move |client| self[*client].kind == kind)
    }

    /// Whose a connection is, if it is not gone.
    #[must_use]
    pub fn find(&self, name: ConnId) -> Option<ClientId> {
        let conn = self.all.get(name.index())?;
        (conn.generation == name.generation).then_some(ClientId(name.slot))
    }
}

impl Deref for Clients {
    type Target = [Connection];

    fn deref(&self) -> &[Connection] {
        &self.all
    }
}

impl Index<ClientId> for Clients {
    type Output = Connection;

    fn index(&self, client: ClientId) -> &Connection {
        &self.all[client.index()]
    }
}

impl IndexMut<ClientId> for Clients {
    fn index_mut(&mut self, client: ClientId) -> &mut Connection {
        &mut self.all[client.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_gone_is_nobodys() {
        let kinds = [
            ClientKind::Subscriber,
            ClientKind::Slow,
            ClientKind::Crowd,
            ClientKind::Poster,
        ];
        let mut clients = Clients::new(kinds.map(|kind| Connection::new(kind, 0, 0)).into());
        let second = ClientId(1);
        let name = clients[second].id(second);
        assert_eq!(clients.find(name), Some(second));
        clients[second].reset();
        assert_eq!(clients.find(name), None);
        assert_eq!(clients.find(clients[second].id(second)), Some(second));
        assert_eq!(clients.publishers().collect::<Vec<_>>(), [ClientId(3)]);
        assert_eq!(clients.publisher(0), ClientId(3));
        assert_eq!(
            clients.of(ClientKind::Crowd).collect::<Vec<_>>(),
            [ClientId(2)]
        );
    }
}
