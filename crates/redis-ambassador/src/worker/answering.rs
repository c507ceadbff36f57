//! What [`crate::local`] has to know of the thread to answer.

use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_commands::{Command, Local};
use resp::Args;

use super::Worker;
use crate::client::Client;
use crate::local::{self, After, Call, Connection, Facts, Session};
use crate::socket::Socket;

impl Worker {
    /// Answers a command that is ours into `reply`.
    pub(super) fn local_answer(
        &mut self,
        key: usize,
        local: Local,
        command: &'static Command,
        frame: &[u8],
        args: &Args,
        reply: &mut Vec<u8>,
    ) -> After {
        let mut session = std::mem::take(&mut self.clients[key].session);
        let client = &self.clients[key];
        let others = |show: &mut dyn FnMut(&Session, Connection)| {
            for (_, client) in self.clients.iter().filter(|(other, _)| *other != key) {
                show(&client.session, self.connection(client));
            }
        };
        let unix_time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let facts = Facts {
            pool: self.config(client.pool),
            pool_index: client.pool,
            version: &self.version,
            tcp_port: client.socket.tcp_port(),
            uptime: self.now,
            unix_time: &unix_time,
            metrics: &self.shared.metrics,
            own: &|| self.connection(client),
            others: &others,
        };
        let call = Call { command, argc: args.len(), arg: &|i| args.get(frame, i) };
        let after = local::answer(local, call, &mut session, &facts, reply);
        self.clients[key].session = session;
        after
    }

    fn connection(&self, client: &Client) -> Connection {
        let age = |since: Duration| self.now.saturating_sub(since);
        let (address, local_address) = client.socket.addresses();
        Connection {
            address,
            local_address,
            is_unix: matches!(client.socket, Socket::Unix(_)),
            fd: client.socket.as_raw_fd(),
            age: age(client.since),
            idle: age(client.last_request),
            unparsed_bytes: client.unparsed.len(),
            reply_bytes: client.queued(),
            pin: client.pin.as_ref().and_then(|pin| pin.reason()),
        }
    }
}
