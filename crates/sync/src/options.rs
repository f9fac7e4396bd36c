use crate::{CancellationToken, SyncProgress};

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

    /// Sets what is called as the sync moves forward.
    pub fn progress(&mut self, progress: impl Fn(SyncProgress) + Send + Sync + 'static) -> &mut Self {
        self.progress = Some(Box::new(progress));
        self
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
