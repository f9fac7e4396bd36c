//! Timeouts and flow-control windows shared by QUIC and TCP.

use std::time::Duration;

/// How long closing waits for the peer to acknowledge it. The peer is notified once in any case.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a stream that may be in flight or unread.
pub(crate) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Bytes of all streams of a connection that may be in flight or unread, once the peer is trusted.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// How often an idle connection sends a keep-alive.
pub(crate) fn keep_alive_interval(idle_timeout: Duration) -> Duration {
    idle_timeout / 3
}
