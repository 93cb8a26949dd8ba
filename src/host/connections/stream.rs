//! A connection's stream, which fails where the peer does not read what is sent to it.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::table::Place;

/// How long a peer may take to read [`PROGRESS_BYTES`].
const STALL_TIME: Duration = Duration::from_secs(20);
/// What a peer must read at least; a byte now and then is no progress.
const PROGRESS_BYTES: usize = 16 * 1024;

pub(super) struct Stream {
    stream: TcpStream,
    place: Arc<Place>,
    /// Ends when the peer had to have read enough; there while it lets the server wait.
    stall: Option<Pin<Box<Sleep>>>,
    written: usize,
}

impl Stream {
    pub(super) fn new(stream: TcpStream, place: Arc<Place>) -> Stream {
        Stream { stream, place, stall: None, written: 0 }
    }

    fn progressed(&mut self) {
        self.written = 0;
        if self.stall.take().is_some() {
            self.place.stalled(false);
        }
    }

    /// Watches a write that has taken so many bytes, or must wait.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.written = self.written.saturating_add(*bytes);
                if self.written >= PROGRESS_BYTES {
                    self.progressed();
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                if self.stall.is_none() {
                    self.place.stalled(true);
                }
                let stall = self
                    .stall
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIME)))
                    .as_mut();
                std::task::ready!(stall.poll(context));
                Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer does not read")))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Is asked for once nothing is left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.progressed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
