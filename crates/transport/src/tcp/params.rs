use std::time::Duration;

/// The parameters of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpParams {
    /// How long the peer may be silent.
    pub(crate) idle_timeout: Duration,
    /// The number of streams that the peer may have open.
    pub(crate) max_streams: u32,
    /// Whether the peer has to prove a secret before it may open more than a few streams.
    pub(crate) proof: bool,
}

/// The ALPN protocol.
pub(crate) const ALPN: &[u8] = b"h2";
/// The purpose of a stream is given by its path.
pub(super) const CONTROL: &str = "/vectr/1/control";
pub(super) const STREAM: &str = "/vectr/1/stream";
pub(super) const RESERVED: &str = "/vectr/1/parked";

/// Bytes that may wait in a stream for the connection to send them.
pub(super) const SEND_BUFFER: usize = 1024 * 1024;
/// The control stream and a reserved one.
pub(super) const INTERNAL_STREAMS: u32 = 2;
/// The overhead of unread frames that h2 accepts before it drops a peer: it accounts 256 bytes for each shorter frame.
/// The streams take frames promptly and merge short ones. Where a secret has to be proven, h2 follows the window instead:
/// 32 KiB until then, and 8 MiB after.
pub(super) const DATA_FRAME_BUDGET: usize = 16 * 1024 * 1024;
pub(super) const MAX_FRAME: u32 = 64 * 1024;
