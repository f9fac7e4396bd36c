use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::{CancellationSource, CancellationToken};

/// The sessions that are being answered, and whether new ones are.
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

    /// Counts one more, until the guard is dropped. `None` once they are being drained.
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

    /// Counts one that is not answered.
    pub(crate) fn refuse(&self) {
        self.count.send_modify(|count| count.refused += 1);
    }

    /// From now on no session begins, and a live one ends as soon as it rests.
    pub(crate) fn drain(&self) {
        self.count.send_modify(|count| count.draining = true);
        self.draining.cancel();
    }

    /// Tells the sessions that they are being drained.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.token()
    }

    /// Waits until none runs, or a bounded time is over. How many still run.
    pub(crate) async fn ended(&self, within: Duration) -> usize {
        let mut count = self.count.subscribe();
        // An error means that the time is over: the sender is a field of this.
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
