use std::time::Duration;

/// What both sides of a connection are told beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpParams {
    /// How long silence may last.
    pub(crate) idle_timeout: Duration,
    /// How many streams the peer may have open.
    pub(crate) max_streams: u32,
}

/// The ALPN protocol.
pub(crate) const ALPN: &[u8] = b"h2";
/// What a stream is for, by its path.
pub(super) const CONTROL: &str = "/vectr/1/control";
pub(super) const STREAM: &str = "/vectr/1/stream";
pub(super) const RESERVED: &str = "/vectr/1/parked";

/// What may wait in a stream for the connection to take it.
pub(super) const SEND_BUFFER: usize = 1024 * 1024;
/// The control stream and a reserved one.
pub(super) const INTERNAL_STREAMS: u32 = 2;
/// What h2 lets unread frames cost beyond their bytes before it gives up on a peer. It takes 256 bytes each for those that
/// are shorter; the streams take them within a moment, and put short ones together.
pub(super) const DATA_FRAME_BUDGET: usize = 16 * 1024 * 1024;
pub(super) const MAX_FRAME: u32 = 64 * 1024;
