pub(crate) mod barriers;
pub(crate) mod checkpoint;
pub(crate) mod commit_notifier;
pub(crate) mod connection;
pub(crate) mod disk_trust;
pub(crate) mod durability;
pub(crate) mod follower;
pub(crate) mod log_rewrite;
pub(crate) mod log_watch;
pub(crate) mod peer_notes;
pub(crate) mod queue;
pub(crate) mod shard;
pub(crate) mod turn;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vectr_delta::{ClockEvidence, CommitNo, MAX_CLOCK_SKEW, ShardId, SiteId, SiteReset, Timestamp};

use crate::CoreError;
use crate::file::presence::Presence;
use crate::incarnation::Incarnation;
use crate::storage::catalog::{changed_shards, shard_ids};
use crate::storage::rows::newest_foreign_stamp;
use crate::writer::checkpoint::Checkpointer;
use crate::writer::commit_notifier::{Changes, CommitNotifier};
use crate::writer::connection::{Seen, WriteConnection};
use crate::writer::shard::WriteShard;

/// Identifies an open transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransactionId(pub(crate) u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Owns the write connection, on a thread of its own.
pub(crate) struct Writer {
    pub(crate) connection: WriteConnection,
    pub(crate) incarnation: Incarnation,
    pub(crate) notifier: Arc<CommitNotifier>,
    /// `None` in memory.
    pub(crate) checkpointer: Option<Checkpointer>,
    /// `None` in memory.
    pub(crate) presence: Option<Arc<Presence>>,
    /// Whether something was committed since the last barrier.
    pub(crate) unsynced: bool,
    pub(crate) open: Option<TransactionId>,
    /// When the open transaction began.
    pub(crate) opened: Instant,
    pub(crate) transactions: u64,
}

