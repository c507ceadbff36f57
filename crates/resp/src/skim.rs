//! Goes over the rest of a request that is passed on as it comes.
//!
//! A request too long to be kept is not scanned again from its first byte: once the scan has told
//! where it goes, its bytes pass through, and only its end is looked for. In: the pieces, each
//! once, in order. Out: how many bytes of the piece still belong to the request. Nothing of a
//! piece is kept but a half-read length. The errors are those of `RequestScan`; they come as soon
//! as a byte is wrong, since what lies in front of it has been passed on already.

use crate::{ProtocolError, RequestLimits, RequestScan};

/// The end of a request that is not kept.
#[derive(Debug, Clone, Copy)]
pub struct Skim {
    /// Arguments whose last byte has not been seen, the one under way among them.
    left: usize,
    state: State,
    limits: RequestLimits,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Dollar,
    /// The digits so far, as a number; `None` before the first one.
    Length(Option<i64>),
    LengthEnd(usize),
    /// Bytes of the bulk that are still to come.
    Bulk(usize),
    Cr,
    Lf,
}

impl Skim {
    /// Takes over from `scan`, which left `frame` incomplete: the next byte that [`Skim::advance`]
    /// sees is the one behind `frame`. `None` while the scan has not read how many arguments come.
    pub fn take_over(
        scan: &RequestScan,
        frame: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<Self>, ProtocolError> {
        if !scan.in_arguments() {
            return Ok(None);
        }
        let state = scan.bulk_under_way().map_or(State::Dollar, Self::bulk);
        let mut skim = Self { left: scan.left(), state, limits: *limits };
        skim.advance(frame.get(scan.position()..).unwrap_or_default())?;
        Ok(Some(skim))
    }

    /// A skim of `n` bulk strings that begin with the next byte.
    #[must_use]
    pub fn arguments(n: usize, limits: &RequestLimits) -> Self {
        Self { left: n, state: State::Dollar, limits: *limits }
    }

    /// How many of `bytes` belong to the request, and whether it ends with them.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        while self.left > 0 {
            if let State::Bulk(left) = self.state {
                let passed = left.min(bytes.len() - at);
                at += passed;
                self.state = Self::bulk(left - passed);
                if left > passed {
                    break;
                }
            }
            let Some(byte) = bytes.get(at) else { break };
            self.step(*byte)?;
            at += 1;
        }
        Ok((at, self.left == 0))
    }

    fn bulk(left: usize) -> State {
        if left == 0 { State::Cr } else { State::Bulk(left) }
    }

    fn step(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.state = match (self.state, byte) {
            (State::Dollar, b'$') => State::Length(None),
            (State::Dollar, byte) => return Err(ProtocolError::ExpectedBulk(byte)),
            (State::Length(None), b'0'..=b'9') => State::Length(Some(i64::from(byte - b'0'))),
            // A leading zero, or more digits than any limit has.
            (State::Length(Some(len @ 1..=0xff_ffff_ffff)), b'0'..=b'9') => {
                State::Length(Some(len * 10 + i64::from(byte - b'0')))
            }
            (State::Length(Some(len)), b'\r') => State::LengthEnd(self.limits.bulk(len)?),
            (State::LengthEnd(len), b'\n') => Self::bulk(len),
            (State::Cr, b'\r') => State::Lf,
            (State::Lf, b'\n') => {
                self.left -= 1;
                State::Dollar
            }
            _ => return Err(ProtocolError::InvalidBulkLength),
        };
        Ok(())
    }
}
