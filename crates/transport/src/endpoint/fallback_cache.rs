use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::CloseCode;
use crate::tcp::{TcpConnection, WeakTcpConnection};

/// To which addresses UDP does not get through, as far as was seen lately.
#[derive(Default)]
pub(crate) struct FallbackCache(Mutex<HashMap<SocketAddr, Instant>>);

impl FallbackCache {
    /// Whether to try TCP first.
    pub(crate) fn prefers_tcp(&self, remote: SocketAddr) -> bool {
        self.seen().get(&remote).is_some_and(is_recent)
    }

    /// What got through in the end.
    pub(crate) fn record(&self, remote: SocketAddr, over_tcp: bool) {
        let mut seen = self.seen();
        if !over_tcp {
            seen.remove(&remote);
            return;
        }
        if seen.get(&remote).is_some_and(is_recent) {
            // Kept as it is: else UDP would not be tried again as long as there are new connections.
            return;
        }
        if seen.len() >= MAX {
            seen.retain(|_, seen| is_recent(seen));
        }
        if seen.len() < MAX {
            seen.insert(remote, Instant::now());
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections over TCP that end together, by whom they belong to.
pub(crate) struct TcpConnections(Mutex<Option<Vec<WeakTcpConnection>>>);

impl Default for TcpConnections {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl TcpConnections {
    /// Takes in one more; false, and closes it, where all have been closed.
    pub(crate) fn add(&self, connection: &TcpConnection) -> bool {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connections) = connections.as_mut() else {
            connection.close(CloseCode::Done as u32, b"closed");
            return false;
        };
        connections.retain(|connection| connection.upgrade().is_some());
        connections.push(connection.downgrade());
        true
    }

    /// Closes all, for good; returns those that have to hear of it.
    pub(crate) fn close(&self) -> Vec<TcpConnection> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let live: Vec<_> =
            taken.into_iter().flatten().filter_map(|connection| connection.upgrade()).collect();
        for connection in &live {
            connection.close(CloseCode::Done as u32, b"closed");
        }
        live
    }
}

fn is_recent(seen: &Instant) -> bool {
    seen.elapsed() < TCP_FIRST_FOR
}

/// How long TCP is tried first before UDP gets another chance.
const TCP_FIRST_FOR: Duration = Duration::from_secs(600);
const MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_through_over_tcp_is_tried_there_first_until_udp_does() {
        let (cache, remote) = (FallbackCache::default(), "192.0.2.1:4433".parse().unwrap());
        assert!(!cache.prefers_tcp(remote));
        cache.record(remote, true);
        assert!(cache.prefers_tcp(remote) && !cache.prefers_tcp("192.0.2.2:4433".parse().unwrap()));
        cache.record(remote, false);
        assert!(!cache.prefers_tcp(remote));
    }
}