impl Writer {
    /// Does `work` in one transaction, or as one step of the open one: wholly or not at all.
    pub(crate) fn write<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut WriteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.open.is_some() {
            return self.write_within(work);
        }
        self.begin_connection()?;
        match work(&mut self.connection) {
            Ok(done) => {
                self.commit()?;
                Ok(done)
            }
            Err(error) => {
                self.connection.rollback();
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
        self.write(|connection| work(&mut WriteShard::open(connection, shard)?))
    }

    /// Begins a transaction, which begins a new life if this process was resumed from a snapshot, or if nobody can say that
    /// the file continues where the last life left off.
    fn begin_connection(&mut self) -> Result<(), CoreError> {
        let locked = self.connection.lock();
        if let Err(error) = locked.and_then(|seen| self.find_life(seen)) {
            self.connection.rollback();
            return Err(error);
        }
        self.connection.begin();
        Ok(())
    }

    fn find_life(&mut self, seen: Seen) -> Result<(), CoreError> {
        if seen != Seen::Nothing {
            let recorded = self.incarnation.recorded(self.connection.committed());
            if self.connection.has_lost(recorded.max(self.notifier.commit_no())) {
                self.begin_new_life()?;
            } else if self.incarnation.join(self.connection.committed()) {
                self.connection.stay_in_life();
            } else {
                self.connection.need_new_life()?;
            }
            if seen == Seen::Others {
                self.incarnation.note_others();
            }
        }
        self.incarnation.note_seen(self.connection.committed());
        if self.incarnation.boot.has_moved() { self.begin_new_life() } else { Ok(()) }
    }

    fn begin_new_life(&mut self) -> Result<(), CoreError> {
        self.connection.begin_new_life()?;
        self.incarnation.end_life();
        Ok(())
    }

    /// Stores a life that has yet to commit, so that a peer may hear of it.
    pub(crate) fn settle_life(&mut self) -> Result<(), CoreError> {
        if self.open.is_some() { Ok(()) } else { self.write(WriteConnection::enter_life) }
    }

    /// Begins a new life if this node's clock was ahead and has been corrected, as the clock of a peer and all else that
    /// is known of the true time confirm. Returns whether it did.
    pub(crate) fn reset_site_after_clock_correction(&mut self, peer: Timestamp) -> Result<bool, CoreError> {
        self.connection.refresh()?;
        let (last, wall) = (self.connection.committed().last_stamp, self.connection.clock.now());
        if self.open.is_some() || last.since(wall) <= MAX_CLOCK_SKEW {
            return Ok(false);
        }
        let evidence = ClockEvidence {
            wall,
            peer,
            newest_foreign: newest_foreign_stamp(&self.connection.sqlite)?,
            not_before: self.connection.clock.not_before(),
        };
        let Some(reset) = SiteReset::of_clock(last, &evidence) else { return Ok(false) };
        self.reset_site(reset, self.connection.origin().site)?;
        Ok(true)
    }

    /// Begins a new life and writes this node's affected versions again, unless `site` has been left already. Outside of open
    /// transactions only.
    pub(crate) fn reset_site(&mut self, renewal: SiteReset, site: SiteId) -> Result<(), CoreError> {
        if self.open.is_some() {
            return Err(CoreError::Transaction { reason: "a transaction is open: end it first" });
        }
        self.write(|connection| {
            // Another one may have done it since.
            let (left, last) = (connection.cache.counters.origin.site, connection.cache.counters.last_stamp);
            let is_needed = match renewal {
                SiteReset::Forked => left == site,
                SiteReset::ClockCorrected => last.since(connection.wall) > MAX_CLOCK_SKEW,
            };
            if !is_needed {
                return Ok(());
            }
            connection.take_new_life()?;
            let own = match renewal {
                SiteReset::Forked => BTreeSet::from([left]),
                SiteReset::ClockCorrected => {
                    connection.cache.counters.last_stamp = connection.wall;
                    connection.former_sites()?
                }
            };
            let wall = connection.wall;
            for shard in shard_ids(&connection.sqlite)? {
                renewal.rewrite(&mut WriteShard::open(connection, &shard)?, &own, wall)?;
            }
            Ok(())
        })
    }

    /// Opens a transaction of several steps.
    pub(crate) fn begin(&mut self) -> Result<TransactionId, CoreError> {
        if self.open.is_some() {
            return Err(CoreError::Transaction {
                reason: "a transaction is already open: commit it or roll it back first",
            });
        }
        self.begin_connection()?;
        self.transactions += 1;
        let id = TransactionId(self.transactions);
        self.open = Some(id);
        self.opened = Instant::now();
        Ok(id)
    }

    /// Commits the open transaction, or rolls it back.
    pub(crate) fn end(&mut self, commit: bool) -> Result<(), CoreError> {
        self.open = None;
        if commit {
            return self.commit();
        }
        self.connection.rollback();
        Ok(())
    }

    /// Rolls back everything under way, after a panic.
    pub(crate) fn abandon(&mut self) {
        self.open = None;
        self.connection.rollback();
    }

    /// Makes everything committed so far survive a power cut, by whomever: the log is one. Outside of transactions only.
    pub(crate) fn barrier(&mut self) -> Result<CommitNo, CoreError> {
        // It cannot be set within a transaction.
        self.connection.sqlite.execute_batch("PRAGMA synchronous = FULL")?;
        let raised = self.raise_barrier();
        self.connection.sqlite.execute_batch("PRAGMA synchronous = NORMAL")?;
        self.unsynced &= raised.is_err();
        raised
    }

    fn raise_barrier(&mut self) -> Result<CommitNo, CoreError> {
        let Some(checkpointer) = &self.checkpointer else { return Ok(self.connection.committed().commit_no) };
        let trust = &checkpointer.log.trust;
        let mut was_suspect = false;
        loop {
            checkpointer.make_sound(&mut self.connection)?;
            let raised = self.connection.aside(|connection| {
                let mut newest =
                    connection.sqlite.prepare_cached("SELECT commit_no, barriers FROM counter")?;
                let (covered, raised): (i64, i64) =
                    newest.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                if !trust.begin_sync(raised.unsigned_abs()) && !was_suspect {
                    // One died in the middle of a sync, and may have seen it fail.
                    trust.log_failed();
                    return Ok(None);
                }
                // A commit that changes no page syncs nothing.
                connection.run("UPDATE counter SET barriers = barriers + 1")?;
                Ok(Some(covered.unsigned_abs()))
            });
            let raised = raised.map_err(|error| match error {
                CoreError::Sqlite { source, .. } => checkpointer.barrier_failed(source),
                other => other,
            });
            match raised? {
                Some(covered) => return Ok(covered),
                None => was_suspect = true,
            }
        }
    }

    /// Closes the connection. If nobody else has the file open, finishes the log and the incarnation record; if others do,
    /// makes what was committed survive a power cut.
    ///
    /// # Errors
    /// `ERR_STORAGE` if not everything is known to be on the disk. The record then says that the database was not
    /// closed.
    pub(crate) fn close(mut self) -> Result<(), CoreError> {
        self.connection.rollback();
        self.connection.turn.asked = Instant::now();
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.stop();
        }
        // Whether others are there shows only when this one leaves. Where they cannot see that it still has the file open, it
        // must not write after that.
        let synced_before = if self.incarnation.is_seen() { None } else { Some(self.sync_commits()) };
        let is_last = self.presence.as_ref().is_none_or(|presence| presence.leave());
        let synced = if is_last { Ok(()) } else { synced_before.unwrap_or_else(|| self.sync_commits()) };
        let Self { mut connection, mut incarnation, checkpointer, .. } = self;
        let finished = match checkpointer {
            Some(checkpointer) if is_last => {
                let refreshed = connection.refresh();
                checkpointer.finish(&mut connection).and_then(|finished| refreshed.map(|()| finished))
            }
            _ => synced.map(|()| false),
        };
        let counters = connection.committed().clone();
        // What another program has restored under this opening proves nothing.
        let is_whole = !connection.has_lost(incarnation.recorded(&counters));
        connection.sqlite.close().map_err(|(_, error)| error)?;
        if finished? && is_whole {
            incarnation.record_close(&counters);
        }
        Ok(())
    }

