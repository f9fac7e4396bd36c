//! Which transactions there are, and which of them survive a power cut.

use std::sync::Arc;

use vectr_delta::CommitNo;

use crate::writer::barriers::Barriers;
use crate::{CoreError, LogExcess, Subscription, VectrDB};

impl VectrDB {
    /// The number of the last transaction that changed something.
    #[must_use]
    pub fn commit_no(&self) -> CommitNo {
        self.inner.access.look();
        self.inner.notifier.commit_no()
    }

    /// The last transaction that survives a power cut. In memory none does: then it is the last one of all. For reading only
    /// none is known to: 0.
    #[must_use]
    pub fn durable_no(&self) -> CommitNo {
        if self.is_durable() { self.inner.durability.durable() } else { self.commit_no() }
    }

    /// Waits until a transaction survives a power cut, and returns the last one that does. In memory none does: returns
    /// at once.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`; `ERR_READ_ONLY`: only who may write can see to it.
    pub fn await_durable(&self, commit_no: CommitNo) -> Result<CommitNo, CoreError> {
        self.check_writable()?;
        match self.barriers() {
            Some(barriers) => barriers.wait(commit_no.min(self.commit_no())),
            None => Ok(self.commit_no()),
        }
    }

    /// As [`VectrDB::await_durable`], for a transaction that a snapshot has shown: readers see it before it is published.
    /// For reading only there is nothing to wait for.
    pub(crate) fn await_seen(&self, commit_no: CommitNo) -> Result<(), CoreError> {
        self.barriers().map_or(Ok(()), |barriers| barriers.wait(commit_no).map(drop))
    }

    /// Calls `listener` after each transaction that changed something, on a thread of the database: it must be quick, and
    /// must not call the database. Of several that others have committed to the file, it may hear of the last one only.
    pub fn on_commit(&self, listener: Box<dyn Fn(CommitNo) + Send + Sync>) -> Subscription {
        let Some(following) = self.inner.access.follow() else {
            return self.inner.notifier.subscribe(listener);
        };
        self.inner.notifier.subscribe(Box::new(move |commit_no| {
            let _until_unsubscribed = &following;
            listener(commit_no);
        }))
    }

    /// Calls `listener` when the write-ahead log passes [`Config::log_limit`](crate::Config::log_limit), and when readers
    /// are cut off for that; on the writer's thread: it must be quick, and must not call the database.
    pub fn on_log_excess(&self, listener: Box<dyn Fn(LogExcess) + Send + Sync>) -> Subscription {
        self.inner.notifier.subscribe_to_excess(listener)
    }

    /// As [`VectrDB::await_seen`], without waiting: `done` is called at once or on the writer's thread.
    pub(crate) fn when_durable(
        &self,
        commit_no: CommitNo,
        done: impl FnOnce(Result<CommitNo, CoreError>) + Send + 'static,
    ) {
        if let Err(refused) = self.check_writable() {
            return done(Err(refused));
        }
        match self.barriers() {
            Some(barriers) => barriers.on_durable(commit_no, done),
            None => done(Ok(self.commit_no())),
        }
    }

    /// `None` in memory, where no transaction is durable, and for reading only.
    pub(crate) fn barriers(&self) -> Option<Barriers> {
        let path = self.path()?.into();
        let queue = self.inner.access.writer()?.clone();
        Some(Barriers { durability: Arc::clone(&self.inner.durability), queue, path })
    }
}
