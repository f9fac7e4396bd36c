use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, StoppedError, VarInt, WriteError};
use vectr_delta::Fingerprint;

use crate::connection::allowance::StreamAllowances;
use crate::connection::raw::{RawRecv, RawSend};
use crate::connection::{Connection, Lease};
use crate::protocol::{STREAM_ABANDONED, StreamKind};
use crate::{PeerRights, TransportError};

/// A bidirectional stream to an authenticated peer, which was trusted when the stream was handed out.
pub struct PeerStream {
    /// The fingerprint of the peer.
    pub peer: Fingerprint,
    /// The peer's address when the stream was handed out.
    pub remote: SocketAddr,
    /// Whether the opening passed to `open` was sent. If not, nothing was.
    pub opening_sent: bool,
    /// Whether the stream runs over TCP because UDP did not get through.
    pub fallback: bool,
    /// The half that sends to the peer.
    pub send: SendHalf,
    /// The half that receives from the peer.
    pub recv: RecvHalf,
}

impl PeerStream {
    pub(crate) fn new(lease: Lease, send: RawSend, recv: RawRecv) -> Self {
        let (peer, remote) = (lease.connection().peer, lease.connection().remote());
        let fallback = lease.connection().raw.is_fallback();
        let lease = Arc::new(lease);
        let send = SendHalf { stream: send, lease: Arc::clone(&lease), finished: false };
        let recv = RecvHalf { stream: recv, lease, arrived: VecDeque::new(), ended: false };
        Self { peer, remote, opening_sent: false, fallback, send, recv }
    }

    /// Opens a stream of this kind on a live connection. `opening` is sent with it if it was made for the peer that is
    /// actually there.
    pub(crate) async fn open(
        lease: Lease,
        kind: StreamKind,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<Self, TransportError> {
        let connection = Arc::clone(lease.connection());
        connection.check()?;
        let (send, recv) = connection.raw.open_bi().await.map_err(|error| connection.explain(&error))?;
        let mut stream = Self::new(lease, send, recv);
        let opening = opening.filter(|(expected, _)| *expected == connection.peer).map(|(_, bytes)| bytes);
        stream.opening_sent = opening.is_some();
        let mut first = first_chunks(kind, opening);
        let written = stream.send.stream.write_all_chunks(&mut first).await;
        written.map_err(|error| stream.send.explain(&error))?;
        Ok(stream)
    }

    /// What the peer may do, evaluated at each query.
    #[must_use]
    pub fn rights(&self) -> PeerRights {
        self.connection().rights()
    }

    /// With which the peer may have more streams open on the connection of this one.
    #[must_use]
    pub fn allowances(&self) -> StreamAllowances {
        self.connection().allowances.clone()
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.send.lease.connection()
    }
}

impl std::fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("PeerStream");
        text.field("peer", &self.peer)
            .field("remote", &self.remote)
            .field("opening_sent", &self.opening_sent);
        text.finish_non_exhaustive()
    }
}

/// The sending half of a stream. Dropped unfinished, it is reset with [`STREAM_ABANDONED`].
pub struct SendHalf {
    stream: RawSend,
    lease: Arc<Lease>,
    finished: bool,
}