    /// Makes what this opening has committed survive a power cut.
    fn sync_commits(&mut self) -> Result<(), CoreError> {
        if self.unsynced && self.presence.is_some() { self.barrier().map(drop) } else { Ok(()) }
    }

    /// How long to wait for work before [`Writer::rest`] is called. `None`: for ever.
    pub(crate) fn rest_after(&self) -> Option<Duration> {
        self.checkpointer.as_ref().and_then(Checkpointer::rest_after)
    }

    /// Does what is better done while nothing is to be written. Outside of transactions only.
    pub(crate) fn rest(&mut self) {
        self.connection.turn.asked = Instant::now();
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.rest(&mut self.connection);
        }
    }

    fn commit(&mut self) -> Result<(), CoreError> {
        if self.incarnation.boot.has_moved() {
            // The other copy may have given the numbers of this transaction to its own.
            self.connection.rollback();
            self.begin_new_life()?;
            return Err(CoreError::Busy {
                what: "the database".into(),
                reason:
                    "the clock jumped during the transaction, as when a machine is resumed from a snapshot; \
                         nothing was written: do it again"
                        .into(),
            });
        }
        match self.connection.commit(&mut self.incarnation) {
            Ok(Some(changes)) => {
                self.unsynced = true;
                let counters = self.connection.committed();
                let sqlite = &self.connection.sqlite;
                self.notifier
                    .publish(counters, Some(changes), |after| changed_shards(sqlite, after).map(Changes::Of));
                let checkpointer = self.checkpointer.as_mut();
                let excess =
                    checkpointer.and_then(|checkpointer| checkpointer.after_commit(&mut self.connection));
                if let Some(excess) = excess {
                    self.notifier.publish_excess(excess);
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.connection.rollback();
                Err(error)
            }
        }
    }

    fn write_within<T, E: From<CoreError>>(
        &mut self,
        work: impl FnOnce(&mut WriteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = self.connection.within(work);
        if done.is_err() && self.connection.sqlite.is_autocommit() {
            // SQLite rolled back the whole transaction, as it does when the disk is full.
            self.open = None;
            self.connection.forget();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use vectr_delta::{
        Dot, LocalWrite, Metadata, Payload, Row, ShardId, ShardWrite, Sibling, SiteId, Strategy, VectorId,
        VersionVector, replace_row,
    };

    use crate::writer::queue::JobKind;
    use crate::{CoreError, Target, VectrDB};

    fn payload() -> Payload {
        Payload::from_components(&[0.5; 384], None).unwrap()
    }

    /// A limit on the pages of the file fails in the same places as a full disk.
    fn limit(db: &VectrDB, spare: i64) {
        db.call(JobKind::Autocommit, move |writer| {
            let connection = &writer.connection.sqlite;
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.query_row(&format!("PRAGMA max_page_count = {}", pages + spare), [], |_| Ok(()))?;
            Ok(())
        })
        .unwrap();
    }

    fn open(folder: &tempfile::TempDir) -> VectrDB {
        VectrDB::open(folder.path().join("notes.db")).unwrap()
    }

    #[test]
    fn a_full_disk_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        let at = Target::shard(&shard);
        let kept = db.insert(at, None, payload()).unwrap();
        let state = || (db.shard_statistics(&shard).unwrap(), db.digest(&shard).unwrap(), db.commit_no());
        let before = state();
        limit(&db, 3);
        let error = db.insert_batch(at, vec![(None, payload()); 2_000]).unwrap_err();
        assert_eq!(error.code(), "ERR_STORAGE");
        assert!(
            error.to_string().contains("disk is full") && error.to_string().contains("notes.db"),
            "{error}"
        );
        assert_eq!(state(), before);
        limit(&db, 10_000);
        db.insert_batch(at, vec![(None, payload()); 2_000]).unwrap();
        assert_eq!(
            (db.count(&shard).unwrap(), db.shard_statistics(&shard).unwrap().change_id),
            (2_001, 2_001)
        );
        assert!(db.get(at, &kept).unwrap().is_some());
    }

    #[test]
    fn a_full_disk_ends_an_open_transaction_or_leaves_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        db.insert(Target::shard(&shard), None, payload()).unwrap();
        let digest = db.digest(&shard).unwrap();
        limit(&db, 3);
        let transaction = db.begin().unwrap();
        let inside = Target { shard: &shard, transaction: Some(transaction) };
        db.insert(inside, None, payload()).unwrap();
        assert_eq!(
            db.insert_batch(inside, vec![(None, payload()); 2_000]).unwrap_err().code(),
            "ERR_STORAGE"
        );
        match db.rollback(transaction) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.code(), "ERR_TRANSACTION"),
        }
        assert_eq!(db.digest(&shard).unwrap(), digest);
        limit(&db, 10_000);
        db.insert(Target::shard(&shard), None, payload()).unwrap();
        assert_eq!(db.count(&shard).unwrap(), 2);
    }

    #[test]
    fn a_full_disk_leaves_a_conflict_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        let id = VectorId::new("a").unwrap();
        let long = Metadata::new(&format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000))).unwrap();
        let long = Payload::from_components(&[0.5; 384], Some(long)).unwrap();
        let now = db.now();
        let foreign = |site: u64, payload: Payload| {
            let dot = Dot { site: SiteId::new(site), seq: 1 };
            Row::of_write(Sibling::put(dot, now, false, payload), VersionVector::new())
        };
        let join = |other: Row| {
            let (shard, id) = (shard.clone(), id.clone());
            db.call(JobKind::Autocommit, move |writer| {
                writer.write_shard(&shard, |shard| {
                    let old = shard.row(&id)?;
                    let new = old.as_ref().map_or_else(|| other.clone(), |old| old.join(&other));
                    replace_row(shard, &id, old.as_ref(), &new)
                })
            })
        };
        db.set_strategy(&shard, Strategy::Manual).unwrap();
        db.upsert(Target::shard(&shard), &id, payload()).unwrap();
        join(foreign(7, payload())).unwrap();
        let state = || {
            let conflict = db.pending_conflicts(None).unwrap().remove(0);
            (
                conflict.conflict,
                conflict.row,
                conflict.detected_at,
                db.digest(&shard).unwrap(),
                db.commit_no(),
            )
        };
        let before = state();
        limit(&db, 3);
        let choose = || db.resolve_conflict(&before.0, None, LocalWrite::Put(long.clone()));
        assert_eq!(join(foreign(8, long.clone())).unwrap_err().code(), "ERR_STORAGE");
        assert_eq!(state(), before);
        assert_eq!(choose().unwrap_err().code(), "ERR_STORAGE");
        assert_eq!(state(), before);
        limit(&db, 10_000);
        join(foreign(8, long.clone())).unwrap();
        assert_ne!(state().0, before.0);
        assert_eq!(choose().unwrap().unwrap().row.siblings().len(), 2);
    }

    #[test]
    fn work_that_panics_is_rolled_back_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        let id = VectorId::new("a").unwrap();
        let panicking = db.call(JobKind::Autocommit, |writer| -> Result<(), CoreError> {
            writer.write(|connection| {
                connection.intern(SiteId::new(9))?;
                panic!("in the middle")
            })
        });
        let error = panicking.unwrap_err();
        assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("in the middle"), "{error}");
        let site = db.site();
        db.upsert(Target::shard(&shard), &id, payload()).unwrap();
        assert_eq!((db.site(), db.count(&shard).unwrap()), (site, 1));
    }
}
