use std::fmt;
use std::sync::Arc;

use vectr_delta::{CommitNo, Renewal, ShardId};

use crate::CoreError;
use crate::announcement::Announcement;
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::stored_state::shard_ids;
use crate::wal::Wal;
use crate::write_shard::WriteShard;

/// Names an open transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransactionId(pub(crate) u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Owns the write connection, on a thread of its own.
pub(crate) struct Writer {
    pub(crate) ledger: Ledger,
    pub(crate) identity: Identity,
    pub(crate) announcement: Arc<Announcement>,
    /// `None` in memory.
    pub(crate) wal: Option<Wal>,
    pub(crate) open: Option<TransactionId>,
    pub(crate) transactions: u64,
}

impl Writer {
    /// Does `work` in one transaction, or as one step of the open one: wholly or not at all.
    pub(crate) fn write<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.open.is_some() {
            return self.write_within(work);
        }
        self.ledger.begin()?;
        match work(&mut self.ledger) {
            Ok(done) => {
                self.commit()?;
                Ok(done)
            }
            Err(error) => {
                self.ledger.rollback();
                Err(error)
            }
        }
    }

    /// As [`Writer::write`], in one shard.
    pub(crate) fn write_shard<T, E: From<CoreError>>(
        &mut self,
        shard: &ShardId,
        work: impl FnOnce(&mut WriteShard<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write(|ledger| work(&mut ledger.shard(shard)?))
    }

    /// Before a local write: a clock that was ahead and is right again calls for a new site.
    pub(crate) fn renew_after_clock(&mut self) -> Result<(), CoreError> {
        self.ledger.refresh()?;
        let last = self.ledger.committed().last_stamp;
        match Renewal::of_clock(last, self.ledger.clock.now()) {
            Some(renewal) if self.open.is_none() => self.renew(renewal),
            _ => Ok(()),
        }
    }

    /// Takes a new site and writes this node's affected versions again.
    pub(crate) fn renew(&mut self, renewal: Renewal) -> Result<(), CoreError> {
        let former = self.ledger.committed().origin.site;
        self.write(|ledger| {
            if renewal == Renewal::ClockCorrected {
                ledger.known.counters.last_stamp = ledger.wall;
            }
            ledger.take_new_site()?;
            let own = ledger.former_sites()?;
            let wall = ledger.wall;
            for shard in shard_ids(&ledger.connection)? {
                renewal.rewrite(&mut ledger.shard(&shard)?, &own, wall)?;
            }
            Ok::<_, CoreError>(())
        })?;
        self.identity.forget(former);
        Ok(())
    }

    /// Opens a transaction of several steps.
    pub(crate) fn begin(&mut self) -> Result<TransactionId, CoreError> {
        if self.open.is_some() {
            return Err(CoreError::Transaction {
                reason: "a transaction is open already: commit it or roll it back first",
            });
        }
        self.renew_after_clock()?;
        self.ledger.begin()?;
        self.transactions += 1;
        let id = TransactionId(self.transactions);
        self.open = Some(id);
        Ok(id)
    }

    /// Ends the open transaction, for good or not.
    pub(crate) fn end(&mut self, commit: bool) -> Result<(), CoreError> {
        self.open = None;
        if commit {
            return self.commit();
        }
        self.ledger.rollback();
        Ok(())
    }

    /// After a panic: nothing of what was under way stays.
    pub(crate) fn abandon(&mut self) {
        self.open = None;
        self.ledger.rollback();
    }

    /// Makes everything committed so far survive a power cut. Outside of transactions only.
    pub(crate) fn barrier(&mut self) -> Result<CommitNo, CoreError> {
        let (site, head, covered) = {
            let counters = self.ledger.committed();
            (counters.origin.site, counters.change_id, counters.commit_no)
        };
        let connection = &self.ledger.connection;
        connection.execute_batch("PRAGMA synchronous = FULL")?;
        // A commit that changes no page syncs nothing.
        let raised = connection
            .prepare_cached("UPDATE counter SET barriers = barriers + 1")
            .and_then(|mut statement| statement.execute([]));
        connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        raised?;
        self.identity.refresh(site, head);
        Ok(covered)
    }

    /// What is left to do once nobody uses the database any more.
    pub(crate) fn close(self) -> Result<(), CoreError> {
        let Self { mut ledger, mut identity, wal, .. } = self;
        ledger.rollback();
        ledger.refresh()?;
        let (site, head) = (ledger.committed().origin.site, ledger.committed().change_id);
        let settled = wal.is_some_and(|wal| wal.finish(&ledger.connection));
        ledger.connection.close().map_err(|(_, error)| error)?;
        if settled {
            identity.finish(site, head);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CoreError> {
        match self.ledger.commit(&mut self.identity) {
            Ok(true) => {
                let counters = self.ledger.committed();
                self.announcement.publish(counters.commit_no, &counters.origin);
                if let Some(wal) = &mut self.wal {
                    wal.mind(&self.ledger.connection);
                }
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(error) => {
                self.ledger.rollback();
                Err(error)
            }
        }
    }

    fn write_within<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = self.ledger.within(work);
        if done.is_err() && self.ledger.connection.is_autocommit() {
            // SQLite gave up the whole transaction, as it does when the disk is full.
            self.open = None;
            self.ledger.forget();
        }
        done
    }
}
