use std::sync::{Arc, Mutex, PoisonError};

use vectr_delta::{CommitNo, ShardId};

use crate::{Subscription, VectrDB};

/// Calls `done` once, at the first transaction after `after` that changes what sessions tell of the shard: at once if there
/// was one already, else on a thread of the database while the subscription lives.
pub(super) fn await_commit(
    db: &VectrDB,
    shard: &ShardId,
    after: CommitNo,
    done: impl FnOnce() + Send + 'static,
) -> Subscription {
    let barriers = db.barriers();
    let done = Mutex::new(Some(done));
    let hear = Arc::new(move |commit_no: CommitNo| {
        if commit_no <= after {
            return;
        }
        let Some(done) = done.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // The page about to be read leaves only when it is durable: the barrier runs while it is read.
        if let Some(barriers) = &barriers {
            barriers.start(commit_no);
        }
        done();
    });
    let listener = Arc::clone(&hear);
    let notifier = &db.inner.notifier;
    let subscription =
        notifier.subscribe_to_shard(shard.clone(), Box::new(move |commit_no| listener(commit_no)));
    // A commit between the caller's last read and the subscription.
    hear(notifier.last_change(shard));
    subscription
}
