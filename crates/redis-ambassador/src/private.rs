//! Why a client has a server connection of its own, and until when.
//!
//! Redis keeps state by connection: a transaction, watched keys, subscriptions, the database. While
//! a client has any, its requests go over a private connection; when the state has gone and all is
//! answered, the connection is free for the next who needs one. What the state is follows from the
//! requests that were sent; only the number of subscriptions is told by the server.

use redis_commands::Pin as Reason;
use resp::Args;

/// A client's private connection.
#[derive(Debug)]
pub(crate) struct Pin {
    /// Its place among the lanes.
    pub(crate) lane: usize,
    /// MULTI was sent, EXEC or DISCARD was not.
    is_in_transaction: bool,
    is_watching: bool,
    pub(crate) is_monitoring: bool,
    /// It may be subscribed, or not: that was queued in a transaction.
    is_unclear: bool,
    /// Requests under way that wait for what may never come.
    blocked: usize,
    /// SELECT chose another database, or may have.
    is_elsewhere: bool,
    /// Subscriptions, by [`Topic`].
    subscriptions: [u64; 3],
    /// Messages that confirm a subscription or its end, and are to come.
    confirmations: usize,
}

/// What the server sends in answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Reply,
    /// It may take as long as it likes.
    ReplyAtAnyTime,
    /// Messages, one for each channel.
    Messages,
}

impl Pin {
    pub(crate) fn new(lane: usize) -> Pin {
        Pin {
            lane,
            is_in_transaction: false,
            is_watching: false,
            is_monitoring: false,
            is_unclear: false,
            blocked: 0,
            is_elsewhere: false,
            subscriptions: [0; 3],
            confirmations: 0,
        }
    }

    /// Why it is needed, for CLIENT LIST.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let reasons = [
            (self.is_in_transaction || self.is_watching, Reason::Transaction),
            (self.is_subscribed(), Reason::PubSub),
            (self.is_monitoring, Reason::Monitor),
            (self.is_elsewhere, Reason::Select),
        ];
        reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
    }

    /// Whether anything would be lost with the connection.
    pub(crate) fn has_state(&self) -> bool {
        self.reason().is_some()
    }

    /// Whether confirmations are to come, and everything else has to wait for them.
    pub(crate) fn is_confirming(&self) -> bool {
        self.confirmations > 0
    }

    /// Whether messages may come.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.confirmations > 0 || self.subscriptions != [0; 3] || self.is_unclear
    }

    /// Whether what it waits for may never come.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.is_subscribed() || self.is_monitoring || self.is_blocked()
    }

    /// Whether a request under way waits for what may never come.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked > 0
    }

    /// The server answered a request that could wait for any time.
    pub(crate) fn unblock(&mut self) {
        self.blocked = self.blocked.saturating_sub(1);
    }

    /// Whether HELLO would be queued or refused by the server.
    pub(crate) fn is_elsewhere_for_hello(&self) -> bool {
        self.is_in_transaction || self.is_subscribed()
    }

    /// A subscription was refused: what there is now is not known.
    pub(crate) fn note_refusal(&mut self) {
        (self.confirmations, self.is_unclear) = (0, true);
    }

    /// Follows what a request does to the connection.
    pub(crate) fn note(&mut self, reason: Option<Reason>, frame: &[u8], args: &Args) -> Expected {
        let name = || args.get(frame, 0).to_ascii_lowercase();
        match reason {
            Some(Reason::Transaction) => self.note_transaction(&name(), args.len()),
            Some(Reason::Blocking | Reason::BlockOption | Reason::Wait)
                if !self.is_in_transaction =>
            {
                self.blocked += 1;
                return Expected::ReplyAtAnyTime;
            }
            Some(Reason::PubSub) if self.is_in_transaction => self.is_unclear = true,
            Some(Reason::PubSub) => {
                let ends = name().ends_with(b"unsubscribe");
                // Without a channel it is an error.
                if !ends && args.len() < 2 {
                    return Expected::Reply;
                }
                // Without a channel all subscriptions of the kind end, or none does and says so.
                let of_all = || self.subscriptions[Topic::of(&name()) as usize].max(1);
                let count = if args.len() > 1 { args.len() as u64 - 1 } else { of_all() };
                self.confirmations += usize::try_from(count).unwrap_or(usize::MAX);
                return Expected::Messages;
            }
            Some(Reason::Monitor) => self.is_monitoring = true,
            Some(Reason::Select) => {
                // In a transaction it is only queued, and may never be done.
                let is_back = args.len() == 2 && args.get(frame, 1) == b"0";
                self.is_elsewhere = !is_back || (self.is_in_transaction && self.is_elsewhere);
            }
            _ => {}
        }
        Expected::Reply
    }

    fn note_transaction(&mut self, name: &[u8], argc: usize) {
        match name {
            b"multi" => self.is_in_transaction = true,
            b"watch" => self.is_watching = true,
            b"unwatch" => self.is_watching &= self.is_in_transaction || argc > 1,
            // These end both, and are errors without MULTI. EXEC does so even if it is called
            // wrongly, DISCARD does not.
            b"exec" | b"discard" if self.is_in_transaction && (argc == 1 || name == b"exec") => {
                (self.is_in_transaction, self.is_watching) = (false, false);
            }
            _ => {}
        }
    }

    /// Follows what a message says about subscriptions.
    pub(crate) fn note_message(&mut self, message: &Message) {
        if let Message::Confirmation { topic, count } = message {
            // The server counts channels and patterns together.
            let others = match topic {
                Topic::Channel => self.subscriptions[Topic::Pattern as usize],
                Topic::Pattern => self.subscriptions[Topic::Channel as usize],
                Topic::Shard => 0,
            };
            self.subscriptions[*topic as usize] = count.saturating_sub(others);
            self.confirmations = self.confirmations.saturating_sub(1);
        }
    }
}

