//! How connections end: by the server, for its fault, or since a client goes; and what is counted
//! of it.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use altavoz::base::Time;
use altavoz::io::{Close, Driver};

use crate::base::counts::count;

use super::super::connection::{ClientId, ClientKind, ConnectionState};
use super::super::outbox::Outbox;
use super::super::windows::{note_end, note_gone};
use super::{ClientEnd, WorkerCore};

impl WorkerCore {
    /// Ends a connection, and looks before at what TCP counted on it.
    pub(super) fn end(&mut self, driver: &mut impl Driver, client: ClientId, how: Close) {
        let conn = &mut self.clients[client];
        if how == Close::Graceful {
            // Its FIN, and on this host the answer to it, are counted too.
            driver.shutdown_write(conn.id(client));
        }
        note_end(&mut self.windows, conn, client, driver);
        driver.close(conn.id(client), how);
    }

    /// Ends a connection at once, without counting it as ended by the server.
    pub fn cut(&mut self, driver: &mut impl Driver, client: ClientId) {
        self.leave(driver, client, ClientEnd::Reset);
    }

    /// A client goes without a Close frame, and is not counted as ended by the server.
    pub fn leave(&mut self, driver: &mut impl Driver, client: ClientId, how: ClientEnd) {
        let conn = &mut self.clients[client];
        conn.is_in = false;
        if matches!(conn.state, ConnectionState::Idle | ConnectionState::Closing) {
            return;
        }
        let how = match how {
            ClientEnd::Reset => Close::Reset,
            ClientEnd::Fin => Close::Graceful,
            ClientEnd::Silence => {
                conn.is_mute = true;
                return;
            }
        };
        conn.state = ConnectionState::Closing;
        self.end(driver, client, how);
    }

    /// Ends an attempt that took too long.
    pub fn give_up(&mut self, driver: &mut impl Driver, client: ClientId) {
        let why = match self.clients[client].state {
            ConnectionState::Connecting => "timed out",
            _ => "connected, and not answered within 30 s",
        };
        self.fail(client, why.to_owned());
        driver.close(self.clients[client].id(client), Close::Reset);
    }

    pub(super) fn handle_eof(&mut self, client: ClientId, now: Time) {
        if self.clients[client].reader.is_some() {
            self.handle_answers_end(client, now);
        } else if self.is_opening(client) {
            let why = if self.clients[client].outbox.is_shaking_hands() {
                "the server ended it within the handshake of TLS"
            } else {
                "the server ended it before the upgrade"
            };
            self.fail(client, why.to_owned());
        } else if self.clients[client].kind.is_publisher() {
            self.handle_publisher_eof(client);
        } else if self.clients[client].is_in {
            self.note_close(client, "ended without a close frame");
        }
        let conn = &mut self.clients[client];
        conn.outbox = Outbox::default();
        conn.ending.get_or_insert(Close::Reset);
        self.dirty.push(client);
    }

    pub(super) fn handle_closed(&mut self, client: ClientId, error: Option<ErrorKind>, now: Time) {
        note_gone(&mut self.windows, &self.clients[client]);
        let why = error.map_or_else(|| "ended".to_owned(), |kind| kind.to_string());
        let conn = &self.clients[client];
        let is_polling = conn.reader.is_some() && !self.transport(client).is_push();
        if conn.is_in && is_polling {
            return self.come_back(client, now);
        }
        if conn.is_in && conn.kind.is_publisher() {
            return self.come_back_publishing(client, &why, now);
        }
        if self.is_opening(client) {
            self.fail(client, why);
        } else if self.clients[client].is_in {
            self.note_close(client, &why);
        }
        self.clients[client].reset();
        self.gone.push(client);
    }

    /// We end it, since the server broke a rule.
    pub(super) fn break_off(&mut self, client: ClientId, why: &str) {
        if self.is_opening(client) {
            self.fail(client, why.to_owned());
        } else if self.clients[client].is_in {
            self.note_close(client, why);
        }
        self.clients[client].ending.get_or_insert(Close::Reset);
        self.dirty.push(client);
    }

    /// An attempt failed; the connection, if there is one, is ended.
    pub(super) fn fail(&mut self, client: ClientId, why: String) {
        if self.is_opening(client) {
            self.opening -= 1;
            self.ended.push((client, Some(why)));
        }
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Closing;
        conn.ending = Some(Close::Reset);
        self.dirty.push(client);
    }

    /// A client was ended by the server or for its fault. A publisher comes back.
    pub(super) fn note_close(&mut self, client: ClientId, why: &str) {
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Closing;
        conn.is_in = conn.kind.is_publisher();
        let (kind, topic) = (conn.kind, conn.topic as usize);
        let closes: &mut BTreeMap<String, u64> = match kind {
            ClientKind::Subscriber | ClientKind::Asker | ClientKind::Crowd => {
                &mut self.finished.closes
            }
            ClientKind::Slow => &mut self.finished.slow_closes,
            ClientKind::Publisher | ClientKind::Poster => &mut self.finished.publisher_closes,
        };
        count(closes, why);
        if kind == ClientKind::Subscriber {
            self.meter.leave(client.index(), topic);
        }
    }
}
