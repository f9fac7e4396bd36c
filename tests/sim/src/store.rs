use std::collections::VecDeque;
use std::sync::Arc;

use vectr_delta::{ChangeId, CommitNo};

use crate::database::{Database, StoreError};
use crate::transaction::{RowPut, Transaction};

/// A node's disk: what is committed, and what of it would survive a power cut.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    current: Arc<Database>,
    durable: Arc<Database>,
    /// The commits after the durable one, in order; the last is the current one.
    since: VecDeque<Arc<Database>>,
    /// What the file holds without its log.
    file: Arc<Database>,
    /// A failed sync has left the commits after this one off the disk. No later sync brings them there before they are
    /// written anew, nor anything that follows them.
    gap: Option<CommitNo>,
    /// The last commit that changed what sessions tell of each shard.
    heads: Vec<CommitNo>,
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
    /// What of it sessions tell their peers.
    pub(crate) news: News,
}

/// What a transaction changed of what sessions tell their peers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It noted something about a peer, or nothing.
    None,
    /// Of one shard.
    Of {
        shard: usize,
        /// Whether rows were written, and not just claims taken over.
        rows: bool,
    },
    /// The site.
    OfAll,
}

impl News {
    fn between(before: &Database, after: &Database, shard: usize, puts: &[RowPut]) -> Self {
        let [old, new] = [before, after].map(|database| &database.shards[shard]);
        let rows = !puts.is_empty();
        if before.origin != after.origin {
            Self::OfAll
        } else if rows
            || old.state != new.state
            || (old.alteration, old.alterations) != (new.alteration, new.alterations)
        {
            Self::Of { shard, rows }
        } else {
            Self::None
        }
    }
}

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        let current = Arc::new(database);
        let stale_change = [current.last_change; 2];
        let heads = vec![current.commit_no; current.shards.len()];
        Self {
            heads,
            durable: current.clone(),
            file: current.clone(),
            current,
            since: VecDeque::new(),
            gap: None,
            stale_change,
        }
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
        let news = News::between(&self.current, &database, shard, &puts);
        if changed {
            database.commit_no += 1;
            match news {
                News::None => {}
                News::Of { shard, .. } => self.heads[shard] = database.commit_no,
                News::OfAll => self.heads.fill(database.commit_no),
            }
            self.current = Arc::new(database);
            self.since.push_back(self.current.clone());
        }
        Ok(Committed { value, commit_no: self.current.commit_no, puts, changed, news })
    }

    /// A sync has succeeded that was started at this commit.
    pub(crate) fn make_durable(&mut self, commit_no: CommitNo) {
        let commit_no = self.gap.map_or(commit_no, |gap| gap.min(commit_no));
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
        self.gap = None;
    }

    /// Replaces this file with another one.
    pub(crate) fn replace(&mut self, database: Arc<Database>) {
        self.stale_change = [database.last_change; 2];
        self.durable = database.clone();
        self.file = database.clone();
        self.current = database;
        self.since.clear();
        self.gap = None;
    }

    /// A sync has failed: only the commits up to this one are on the disk.
    pub(crate) fn lose_after(&mut self, kept: CommitNo) {
        self.gap = Some(self.gap.map_or(kept, |gap| gap.min(kept)));
    }

    /// Writes the whole log anew.
    pub(crate) const fn write_anew(&mut self) {
        self.gap = None;
    }

    /// Copies what is durable from the log into the file.
    pub(crate) fn checkpoint(&mut self) {
        self.file = self.durable.clone();
    }

    /// The log begins anew although the file lacks what was copied into it.
    pub(crate) fn lose_log(&mut self) {
        self.durable = self.file.clone();
        self.gap = Some(self.file.commit_no);
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

    /// The last commit that changed what sessions tell of a shard. What came back from a copy counts as the last one.
    pub(crate) fn head(&self, shard: usize) -> CommitNo {
        self.heads[shard].min(self.current.commit_no)
    }

    pub(crate) const fn durable(&self) -> &Arc<Database> {
        &self.durable
    }

    /// How many commits a power cut could take.
    pub(crate) fn at_risk(&self) -> usize {
        self.since.len()
    }

    /// How many of them are on the disk as far as the last failed sync has left them there.
    pub(crate) fn reachable(&self) -> usize {
        self.since.iter().take_while(|next| self.gap.is_none_or(|gap| next.commit_no <= gap)).count()
    }
}
