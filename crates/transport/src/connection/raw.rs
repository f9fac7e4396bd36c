use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, StoppedError, VarInt, WriteError};
use rustls::pki_types::CertificateDer;

use crate::limits::CONNECTION_WINDOW;
use crate::protocol::CloseCode;
use crate::tcp::{TcpConnection, TcpRecv, TcpSend};

/// A QUIC connection, or a TCP connection where UDP does not get through. Both fail with QUIC's errors.
#[derive(Clone, Debug)]
pub(crate) enum RawConnection {
    Quic(quinn::Connection),
    Tcp(TcpConnection),
}

impl RawConnection {
    /// Opens a bidirectional stream. Waits while the peer allows no more.
    pub(crate) async fn open_bi(&self) -> Result<(RawSend, RawRecv), ConnectionError> {
        match self {
            Self::Quic(connection) => connection.open_bi().await.map(from_quic),
            Self::Tcp(connection) => connection.open_bi().await.map(from_tcp),
        }
    }

    /// Waits for the next stream that the peer opens.
    pub(crate) async fn accept_bi(&self) -> Result<(RawSend, RawRecv), ConnectionError> {
        match self {
            Self::Quic(connection) => connection.accept_bi().await.map(from_quic),
            Self::Tcp(connection) => connection.accept_bi().await.map(from_tcp),
        }
    }

    /// Closes the connection and tells the peer why.
    pub(crate) fn close(&self, code: CloseCode, reason: &[u8]) {
        match self {
            Self::Quic(connection) => connection.close(code.into(), reason),
            Self::Tcp(connection) => connection.close(code as u32, reason),
        }
    }

    /// Resolves when the connection has ended.
    pub(crate) async fn closed(&self) -> ConnectionError {
        match self {
            Self::Quic(connection) => connection.closed().await,
            Self::Tcp(connection) => connection.closed().await,
        }
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        match self {
            Self::Quic(connection) => connection.close_reason(),
            Self::Tcp(connection) => connection.close_reason(),
        }
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        match self {
            Self::Quic(connection) => connection.remote_address(),
            Self::Tcp(connection) => connection.remote_address(),
        }
    }

    /// The certificates that the peer presented, its own first.
    pub(crate) fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        match self {
            Self::Quic(connection) => connection.peer_identity()?.downcast().ok().map(|chain| *chain),
            Self::Tcp(connection) => Some(connection.certificates()),
        }
    }

    /// Keying material of the TLS session: the same on both sides, and different for every connection.
    pub(crate) fn export(&self, label: &[u8]) -> [u8; 32] {
        match self {
            Self::Quic(connection) => {
                let mut exported = [0; 32];
                connection
                    .export_keying_material(&mut exported, label, b"")
                    .expect("the handshake is complete, and 32 bytes are not too many");
                exported
            }
            Self::Tcp(connection) => connection.exported(),
        }
    }

    /// The number of datagrams that have come from the peer; 0 over TCP.
    pub(crate) fn received(&self) -> u64 {
        match self {
            Self::Quic(connection) => connection.stats().udp_rx.datagrams,
            Self::Tcp(_) => 0,
        }
    }

    /// The estimate of a round trip; zero over TCP.
    pub(crate) fn round_trip(&self) -> Duration {
        match self {
            Self::Quic(connection) => connection.rtt(),
            Self::Tcp(_) => Duration::ZERO,
        }
    }

    /// The peer has proven a secret: what it sends on hearing so is that of a member.
    pub(crate) fn mark_proven(&self) {
        match self {
            // Its limits make it wait for `RawConnection::lift_restrictions`.
            Self::Quic(_) => {}
            Self::Tcp(connection) => connection.lift_restrictions(),
        }
    }

    /// Raises the flow-control window, and the number of streams, to those of an admitted peer.
    pub(crate) fn lift_restrictions(&self, max_streams: u32) {
        match self {
            Self::Quic(connection) => {
                connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
                self.set_max_streams(max_streams);
            }
            Self::Tcp(connection) => connection.lift_restrictions(),
        }
    }

    /// Sets how many streams an admitted peer may have open. Over TCP that was settled when the connection was made.
    pub(crate) fn set_max_streams(&self, streams: u32) {
        if let Self::Quic(connection) = self {
            connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
        }
    }

    /// Sets the flow-control window of an admitted peer.
    pub(crate) fn set_window(&self, bytes: u32) {
        match self {
            Self::Quic(connection) => connection.set_receive_window(VarInt::from_u32(bytes)),
            Self::Tcp(connection) => connection.set_window(bytes),
        }
    }

    pub(crate) const fn is_fallback(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

/// The sending half of a stream.
pub(crate) enum RawSend {
    Quic(quinn::SendStream),
    Tcp(TcpSend),
}

impl RawSend {
    pub(crate) async fn write_chunk(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        match self {
            Self::Quic(stream) => stream.write_chunk(bytes).await,
            Self::Tcp(stream) => stream.write_chunk(bytes).await,
        }
    }

    pub(crate) async fn write_all_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        match self {
            Self::Quic(stream) => stream.write_all_chunks(chunks).await,
            Self::Tcp(stream) => {
                for chunk in chunks {
                    stream.write_chunk(std::mem::take(chunk)).await?;
                }
                Ok(())
            }
        }
    }

    /// Marks the end of the stream.
    pub(crate) fn finish(&mut self) {
        match self {
            // An error means that the stream has already ended, which the next read or `stopped` reports.
            Self::Quic(stream) => drop(stream.finish()),
            Self::Tcp(stream) => stream.finish(),
        }
    }

    pub(crate) fn reset(&mut self, code: u32) {
        match self {
            Self::Quic(stream) => drop(stream.reset(VarInt::from_u32(code))),
            Self::Tcp(stream) => stream.reset(code),
        }
    }

    /// Waits until every byte has arrived, or until the peer stops the stream with a code.
    pub(crate) async fn stopped(&mut self) -> Result<Option<VarInt>, StoppedError> {
        match self {
            Self::Quic(stream) => stream.stopped().await,
            Self::Tcp(stream) => stream.stopped().await,
        }
    }
}

/// The receiving half of a stream.
pub(crate) enum RawRecv {
    Quic(quinn::RecvStream),
    Tcp(TcpRecv),
}

impl RawRecv {
    /// Reads all pieces that are available, at least one; `None` at the end. Safe to cancel.
    pub(crate) async fn read_chunks(&mut self, chunks: &mut [Bytes]) -> Result<Option<usize>, ReadError> {
        match self {
            Self::Quic(stream) => stream.read_chunks(chunks).await,
            Self::Tcp(stream) => stream.read_chunks(chunks).await,
        }
    }

    /// Stops the stream: the peer is asked to send nothing more.
    pub(crate) fn stop(&mut self, code: u32) {
        match self {
            Self::Quic(stream) => drop(stream.stop(VarInt::from_u32(code))),
            Self::Tcp(stream) => stream.stop(code),
        }
    }
}

pub(crate) fn from_quic((send, recv): (quinn::SendStream, quinn::RecvStream)) -> (RawSend, RawRecv) {
    (RawSend::Quic(send), RawRecv::Quic(recv))
}

fn from_tcp((send, recv): (TcpSend, TcpRecv)) -> (RawSend, RawRecv) {
    (RawSend::Tcp(send), RawRecv::Tcp(recv))
}
