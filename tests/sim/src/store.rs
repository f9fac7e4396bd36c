use std::collections::VecDeque;
use std::sync::Arc;

use vectr_delta::{ChangeId, CommitNo};

use crate::database::{Database, StoreError};
use crate::transaction::{RowPut, Transaction};

/// A node's disk: what is committed, and what of it would survive a power cut.
#[derive(Debug)]
pub(crate) struct Store {
    current: Arc<Database>,
    durable: Arc<Database>,
    /// The commits after the durable one, in order; the last is the current one.
    since: VecDeque<Arc<Database>>,
    /// The counter at the barrier before the last, for [`Fault::ChangeIdUsedAgain`](crate::Fault).
    stale_change: [ChangeId; 2],
}

/// A transaction that was committed.
pub(crate) struct Committed<T> {
    pub(crate) value: T,
    pub(crate) commit_no: CommitNo,
    pub(crate) puts: Vec<RowPut>,
    /// Whether it changed anything; otherwise it is not a commit.
    pub(crate) changed: bool,
}

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        let current = Arc::new(database);
        let stale_change = [current.last_change; 2];
        Self { durable: current.clone(), current, since: VecDeque::new(), stale_change }
    }

    /// Runs a write transaction. If it fails, all of it is rolled back.
    pub(crate) fn transact<T, E: From<StoreError>>(
        &mut self,
        shard: usize,
        fuse: Option<u64>,
        run: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<Committed<T>, E> {
        let database = (*self.current).clone();
        let mut transaction = Transaction { database, shard, fuse, puts: Vec::new() };
        let value = run(&mut transaction)?;
        let Transaction { mut database, puts, .. } = transaction;
        let changed = database != *self.current;
        if changed {
            database.commit_no += 1;
            self.current = Arc::new(database);
            self.since.push_back(self.current.clone());
        }
        Ok(Committed { value, commit_no: self.current.commit_no, puts, changed })
    }

    /// The barrier that was started at this commit is complete.
    pub(crate) fn make_durable(&mut self, commit_no: CommitNo) {
        while let Some(next) = self.since.pop_front_if(|next| next.commit_no <= commit_no) {
            self.durable = next;
        }
        self.stale_change = [self.stale_change[1], self.durable.last_change];
    }

    /// Leaves the last durable state and the first `survivors` commits after it.
    pub(crate) fn cut_power(&mut self, survivors: usize) {
        if let Some(last) = survivors.checked_sub(1) {
            self.durable = self.since[last].clone();
        }
        self.current = self.durable.clone();
        self.since.clear();
    }

    /// Replaces this file with another one.
    pub(crate) fn replace(&mut self, database: Arc<Database>) {
        self.stale_change = [database.last_change; 2];
        self.durable = database.clone();
        self.current = database;
        self.since.clear();
    }

    /// Sets the counter of change ids back, outside of any transaction.
    pub(crate) fn forget_change_ids(&mut self) {
        Arc::make_mut(&mut self.current).last_change = self.stale_change[0];
        if let Some(last) = self.since.back_mut() {
            *last = self.current.clone();
        } else {
            self.durable = self.current.clone();
        }
    }

    /// Changes the file behind the node's back, which no barrier has to cover.
    pub(crate) fn tamper(&mut self, tamper: impl Fn(&mut Database)) {
        tamper(Arc::make_mut(&mut self.current));
        if let Some(last) = self.since.back_mut() {
            *last = self.current.clone();
            tamper(Arc::make_mut(&mut self.durable));
        } else {
            self.durable = self.current.clone();
        }
    }

    pub(crate) const fn current(&self) -> &Arc<Database> {
        &self.current
    }

    pub(crate) const fn durable(&self) -> &Arc<Database> {
        &self.durable
    }

    /// How many commits a power cut could take.
    pub(crate) fn at_risk(&self) -> usize {
        self.since.len()
    }
}
