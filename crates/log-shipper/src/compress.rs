//! Bytes to fewer bytes, for sinks whose servers take them.
//!
//! The fastest level of each codec: logs shrink to a seventh or so at it, and the next level costs
//! half as much again for little. The codec's state is kept between batches; each batch is a
//! complete stream by itself.

use std::io;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// zstd level 1 and gzip level 1.
const LEVEL: u8 = 1;
/// Of the window of gzip, in bits: 32 KiB.
const GZIP_WINDOW_BITS: u8 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Zstd,
}

impl Codec {
    /// The value of `Content-Encoding`.
    pub(crate) fn encoding(self) -> Option<&'static str> {
        match self {
            Codec::None => None,
            Codec::Gzip => Some("gzip"),
            Codec::Zstd => Some("zstd"),
        }
    }
}

pub(crate) enum Compressor {
    None,
    Gzip(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    /// # Errors
    /// Memory for the codec's state cannot be had.
    pub(crate) fn new(codec: Codec) -> io::Result<Compressor> {
        Ok(match codec {
            Codec::None => Compressor::None,
            Codec::Gzip => {
                let level = Compression::new(u32::from(LEVEL));
                Compressor::Gzip(Compress::new_gzip(level, GZIP_WINDOW_BITS))
            }
            Codec::Zstd => Compressor::Zstd(zstd::bulk::Compressor::new(i32::from(LEVEL))?),
        })
    }

    /// # Errors
    /// The codec's own; they stand for a broken invariant.
    pub(crate) fn compress(&mut self, bytes: Bytes) -> io::Result<Bytes> {
        match self {
            Compressor::None => Ok(bytes),
            Compressor::Gzip(state) => gzip(state, &bytes).map(Bytes::from),
            Compressor::Zstd(state) => state.compress(&bytes).map(Bytes::from),
        }
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Compressor::None => "None",
            Compressor::Gzip(_) => "Gzip",
            Compressor::Zstd(_) => "Zstd",
        })
    }
}

fn gzip(state: &mut Compress, bytes: &[u8]) -> io::Result<Vec<u8>> {
    /// What a stream costs besides its content.
    const OVERHEAD: usize = 64;
    state.reset();
    let mut out = Vec::with_capacity(bytes.len() / 4 + OVERHEAD);
    let mut done = 0;
    loop {
        let status = state.compress_vec(&bytes[done..], &mut out, FlushCompress::Finish)?;
        done = usize::try_from(state.total_in()).map_err(io::Error::other)?;
        if status == Status::StreamEnd {
            return Ok(out);
        }
        out.reserve(bytes.len() / 4 + OVERHEAD);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_batch_is_a_stream_by_itself() {
        let batches: [Vec<u8>; 3] = [
            b"hello\n".repeat(50_000),
            Vec::new(),
            (0_u32..100_000).flat_map(|it| it.wrapping_mul(2_654_435_761).to_le_bytes()).collect(),
        ];
        for codec in [Codec::None, Codec::Gzip, Codec::Zstd] {
            let mut compressor = Compressor::new(codec).unwrap();
            for batch in &batches {
                let packed = compressor.compress(Bytes::from(batch.clone())).unwrap();
                let mut unpacked = Vec::new();
                match codec {
                    Codec::None => unpacked.extend_from_slice(&packed),
                    Codec::Gzip => {
                        let mut reader = flate2::read::GzDecoder::new(&packed[..]);
                        reader.read_to_end(&mut unpacked).unwrap();
                    }
                    Codec::Zstd => unpacked = zstd::stream::decode_all(&packed[..]).unwrap(),
                }
                assert!(unpacked == *batch, "{codec:?}");
            }
        }
    }
}
