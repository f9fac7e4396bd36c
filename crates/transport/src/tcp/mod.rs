//! Connections where UDP does not get through: the same streams as HTTP/2 streams over TLS 1.3 on TCP.
//!
//! To the rest of the crate they behave like QUIC connections: both sides open and accept streams, closes carry the
//! same codes, and failures give the same errors. HTTP/2 lacks some of that:
//!
//! - Only the client opens HTTP/2 streams. It keeps one unused stream open, which the server takes when it wants to open
//!   a stream of its own.
//! - The reason of a close, and the fact that all bytes of a stream have arrived, are sent as
//!   [`Record`](record::Record)s on the control stream, which is the first one.
//! - An HTTP/2 reset ends both directions of a stream. Here a direction is reset by trailers that carry the code, and a
//!   receiver stops a stream by a record; what still arrives is dropped. HTTP/2's own reset is never sent while a
//!   connection is alive: if one arrives, the connection has ended, and its end says why.

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
pub(crate) use connection::{TcpConnection, TcpSocket, WeakTcpConnection};
pub(crate) use handshake_error::handshake_error;
pub(crate) use params::{ALPN, TcpParams};
#[cfg(fuzzing)]
pub(crate) use record::Record;
pub(crate) use server::accept;
pub(crate) use stream::{TcpRecv, TcpSend};
