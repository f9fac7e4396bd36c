use std::time::Duration;

use crate::entropy::random;
use crate::{SyncConfig, SyncError};

/// Retry policy of one sync.
pub(crate) struct Retries {
    left: u32,
    backoff: Backoff,
}

impl Retries {
    pub(crate) const fn new(config: &SyncConfig) -> Self {
        Self { left: config.max_retries, backoff: Backoff::from(config.retry_backoff) }
    }

    /// Delay before the next attempt; `None`: give up.
    pub(crate) fn delay_after(&mut self, error: &SyncError) -> Option<Duration> {
        if let Some(at_once) = self.backoff.restart(error) {
            return Some(at_once);
        }
        if !error.is_transient() {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(self.backoff.next_delay())
    }
}

/// Retry policy of an auto-sync, which never gives up.
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    restarts: u32,
}

impl Backoff {
    pub(crate) fn new(config: &SyncConfig) -> Self {
        Self::from(config.retry_backoff.max(Duration::from_millis(1)))
    }

    /// Delay after this failure. Errors that retrying cannot fix, such as missing trust, wait `MAX_RETRY_DELAY`.
    pub(crate) fn delay_after(&mut self, error: &SyncError) -> Duration {
        if let Some(at_once) = self.restart(error) {
            return at_once;
        }
        if error.is_transient() { self.next_delay() } else { MAX_RETRY_DELAY.mul_f64(jitter()) }
    }

    /// Starts over, once the peer was reached.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
        self.restarts = MAX_RESTARTS;
    }

    const fn from(first: Duration) -> Self {
        Self { first, next: first, restarts: MAX_RESTARTS }
    }

    fn restart(&mut self, error: &SyncError) -> Option<Duration> {
        let left = self.restarts.checked_sub(1).filter(|_| error.is_restart())?;
        self.restarts = left;
        Some(Duration::ZERO)
    }

    fn next_delay(&mut self) -> Duration {
        let wait = self.next.mul_f64(jitter());
        self.next = (self.next * 2).min(MAX_RETRY_DELAY);
        wait
    }
}

/// 0.5 to 1.5, so that peers that failed together do not retry together.
pub(crate) fn jitter() -> f64 {
    0.5 + f64::from(random() as u32) / f64::from(u32::MAX)
}

/// Each of the two nodes may have to take a new site once.
const MAX_RESTARTS: u32 = 4;
pub(crate) const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use vectr_transport::TransportError;

    fn failure(code: &str, retry: bool) -> SyncError {
        SyncError::Session { code: code.into(), message: String::new(), retry }
    }

    #[test]
    fn waits_double_within_their_jitter_until_none_are_left() {
        let config = SyncConfig { max_retries: 3, ..SyncConfig::default() };
        let mut retries = Retries::new(&config);
        for expected in [1.0, 2.0, 4.0] {
            let wait = retries.delay_after(&failure("ERR_TIMEOUT", true)).unwrap().as_secs_f64();
            assert!((expected * 0.5..=expected * 1.5).contains(&wait), "{wait}");
        }
        assert_eq!(retries.delay_after(&failure("ERR_TIMEOUT", true)), None);
    }

    #[test]
    fn an_auto_sync_never_gives_up_and_forgets_its_waits_once_it_was_up() {
        let mut backoff = Backoff::new(&SyncConfig::default());
        let waits: Vec<f64> =
            (0..10).map(|_| backoff.delay_after(&failure("ERR_TIMEOUT", true)).as_secs_f64()).collect();
        assert!(waits[9] >= 30.0 && waits[0] <= 1.5, "{waits:?}");
        backoff.reset();
        assert!(backoff.delay_after(&failure("ERR_TIMEOUT", true)).as_secs_f64() <= 1.5);
        assert!(backoff.delay_after(&failure("ERR_TRUST", false)).as_secs_f64() >= 30.0);
    }

    #[test]
    fn trust_errors_are_never_retried_and_restarts_at_once() {
        let mut retries = Retries::new(&SyncConfig::default());
        let untrusted = TransportError::Untrusted {
            peer: None,
            remote: [127, 0, 0, 1].into(),
            ours: None,
            because: vectr_transport::Distrust::Unknown,
        };
        assert_eq!(retries.delay_after(&untrusted.into()), None);
        for _ in 0..MAX_RESTARTS {
            assert_eq!(retries.delay_after(&failure("ERR_RESTART", true)), Some(Duration::ZERO));
        }
    }
}
