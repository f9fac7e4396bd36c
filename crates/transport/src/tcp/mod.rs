//! A connection where UDP does not get through: the same streams over TLS 1.3 on TCP, as HTTP/2 streams.
//!
//! To the rest of the crate it is a QUIC connection: it opens and accepts streams in both directions, ends with the same
//! codes, and fails with the same errors. What HTTP/2 lacks for that:
//!
//! - Only the client opens HTTP/2 streams. It keeps one more open than are in use, over which the
//!   server opens its own.
//! - Why a connection is closed, and that the bytes of a stream have arrived, travels as [`Record`]s on a stream of their
//!   own, the first one.
//! - Its reset ends both directions of a stream. Here one direction is broken off by trailers that carry the code, and
//!   whoever wants no more bytes says so in a [`Record`]; what still comes is let go of. HTTP/2's own reset is never sent
//!   while a connection lives: where one comes, the connection is over, and its end says why.

mod client;
mod connection;
mod control;
mod handshake_error;
mod recv_buffer;
mod server;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use client::dial;
pub(crate) use connection::{TcpConnection, WeakTcpConnection};
pub(crate) use handshake_error::handshake_error;
pub(crate) use server::accept;
pub(crate) use stream::{TcpRecv, TcpSend};

/// What both sides of a connection are told beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpParams {
    /// How long silence may last.
    pub(crate) idle_timeout: std::time::Duration,
    /// How many streams the peer may have open.
    pub(crate) max_streams: u32,
}

/// The ALPN protocol.
pub(crate) const ALPN: &[u8] = b"h2";
/// What a stream is for, by its path.
const CONTROL: &str = "/vectr/1/control";
const STREAM: &str = "/vectr/1/stream";
const RESERVED: &str = "/vectr/1/parked";

const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Until the peer is trusted the whole connection has what HTTP/2 gives unasked: 64 KiB.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// What may wait in a stream for the connection to take it.
const SEND_BUFFER: usize = 1024 * 1024;
/// The control stream and a parked one.
const INTERNAL_STREAMS: u32 = 2;
/// What h2 lets unread frames cost beyond their bytes before it gives up on a peer. It takes 256 bytes each for those that
/// are shorter; the streams take them within a moment, and put short ones together.
const DATA_FRAME_BUDGET: usize = 16 * 1024 * 1024;
const MAX_FRAME: u32 = 64 * 1024;
