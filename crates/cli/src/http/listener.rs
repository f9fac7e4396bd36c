use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Accepts a limited number of connections at a time. Further ones wait in the system's queue.
pub(crate) struct LimitedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl LimitedListener {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (LimitedStream, SocketAddr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        // Waits where the system is out of file descriptors.
        let (stream, remote) = Listener::accept(&mut self.listener).await;
        (LimitedStream { stream, silence: Box::pin(sleep(SILENCE)), _permit: permit }, remote)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Listener::local_addr(&self.listener)
    }
}

/// A connection that ends when nothing is read from or written to it for `SILENCE`, so that silent ones keep nobody out.
pub(crate) struct LimitedStream {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl LimitedStream {
    /// Notes that bytes came or went. If none do, and have not for too long, this is an error, which ends the connection.
    fn note<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
            return polled;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.note(context, polled)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// More than any number of monitors needs.
const CONNECTIONS: usize = 64;
/// More than the interval at which a monitor reads metrics.
const SILENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_further_connection_waits_until_another_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut limited = LimitedListener::new(listener);
        let (mut callers, mut accepted) = (vec![], vec![]);
        for _ in 0..CONNECTIONS {
            callers.push(TcpStream::connect(address).await.unwrap());
            accepted.push(limited.accept().await);
        }
        callers.push(TcpStream::connect(address).await.unwrap());
        assert!(tokio::time::timeout(Duration::ZERO, limited.accept()).await.is_err());
        accepted.pop();
        limited.accept().await;
    }

    // A client that asked for metrics and read none of them kept its place for good.
    #[tokio::test]
    async fn a_client_that_does_not_read_is_silent_too() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut limited = LimitedListener::new(listener);
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut stream, _) = limited.accept().await;
        let bytes = vec![0; 1 << 20];
        let filled = |context: &mut Context<'_>| {
            while let Poll::Ready(written) = Pin::new(&mut stream).poll_write(context, &bytes) {
                written.unwrap();
            }
            Poll::Ready(())
        };
        std::future::poll_fn(filled).await;
        stream.silence.as_mut().reset(Instant::now());
        let silent = std::future::poll_fn(|context| Pin::new(&mut stream).poll_write(context, &bytes)).await;
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