impl SendHalf {
    /// Writes bytes without copying them, and waits while the peer or the network is behind. Not cancel-safe: a part
    /// may have been sent.
    ///
    /// # Errors
    /// The error that ended the connection; `BrokenOff` if the peer stopped the stream; `ERR_CLOSED` after `finish` or
    /// `reset`.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), TransportError> {
        self.stream.write_chunk(bytes).await.map_err(|error| self.explain(&error))
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.lease.connection()
    }

    /// Marks the end of the stream. What was written is still delivered.
    pub fn finish(&mut self) {
        self.finished = true;
        self.stream.finish();
    }

    /// Aborts the stream: bytes that have not arrived may be lost. The peer's reads fail with this code.
    pub fn reset(&mut self, code: u32) {
        self.finished = true;
        self.stream.reset(code);
    }

    /// After `finish`: waits until the peer's machine has acknowledged every byte.
    ///
    /// # Errors
    /// As for `write`.
    pub async fn delivered(&mut self) -> Result<(), TransportError> {
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(broken_off(self.lease.connection(), code)),
            Err(StoppedError::ConnectionLost(error)) => Err(self.lease.connection().explain(&error)),
            Err(StoppedError::ZeroRttRejected) => Err(early_data_rejected(self.lease.connection())),
        }
    }

    fn explain(&self, error: &WriteError) -> TransportError {
        let connection = self.lease.connection();
        match error {
            WriteError::Stopped(code) => broken_off(connection, *code),
            WriteError::ConnectionLost(error) => connection.explain(error),
            WriteError::ClosedStream => half_closed(connection),
            WriteError::ZeroRttRejected => early_data_rejected(connection),
        }
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        // quinn would finish the stream, and a task stopped halfway would look as if it had completed.
        if !self.finished {
            self.stream.reset(STREAM_ABANDONED);
        }
    }
}

/// The receiving half of a stream. Dropped before the end, it stops the peer with [`STREAM_ABANDONED`].
pub struct RecvHalf {
    stream: RawRecv,
    lease: Arc<Lease>,
    arrived: VecDeque<Bytes>,
    ended: bool,
}

impl RecvHalf {
    /// Reads the next bytes in order, as they arrived, never empty; `None` once the peer has finished. Safe to cancel.
    ///
    /// # Errors
    /// The error that ended the connection; `BrokenOff` if the peer reset the stream; `ERR_CLOSED` after `stop`.
    pub async fn read(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match self.arrived.pop_front() {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Ok(Some(bytes)),
                None if self.ended => return Ok(None),
                None => self.refill().await?,
            }
        }
    }

    /// Stops the stream and drops the bytes that were not read. The peer's writes fail with this code.
    pub fn stop(&mut self, code: u32) {
        self.arrived.clear();
        self.stream.stop(code);
    }

    /// Puts bytes back in front of the unread ones.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.arrived.push_front(bytes);
    }

    /// Reads many packets each time it takes the connection's lock.
    async fn refill(&mut self) -> Result<(), TransportError> {
        let mut chunks = [const { Bytes::new() }; MAX_CHUNKS];
        match self.stream.read_chunks(&mut chunks).await {
            Ok(Some(count)) => self.arrived.extend(chunks.into_iter().take(count)),
            Ok(None) => self.ended = true,
            Err(error) => return Err(self.explain(&error)),
        }
        Ok(())
    }

    fn explain(&self, error: &ReadError) -> TransportError {
        let connection = self.lease.connection();
        match error {
            ReadError::Reset(code) => broken_off(connection, *code),
            ReadError::ConnectionLost(error) => connection.explain(error),
            ReadError::ClosedStream | ReadError::IllegalOrderedRead => half_closed(connection),
            ReadError::ZeroRttRejected => early_data_rejected(connection),
        }
    }
}

/// The first bytes of a stream on the wire.
pub(crate) fn first_chunks(kind: StreamKind, opening: Option<Bytes>) -> [Bytes; 2] {
    let kind: &'static [u8] = match kind {
        StreamKind::Session => &[StreamKind::Session as u8],
        StreamKind::Ping => &[StreamKind::Ping as u8],
        StreamKind::Messages => &[StreamKind::Messages as u8],
        StreamKind::Proof => &[StreamKind::Proof as u8],
    };
    [Bytes::from_static(kind), opening.unwrap_or_default()]
}

/// Once the connection has ended, its error says more than the state of the stream.
fn half_closed(connection: &Connection) -> TransportError {
    connection.end().unwrap_or(TransportError::Closed { what: "this half of the stream" })
}

fn broken_off(connection: &Connection, code: VarInt) -> TransportError {
    TransportError::BrokenOff { remote: connection.remote(), stream_code: code.into_inner() }
}

/// Streams are handed out only after the handshake, when early data has been accepted or sent again.
fn early_data_rejected(connection: &Connection) -> TransportError {
    connection.explain(&ConnectionError::Reset)
}

const MAX_CHUNKS: usize = 64;
