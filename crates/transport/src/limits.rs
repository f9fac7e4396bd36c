//! Timeouts and windows that hold for QUIC and for TCP alike.

use std::time::Duration;

/// How long closing waits for the peer to take notice. The peer is told once in any case.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a stream that may be on the way or unread.
pub(crate) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Bytes of all streams of a connection that may be on the way or unread, once the peer is trusted.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// How often an otherwise idle connection sends something, so that neither side takes it for dead.
pub(crate) fn keep_alive_interval(idle_timeout: Duration) -> Duration {
    idle_timeout / 3
}
