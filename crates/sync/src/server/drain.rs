use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::{CancellationSource, CancellationToken};

/// Counts the running sessions of a server, and refuses new ones while it drains.
pub(crate) struct ActiveSessions {
    count: watch::Sender<Count>,
    draining: CancellationSource,
}

#[derive(Default, Clone, Copy)]
struct Count {
    running: usize,
    refused: u64,
    draining: bool,
}

impl ActiveSessions {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { count: watch::Sender::new(Count::default()), draining: CancellationSource::new() })
    }

    /// Counts a session until the guard is dropped. `None` while draining.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<SessionGuard> {
        let admitted = self.count.send_if_modified(|count| {
            count.running += usize::from(!count.draining);
            !count.draining
        });
        if !admitted {
            self.refuse();
        }
        admitted.then(|| SessionGuard(Arc::clone(self)))
    }

    /// Counts a refused session.
    pub(crate) fn refuse(&self) {
        self.count.send_modify(|count| count.refused += 1);
    }

    /// Refuses new sessions from now on. Live ones end as soon as they have caught up.
    pub(crate) fn drain(&self) {
        self.count.send_modify(|count| count.draining = true);
        self.draining.cancel();
    }

    /// Cancelled when draining begins.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.token()
    }

    /// Waits up to `within` until no session runs. Returns the number of those that still do.
    pub(crate) async fn ended(&self, within: Duration) -> usize {
        let mut count = self.count.subscribe();
        // An error can only be the timeout: the sender is a field of `self`.
        let _ = tokio::time::timeout(within, count.wait_for(|count| count.running == 0)).await;
        self.running()
    }

    pub(crate) fn running(&self) -> usize {
        self.count.borrow().running
    }

    pub(crate) fn refused(&self) -> u64 {
        self.count.borrow().refused
    }
}

/// See [`ActiveSessions::begin`].
pub(crate) struct SessionGuard(Arc<ActiveSessions>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| count.running -= 1);
    }
}
