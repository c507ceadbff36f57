//! Whole small replies as a tree: what servers answer to a handshake, and what tests look at.
//!
//! In: the bytes of one reply. Out: a [`Frame`]. The reading is done by the crate redis-protocol,
//! which recurses with the nesting and starts again at the first byte of a half frame; so nothing
//! reaches it that our own scan has not found complete, at most [`FRAME_BYTES_MAX`] long and at
//! most [`FRAME_DEPTH_MAX`] deep. Never used for traffic.

use redis_protocol::{resp2, resp3};

use crate::{Protocol, ProtocolError, ReplyScan, write};

/// Bytes of a frame at most: 1 MiB.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Aggregates nested at most this deep.
pub const FRAME_DEPTH_MAX: usize = 32;

/// A reply as a tree. What RESP2 cannot say is told apart in RESP3 only.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Simple(Vec<u8>),
    /// A simple or a blob error, its code in front.
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Frame>),
    /// In no particular order.
    Map(Vec<(Frame, Frame)>),
    /// In no particular order.
    Set(Vec<Frame>),
    Push(Vec<Frame>),
    Double(f64),
    Boolean(bool),
    BigNumber(Vec<u8>),
    /// The text without its format.
    Verbatim(Vec<u8>),
}

/// The frame that `bytes` are, all of them. Attributes are dropped.
pub fn decode(bytes: &[u8], protocol: Protocol) -> Result<Frame, ProtocolError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(ProtocolError::BadReply);
    }
    let mut scan = ReplyScan::with_depth(FRAME_DEPTH_MAX);
    if scan.advance(bytes)? != (bytes.len(), true) {
        return Err(ProtocolError::BadReply);
    }
    let bad = |_| ProtocolError::BadReply;
    match protocol {
        Protocol::Resp2 => match resp2::decode::decode(bytes).map_err(bad)? {
            Some((frame, _)) => Ok(from_resp2(frame)),
            None => Err(ProtocolError::BadReply),
        },
        Protocol::Resp3 => match resp3::decode::complete::decode(bytes).map_err(bad)? {
            Some((frame, _)) => from_resp3(frame),
            None => Err(ProtocolError::BadReply),
        },
    }
}

/// Appends `frame`. Kinds that RESP2 lacks take the form that Redis gives them there.
pub fn encode(frame: &Frame, protocol: Protocol, out: &mut Vec<u8>) {
    let resp3 = protocol == Protocol::Resp3;
    match frame {
        Frame::Simple(text) => write::simple(out, &String::from_utf8_lossy(text)),
        Frame::Error(text) => write::error(out, text),
        Frame::Integer(value) => write::integer(out, *value),
        Frame::Bulk(bytes) => write::bulk(out, bytes),
        Frame::Null => write::null(out, protocol),
        Frame::Array(elements) => {
            write::array_header(out, elements.len());
            elements.iter().for_each(|element| encode(element, protocol, out));
        }
        Frame::Push(elements) => {
            let start = out.len();
            write::array_header(out, elements.len());
            if resp3 {
                out[start] = b'>';
            }
            elements.iter().for_each(|element| encode(element, protocol, out));
        }
        Frame::Set(elements) => {
            write::set_header(out, protocol, elements.len());
            elements.iter().for_each(|element| encode(element, protocol, out));
        }
        Frame::Map(pairs) => {
            write::map_header(out, protocol, pairs.len());
            for (key, value) in pairs {
                encode(key, protocol, out);
                encode(value, protocol, out);
            }
        }
        Frame::Double(value) if resp3 => out.extend(format!(",{value}\r\n").into_bytes()),
        Frame::Double(value) => write::bulk(out, value.to_string().as_bytes()),
        Frame::Boolean(value) if resp3 => out.extend(if *value { b"#t\r\n" } else { b"#f\r\n" }),
        Frame::Boolean(value) => write::integer(out, i64::from(*value)),
        Frame::BigNumber(digits) if resp3 => {
            out.push(b'(');
            out.extend_from_slice(digits);
            out.extend_from_slice(b"\r\n");
        }
        Frame::BigNumber(digits) => write::bulk(out, digits),
        Frame::Verbatim(text) => write::text(out, protocol, text),
    }
}

impl Frame {
    /// The bytes of a simple, bulk or verbatim string.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Verbatim(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of `key` in a map, or in an array of keys and values in turns.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Frame> {
        let is_key = |frame: &Frame| frame.bytes() == Some(key.as_bytes());
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| is_key(name)).map(|(_, value)| value),
            Self::Array(flat) => flat.chunks_exact(2).find(|pair| is_key(&pair[0])).map(|p| &p[1]),
            _ => None,
        }
    }
}

fn from_resp2(frame: resp2::types::OwnedFrame) -> Frame {
    use resp2::types::OwnedFrame as Read;
    match frame {
        Read::SimpleString(text) => Frame::Simple(text),
        Read::Error(text) => Frame::Error(text),
        Read::Integer(value) => Frame::Integer(value),
        Read::BulkString(bytes) => Frame::Bulk(bytes),
        Read::Array(elements) => Frame::Array(elements.into_iter().map(from_resp2).collect()),
        Read::Null => Frame::Null,
    }
}

fn from_resp3(frame: resp3::types::OwnedFrame) -> Result<Frame, ProtocolError> {
    use resp3::types::OwnedFrame as Read;
    Ok(match frame {
        Read::BlobString { data, .. } => Frame::Bulk(data),
        Read::SimpleString { data, .. } => Frame::Simple(data),
        Read::BlobError { data, .. } => Frame::Error(String::from_utf8_lossy(&data).into_owned()),
        Read::SimpleError { data, .. } => Frame::Error(data),
        Read::Boolean { data, .. } => Frame::Boolean(data),
        Read::Null => Frame::Null,
        Read::Number { data, .. } => Frame::Integer(data),
        Read::Double { data, .. } => Frame::Double(data),
        Read::BigNumber { data, .. } => Frame::BigNumber(data),
        Read::VerbatimString { data, .. } => Frame::Verbatim(data),
        Read::Array { data, .. } => Frame::Array(all_from_resp3(data)?),
        Read::Set { data, .. } => Frame::Set(all_from_resp3(data)?),
        Read::Push { data, .. } => Frame::Push(all_from_resp3(data)?),
        Read::Map { data, .. } => Frame::Map(
            data.into_iter()
                .map(|(key, value)| Ok((from_resp3(key)?, from_resp3(value)?)))
                .collect::<Result<_, ProtocolError>>()?,
        ),
        Read::Hello { .. } | Read::ChunkedString(_) => return Err(ProtocolError::BadReply),
    })
}

fn all_from_resp3(
    frames: impl IntoIterator<Item = resp3::types::OwnedFrame>,
) -> Result<Vec<Frame>, ProtocolError> {
    frames.into_iter().map(from_resp3).collect()
}
