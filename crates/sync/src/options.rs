use std::time::Duration;

use tokio::time::Instant;

use crate::{CancellationToken, SyncError, SyncProgress};

/// Options of one sync. The default runs to its end and reports no progress.
///
/// Set the fields directly or by the methods of the same names.
#[derive(Default)]
#[non_exhaustive]
pub struct SyncOptions {
    /// Reads the peer's changelog from its beginning instead of from where the last sync ended.
    pub force: bool,
    /// Ends the sync early: what was applied stays applied.
    pub abort: CancellationToken,
    /// Ends the sync after this time with `ERR_TIMEOUT`, in a result that counts what was done by then: what was applied
    /// stays applied. `None`: no limit.
    pub timeout: Option<Duration>,
    /// Called as the sync moves forward.
    pub progress: Option<Box<dyn Fn(SyncProgress) + Send + Sync>>,
}

impl SyncOptions {
    /// Reads the peer's changelog from its beginning.
    pub const fn force(&mut self) -> &mut Self {
        self.force = true;
        self
    }

    /// Sets the token that ends the sync early.
    pub fn abort(&mut self, abort: CancellationToken) -> &mut Self {
        self.abort = abort;
        self
    }

    /// Sets the time after which the sync ends with `ERR_TIMEOUT`. Default: no limit.
    pub const fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets what is called as the sync moves forward.
    pub fn progress(&mut self, progress: impl Fn(SyncProgress) + Send + Sync + 'static) -> &mut Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

/// What ends the wait for decisions.
pub(crate) struct Limits {
    pub(crate) abort: CancellationToken,
    late: Option<(Instant, Duration)>,
}

impl Limits {
    /// Those of a call that begins now.
    pub(crate) fn of(options: &SyncOptions) -> Self {
        let late = options.timeout.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        Self { abort: options.abort.clone(), late }
    }

    /// An abort alone.
    pub(crate) const fn until(abort: CancellationToken) -> Self {
        Self { abort, late: None }
    }

    /// Waits until the time is up.
    pub(crate) async fn late(&self) -> SyncError {
        match self.late {
            Some((at, limit)) => {
                tokio::time::sleep_until(at).await;
                SyncError::Late { limit }
            }
            None => std::future::pending().await,
        }
    }
}

/// How long [`Exchange::settle`] waits for the conflict callback.
///
/// [`Exchange::settle`]: crate::Exchange::settle
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until it has decided.
    Unlimited,
    /// Until nothing but its answers is missing. For a host that may end while it owes them.
    UntilAsked,
    /// Not at all. For a sync that the callback itself makes, outside of its task.
    None,
}
