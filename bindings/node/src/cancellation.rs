use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi_derive::napi;
use vectr_sync::{CancellationSource, CancellationToken};

/// Ends a search or a sync early.
#[napi]
pub struct NativeCancellation {
    searches: Arc<AtomicBool>,
    syncs: CancellationSource,
}

#[napi]
impl NativeCancellation {
    /// One that has not been used.
    #[napi(constructor)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "JavaScript has no Default")]
    pub fn new() -> Self {
        Self { searches: Arc::default(), syncs: CancellationSource::new() }
    }

    /// Ends the calls that were given this, now and later, with ERR_ABORTED.
    #[napi]
    pub fn cancel(&self) {
        self.searches.store(true, Ordering::Relaxed);
        self.syncs.cancel();
    }

    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.searches)
    }

    pub(crate) fn token(&self) -> CancellationToken {
        self.syncs.token()
    }
}
