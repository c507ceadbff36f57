//! A stream with its first byte put back.
//!
//! In goes a byte that was read to see what the stream carries, and the stream; out comes a stream
//! that begins with that byte. Peeking at the socket instead works for TCP only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::Stream;

pub(crate) struct Rewound {
    first: Option<u8>,
    rest: Stream,
}

impl Rewound {
    pub(crate) fn new(first: u8, rest: Stream) -> Rewound {
        Rewound { first: Some(first), rest }
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.rest).poll_read(context, buffer)
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.rest).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.rest).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn the_first_byte_is_read_again() {
        let (mut far, near) = UnixStream::pair().unwrap();
        far.write_all(b"bc").await.unwrap();
        far.shutdown().await.unwrap();
        let mut text = String::new();
        Rewound::new(b'a', Box::new(near)).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abc");
    }
}
