use crate::{CancellationToken, SyncProgress};

/// Options of one sync. The default runs to its end and reports no progress.
#[derive(Default)]
pub struct SyncOptions {
    /// Reads the peer's changelog from its beginning instead of from where the last sync ended.
    pub force: bool,
    /// Ends the sync early: what was applied stays applied.
    pub abort: CancellationToken,
    /// Called as the sync moves forward.
    pub progress: Option<Box<dyn Fn(SyncProgress) + Send + Sync>>,
}
