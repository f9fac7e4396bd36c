use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that were recently reached over TCP only.
#[derive(Default)]
pub(crate) struct FallbackCache(Mutex<HashMap<SocketAddr, Instant>>);

impl FallbackCache {
    /// Whether to try TCP first.
    pub(crate) fn prefers_tcp(&self, remote: SocketAddr) -> bool {
        self.seen().get(&remote).is_some_and(is_recent)
    }

    /// Records which transport reached an address.
    pub(crate) fn record(&self, remote: SocketAddr, over_tcp: bool) {
        let mut seen = self.seen();
        if !over_tcp {
            seen.remove(&remote);
            return;
        }
        if seen.get(&remote).is_some_and(is_recent) {
            // Keep the first time: refreshing it would keep UDP from ever being tried again.
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
    fn tcp_is_tried_first_until_udp_gets_through() {
        let (cache, remote) = (FallbackCache::default(), "192.0.2.1:4433".parse().unwrap());
        assert!(!cache.prefers_tcp(remote));
        cache.record(remote, true);
        assert!(cache.prefers_tcp(remote) && !cache.prefers_tcp("192.0.2.2:4433".parse().unwrap()));
        cache.record(remote, false);
        assert!(!cache.prefers_tcp(remote));
    }
}
