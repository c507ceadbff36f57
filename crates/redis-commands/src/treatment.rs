//! What a proxy may do with a command.
//!
//! Two views of the same table: [`Class`] is a label for metrics, few and stable; [`Treatment`]
//! says whose the command is. The words here only describe: with how many servers a treatment
//! applies, and what is answered where it cannot, is decided by the proxy.

/// The kind of a command, as a label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Read,
    Write,
    /// MGET, MSET, DEL, UNLINK, TOUCH, EXISTS.
    Multi,
    Script,
    PubSub,
    Transaction,
    /// May wait for something to happen; XREAD and XREADGROUP are `Read` and `Write`.
    Blocking,
    /// About the connection itself.
    Connection,
    /// About a server as a whole.
    Server,
}

impl Class {
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Write,
        Self::Multi,
        Self::Script,
        Self::PubSub,
        Self::Transaction,
        Self::Blocking,
        Self::Connection,
        Self::Server,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Multi => "multi",
            Self::Script => "script",
            Self::PubSub => "pubsub",
            Self::Transaction => "transaction",
            Self::Blocking => "blocking",
            Self::Connection => "connection",
            Self::Server => "server",
        }
    }

    /// The place in [`Class::ALL`].
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Whose a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The servers', by its keys. Without keys any server can answer.
    Forward,
    /// Can be cut into one request for each server, and the replies be merged.
    Split(Split),
    /// The proxy's where there are several servers; the only one's otherwise.
    Local(Local),
    /// The proxy's, even with one server.
    Always(Local),
    /// Needs a connection that no other client uses.
    Pin(Pin),
    /// Concerns all servers: forwarded with one, otherwise for all of them or for none.
    AllShards,
    /// Makes sense with one server only, and is harmless to a shared connection there.
    Refuse,
    /// Turns the connection into something else for good: never forwarded.
    Never,
}

/// How a command is cut up and put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// MGET: a value for each key, in order.
    Values,
    /// MSET: keys and values in turns, one `OK`.
    Pairs,
    /// DEL, UNLINK, TOUCH, EXISTS: the sum of the numbers.
    Count,
}

/// Commands that a proxy can answer by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    Auth,
    Client,
    Cluster,
    Command,
    Config,
    Echo,
    Hello,
    Info,
    Lolwut,
    Ping,
    Quit,
    Readonly,
    Readwrite,
    Reset,
    Time,
}

/// Why a command needs a connection of its own, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// MULTI, WATCH: until EXEC, DISCARD or UNWATCH.
    Transaction,
    /// Until its reply.
    Blocking,
    /// XREAD, XREADGROUP: as `Blocking` if [`crate::Command::blocks`], else forwarded.
    BlockOption,
    /// WAIT, WAITAOF: as `Blocking`. The server counts from the last command that it saw on that
    /// connection, so one (a PING does) must go before it, behind the replies to earlier writes.
    Wait,
    /// SUBSCRIBE, UNSUBSCRIBE and their kin, whose replies are one for each channel: until the
    /// last subscription has gone.
    PubSub,
    /// Until the connection ends.
    Monitor,
    /// SELECT: while the database is another than that of the shared connections.
    Select,
}
