use std::time::Duration;

use crate::{SyncConfig, SyncError};

/// When a failed sync is tried again.
pub(crate) struct Retries {
    left: u32,
    restarts: u32,
    backoff: Duration,
}

impl Retries {
    pub(crate) const fn new(config: &SyncConfig) -> Self {
        Self { left: config.max_retries, restarts: MAX_RESTARTS, backoff: config.retry_backoff }
    }

    /// How long to wait before trying again; `None`: not at all.
    pub(crate) fn after(&mut self, error: &SyncError) -> Option<Duration> {
        if error.is_restart() && self.restarts > 0 {
            self.restarts -= 1;
            return Some(Duration::ZERO);
        }
        if !error.is_transient() || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let wait = self.backoff.mul_f64(jitter());
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        Some(wait)
    }
}

/// 0.5 to 1.5, so that peers that failed together do not come back together.
fn jitter() -> f64 {
    0.5 + f64::from(random() as u32) / f64::from(u32::MAX)
}

/// Entropy of the operating system.
pub(crate) fn random() -> u64 {
    // Without entropy no key could have been made either: the process would not have come this far.
    getrandom::u64().expect("the operating system gives entropy")
}

/// Both nodes may have to take a new site in turn.
const MAX_RESTARTS: u32 = 4;
const MAX_BACKOFF: Duration = Duration::from_secs(60);

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
            let wait = retries.after(&failure("ERR_TIMEOUT", true)).unwrap().as_secs_f64();
            assert!((expected * 0.5..=expected * 1.5).contains(&wait), "{wait}");
        }
        assert_eq!(retries.after(&failure("ERR_TIMEOUT", true)), None);
    }

    #[test]
    fn trust_is_never_tried_again_and_a_restart_at_once() {
        let mut retries = Retries::new(&SyncConfig::default());
        let untrusted = TransportError::Untrusted { peer: None, remote: [127, 0, 0, 1].into(), ours: None };
        assert_eq!(retries.after(&untrusted.into()), None);
        for _ in 0..MAX_RESTARTS {
            assert_eq!(retries.after(&failure("ERR_RESTART", true)), Some(Duration::ZERO));
        }
    }
}
