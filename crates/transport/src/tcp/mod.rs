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
mod params;
mod record;
mod recv_buffer;
mod server;
mod socket;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use client::dial;
pub(crate) use connection::{TcpConnection, WeakTcpConnection};
pub(crate) use handshake_error::handshake_error;
pub(crate) use params::{ALPN, TcpParams};
pub(crate) use server::accept;
pub(crate) use stream::{TcpRecv, TcpSend};
