//! What peers can make this node hold, and the timeouts and windows that QUIC and TCP share. `docs/limits.md` lists them.
//!
//! A *stranger* is a peer that has not been admitted: its handshake is not complete, its certificate was not checked
//! at its address, or it has not proven the cluster's secret.

use std::time::Duration;

/// How long closing waits for the peer to acknowledge it. The peer is notified once in any case.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a stream that may be in flight or unread.
pub(crate) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Bytes of all streams of a connection that may be in flight or unread, once the peer is admitted.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Streams of a connection whose messages wait for room or a receiver at the same time, and which get a [`STREAM_WINDOW`] of
/// their own, besides the [`CONNECTION_WINDOW`]. The connection keeps it. Callers to one peer have [`OUTGOING_TO_PEER`] bytes: no more of their
/// streams can be stalled.
pub(crate) const LENT_WINDOWS: u32 = 32;

/// Bytes of all streams of a connection with a stranger, early data included. HTTP/2 starts with as much.
pub(crate) const STRANGER_WINDOW: u32 = 64 * 1024;

/// As [`STRANGER_WINDOW`], over QUIC, where the stranger has a secret to prove: a proof fits.
pub(crate) const PROOF_WINDOW: u32 = 16 * 1024;

/// Streams that a stranger can open: over TCP the control stream, a reserved one, the proof, and some to spare for nodes
/// that do not know that they have to prove a secret.
pub(crate) const STRANGER_STREAMS: u32 = 8;

/// Bytes of the headers of a stream, and of its trailers, as HTTP/2 counts them. Ours take 250.
pub(crate) const HEADER_LIST: u32 = 1024;

/// Reserved streams that wait for the server to use them. Clients keep one.
pub(crate) const RESERVED_STREAMS: usize = 4;

/// Connections with strangers at a time, over QUIC. Those that were admitted count against `maxConnections` instead.
pub(crate) const QUIC_STRANGERS: usize = 128;

/// As [`QUIC_STRANGERS`], over TCP.
pub(crate) const TCP_STRANGERS: usize = 64;

/// Accepted sockets that wait to be one of the [`TCP_STRANGERS`]. Nothing is read from them meanwhile.
pub(crate) const WAITING_STRANGERS: usize = 256;

/// How long a stranger may keep its place while others want one. Without them it has the `connectTimeoutMs`.
pub(crate) const STRANGER_GRACE: Duration = Duration::from_secs(1);

/// Accepted connections of a peer that do not give way for being too many, or a sixteenth of all places if that is more.
/// Those of several processes with one certificate, and to several addresses of this node, are of one peer.
pub(crate) const CONNECTIONS_OF_PEER: usize = 2;

/// Admitted peers that wait, where all places are taken, until those are found whose peers do not answer any more.
pub(crate) const WAITING_MEMBERS: usize = 64;

/// As [`WAITING_MEMBERS`], of one peer.
pub(crate) const WAITING_OF_PEER: usize = 2;

/// QUIC connections that have begun and were not looked at, which happens at once.
pub(crate) const QUIC_INCOMING: usize = 1024;

/// Bytes that arrive for one of the [`QUIC_INCOMING`] before it is looked at.
pub(crate) const QUIC_INCOMING_BYTES: u64 = 64 * 1024;

/// Bytes that arrive for all of the [`QUIC_INCOMING`].
pub(crate) const QUIC_INCOMING_BYTES_TOTAL: u64 = 1024 * 1024;

/// Records about a connection over TCP that wait to be sent, besides two for each stream that the peer may open.
pub(crate) const WAITING_RECORDS: usize = 4096;

/// Bytes of the messages to one peer that are not settled, and whose callers have not given up.
pub(crate) const OUTGOING_TO_PEER: usize = 128 << 20;

/// As [`OUTGOING_TO_PEER`], to all peers.
pub(crate) const OUTGOING: usize = 256 << 20;

/// Bytes of the answers on one connection that its peer has not read, from which on its requests wait.
pub(crate) const UNREAD_ANSWERS: usize = 4 << 20;

/// As [`UNREAD_ANSWERS`], beyond which an answer is refused: requests that handlers were given by then are answered still.
pub(crate) const UNREAD_ANSWERS_MOST: usize = 256 << 20;

/// The arrays of a message.
pub(crate) const ATTACHMENTS: usize = 16_384;

/// The name of [`ATTACHMENTS`] in errors.
pub(crate) const MESSAGE_ARRAYS: &str = "the arrays of a message (16384)";

/// What an array of a message takes besides its bytes and those of its place.
pub(crate) const ATTACHMENT_BYTES: usize = 96;

/// The streams that the peer of a connection may have open besides the configured number.
pub(crate) const MAX_ALLOWANCES: usize = 4_096;

/// Names that the system's resolver is asked for at a time, in the whole process.
pub(crate) const LOOKUPS: usize = 16;

/// Bytes of a message from which it is decoded on a thread that may block.
pub(crate) const DECODED_APART: usize = 1024 * 1024;

/// How often an idle connection sends a keep-alive.
pub(crate) fn keep_alive_interval(idle_timeout: Duration) -> Duration {
    idle_timeout / 3
}