/// A message that is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Published,
    /// So many subscriptions there are now.
    Confirmation {
        topic: Topic,
        count: u64,
    },
}

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Channel,
    Pattern,
    Shard,
}

impl Topic {
    /// From the name of the command, or of its confirmation, in lower case.
    fn of(name: &[u8]) -> Topic {
        match name {
            b"psubscribe" | b"punsubscribe" => Topic::Pattern,
            b"ssubscribe" | b"sunsubscribe" => Topic::Shard,
            _ => Topic::Channel,
        }
    }
}

impl Message {
    /// Reads a whole frame; `None` if it is a reply.
    pub(crate) fn read(frame: &[u8]) -> Option<Message> {
        match Kind::of(frame)? {
            Kind::Published => Some(Message::Published),
            Kind::Confirmation => {
                let count = resp::integer(resp::elements(frame)?.last()?)?;
                let topic = Topic::of(word(frame)?);
                Some(Message::Confirmation { topic, count: count.unsigned_abs() })
            }
        }
    }
}

/// What a message is, as its first element says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Published,
    Confirmation,
}

impl Kind {
    /// Reads the beginning of a frame; `None` if it is another one.
    pub(crate) fn of(head: &[u8]) -> Option<Kind> {
        match word(head)? {
            b"message" | b"pmessage" | b"smessage" => Some(Kind::Published),
            b"subscribe" | b"psubscribe" | b"ssubscribe" | b"unsubscribe" | b"punsubscribe"
            | b"sunsubscribe" => Some(Kind::Confirmation),
            _ => None,
        }
    }
}

/// The first element of an array or push.
fn word(head: &[u8]) -> Option<&[u8]> {
    let is_array = matches!(head.first(), Some(b'*' | b'>'));
    head.split(|byte| *byte == b'\n').nth(2).filter(|_| is_array)?.strip_suffix(b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_from_replies() {
        let confirmation = |topic, count| Some(Message::Confirmation { topic, count });
        for (frame, message) in [
            (&b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"[..], Some(Message::Published)),
            (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n", confirmation(Topic::Channel, 1)),
            (b">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n", confirmation(Topic::Shard, 0)),
            (b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", confirmation(Topic::Channel, 0)),
            (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", None),
            (b"*0\r\n", None),
            (b"+OK\r\n", None),
        ] {
            assert_eq!(Message::read(frame), message, "{}", frame.escape_ascii());
        }
    }
}
