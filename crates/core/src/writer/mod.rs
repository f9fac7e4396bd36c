pub(crate) mod barriers;
pub(crate) mod checkpoint;
pub(crate) mod commit_notifier;
pub(crate) mod connection;
pub(crate) mod durability;
pub(crate) mod queue;
pub(crate) mod shard;

use std::fmt;
use std::sync::Arc;

use vectr_delta::{CommitNo, Renewal, ShardId};

use crate::CoreError;
use crate::incarnation::Identity;
use crate::storage::catalog::shard_ids;
use crate::writer::checkpoint::Wal;
use crate::writer::commit_notifier::Announcement;
use crate::writer::connection::Ledger;
use crate::writer::shard::WriteShard;

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

#[cfg(test)]
mod tests {
    use vectr_delta::{
        Dot, LocalWrite, Metadata, Payload, Row, ShardId, ShardWrite, Sibling, SiteId, Strategy, VectorId,
        VersionVector, replace_row,
    };

    use crate::writer::queue::Scope;
    use crate::{At, Config, CoreError, VectrDB};

    fn payload() -> Payload {
        Payload::from_components(&[0.5; 384], None).unwrap()
    }

    /// A limit on the pages of the file fails in the same places as a full disk.
    fn limit(db: &VectrDB, spare: i64) {
        db.call(Scope::Outside, move |writer| {
            let connection = &writer.ledger.connection;
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.query_row(&format!("PRAGMA max_page_count = {}", pages + spare), [], |_| Ok(()))?;
            Ok(())
        })
        .unwrap();
    }

    fn open(folder: &tempfile::TempDir) -> VectrDB {
        let state_dir = Some(folder.path().join("state"));
        VectrDB::new(Config { state_dir, ..Config::file(folder.path().join("notes.db")) }).unwrap()
    }

    #[test]
    fn a_full_disk_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        let at = At::shard(&shard);
        let kept = db.insert(at, None, payload()).unwrap();
        let state = || (db.shard_status(&shard).unwrap(), db.digest(&shard).unwrap(), db.commit_no());
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
        assert_eq!((db.count(&shard).unwrap(), db.shard_status(&shard).unwrap().change_id), (2_001, 2_001));
        assert!(db.get(at, &kept).unwrap().is_some());
    }

    #[test]
    fn a_full_disk_ends_an_open_transaction_or_leaves_it_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (db, shard) = (open(&folder), ShardId::new("notes").unwrap());
        db.insert(At::shard(&shard), None, payload()).unwrap();
        let digest = db.digest(&shard).unwrap();
        limit(&db, 3);
        let transaction = db.begin().unwrap();
        let inside = At { shard: &shard, transaction: Some(transaction) };
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
        db.insert(At::shard(&shard), None, payload()).unwrap();
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
            db.call(Scope::Outside, move |writer| {
                writer.write_shard(&shard, |shard| {
                    let old = shard.row(&id)?;
                    let new = old.as_ref().map_or_else(|| other.clone(), |old| old.join(&other));
                    replace_row(shard, &id, old.as_ref(), &new)
                })
            })
        };
        db.set_strategy(&shard, Strategy::Manual).unwrap();
        db.upsert(At::shard(&shard), &id, payload()).unwrap();
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
        let panicking = db.call(Scope::Outside, |writer| -> Result<(), CoreError> {
            writer.write(|ledger| {
                ledger.take_new_site()?;
                panic!("in the middle")
            })
        });
        let error = panicking.unwrap_err();
        assert!(error.code() == "ERR_STORAGE" && error.to_string().contains("in the middle"), "{error}");
        let site = db.site();
        db.upsert(At::shard(&shard), &id, payload()).unwrap();
        assert_eq!((db.site(), db.count(&shard).unwrap()), (site, 1));
    }
}
