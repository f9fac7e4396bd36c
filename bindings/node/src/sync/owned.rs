use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use vectr_sync::SyncEngine;

use crate::sync::questions::Questions;

/// Closes the engine once neither JavaScript nor a running call needs it: a listener would go on answering for a worker
/// thread that is gone.
pub(crate) struct Owned {
    pub(crate) engine: SyncEngine,
    pub(crate) runtime: Handle,
    /// Between full checks of each auto-sync.
    pub(crate) interval: Option<Duration>,
    pub(crate) questions: Arc<Questions>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let engine = self.engine.clone();
        self.runtime.spawn(async move { engine.close().await });
    }
}
