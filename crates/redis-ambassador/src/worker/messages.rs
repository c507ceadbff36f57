//! What comes over a private connection and is no reply: pub/sub messages and lines of MONITOR.
//!
//! The first bytes of a frame tell which it is. A message passes as it comes, however large; only
//! the confirmation of a subscription is gathered, because its end says how many there are.

use resp::Protocol;

use super::Worker;
use crate::client::ClientRef;
use crate::lane::{LaneUse, Passing};
use crate::private::{Kind, Message};

/// Enough of a frame to see what it is.
const HEAD_BYTES: usize = 32;

impl Worker {
    /// Passes on a piece of a message; tells whether it was one, or not known yet.
    pub(super) fn pass_message(&mut self, key: usize, piece: &[u8], is_whole: bool) -> bool {
        let lane = &mut self.lanes[key];
        let LaneUse::Private(place) = lane.use_ else { return false };
        let Some(client) = self.clients.get_mut(place) else { return false };
        let Some(pin) = client.pin.as_mut() else { return false };
        if lane.passing == Passing::Undecided {
            if lane.partial.len() + piece.len() < HEAD_BYTES && !is_whole {
                lane.partial.extend_from_slice(piece);
                return true;
            }
            let mut head = [0; HEAD_BYTES];
            let len = HEAD_BYTES.min(lane.partial.len() + piece.len());
            let bytes = lane.partial.iter().chain(piece);
            head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            let may_be_array = lane.protocol == Protocol::Resp2 && pin.is_subscribed();
            let is_unasked = lane.waiters.is_empty();
            lane.passing = passing(&head[..len], may_be_array, pin.is_monitoring, is_unasked);
            if is_unasked && pin.is_confirming() && head[0] == b'-' {
                pin.note_refusal();
            }
        }
        match lane.passing {
            Passing::Reply | Passing::Undecided => {
                if is_whole {
                    lane.passing = Passing::Undecided;
                }
                return false;
            }
            Passing::Message => {
                client.outbox.push(&lane.partial, &mut self.blocks);
                lane.partial.clear();
                client.outbox.push(piece, &mut self.blocks);
            }
            Passing::Confirmation => {
                lane.partial.extend_from_slice(piece);
                if is_whole {
                    if let Some(message) = Message::read(&lane.partial) {
                        pin.note_message(&message);
                    }
                    client.outbox.push(&lane.partial, &mut self.blocks);
                    lane.partial.clear();
                }
            }
        }
        if is_whole {
            lane.passing = Passing::Undecided;
            lane.reply_bytes = 0;
        }
        let named = ClientRef::new(place, client.id);
        self.touch(named.place());
        true
    }
}

/// What a frame that begins like this is. In RESP2 a message is an array like any other.
fn passing(head: &[u8], may_be_array: bool, is_monitoring: bool, is_unasked: bool) -> Passing {
    let is_line = is_monitoring && matches!(head, [b'+', b'0'..=b'9', ..]);
    let is_push = head.first() == Some(&b'>');
    match Kind::of(head) {
        Some(Kind::Confirmation) if is_push || may_be_array => Passing::Confirmation,
        Some(Kind::Published) if is_push || may_be_array => Passing::Message,
        _ if is_push || is_line || is_unasked => Passing::Message,
        _ => Passing::Reply,
    }
}
