use rusqlite::{Statement, ToSql};
use vectr_delta::{
    Alteration, ChangeId, ChangelogId, CommitNo, ConflictId, Cursor, Fingerprint, HeldRow, HeldStamp,
    IdRange, Metadata, NodeName, Origin, RangeVisitor, Row, RowVisitor, ShardId, ShardRead, ShardState,
    ShardVersion, ShardWrite, Sibling, SiteId, Timestamp, VectorId,
};

use crate::CoreError;
use crate::storage::catalog::{alteration, alterations, count_alteration, set_alteration};
use crate::storage::conflict_log;
use crate::storage::json::context_text;
use crate::storage::peer::{self, read_cursor, read_held_rows, read_held_stamp, write_cursor};
use crate::storage::rows::{StoredRows, integer};
use crate::storage::snapshot::reads_payloads;
use crate::writer::connection::{CachedShard, LastRead, WriteConnection};

/// A shard inside the open write transaction.
pub(crate) struct WriteShard<'c> {
    connection: &'c mut WriteConnection,
    /// Of the connection's cache.
    index: usize,
}

impl<'c> WriteShard<'c> {
    /// Opens a shard in the transaction of `connection`; creates the shard if it does not exist.
    pub(crate) fn open(connection: &'c mut WriteConnection, shard: &ShardId) -> Result<Self, CoreError> {
        let index = connection.cached_shard(shard)?;
        Ok(Self { connection, index })
    }

    /// The wall clock when the transaction began.
    pub(crate) const fn wall(&self) -> Timestamp {
        self.connection.wall
    }

    /// The last change id given out, in this transaction or before.
    pub(crate) const fn change_id(&self) -> ChangeId {
        self.connection.cache.counters.change_id
    }

    fn cached(&self) -> &CachedShard {
        &self.connection.cache.shards[self.index]
    }

    /// What sessions tell of the shard changes in this transaction.
    fn touch(&mut self) {
        self.connection.cache.dirty = true;
        self.connection.cache.shards[self.index].touched = true;
    }

    fn number(&self) -> i64 {
        self.cached().stored.n
    }

    /// Whether a vector that [`ShardWrite::row`] has just not found has a row that cannot be read.
    pub(crate) fn is_unreadable(&self, id: &VectorId) -> bool {
        let last = self.connection.last_read.as_ref();
        last.is_some_and(|last| !last.readable && last.shard == self.number() && last.id == *id)
    }

    pub(crate) fn rows(&self) -> StoredRows<'_> {
        StoredRows {
            connection: &self.connection.sqlite,
            sites: &self.connection.cache.sites,
            shard: self.number(),
        }
    }

    /// `None` where the context is the only version's own dot.
    fn context(&mut self, row: &Row) -> Result<Option<String>, CoreError> {
        if row.siblings().len() == 1 && row.context().len() == 1 {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(row.context().len());
        for (site, seq) in row.context().iter() {
            entries.push((self.connection.intern(site)?, seq));
        }
        Ok(Some(context_text(entries.into_iter())))
    }

    /// The columns of a row that takes `new` now.
    fn columns<'r>(&mut self, new: &'r Row) -> Result<RowColumns<'r>, CoreError> {
        let context = self.context(new)?;
        let first = &new.siblings()[0];
        Ok(RowColumns {
            site: self.connection.intern(first.dot().site)?,
            first,
            change_id: self.change_id(),
            versions: new.siblings().len() as u64,
            applied_at: self.connection.next_application(),
            context,
        })
    }

    /// Returns the new row's number; `None`, and nothing has changed, if the shard has a row of this vector.
    fn insert(&mut self, id: &VectorId, new: &Row) -> Result<Option<i64>, CoreError> {
        let columns = self.columns(new)?;
        let mut statement = self.connection.sqlite.prepare_cached(INSERT)?;
        columns.bind(&mut statement)?;
        bind(&mut statement, RowColumns::COUNT, &[&self.number(), &id.as_str()])?;
        let inserted = statement.raw_execute()?;
        drop(statement);
        if inserted == 0 {
            return Ok(None);
        }
        let n = self.connection.sqlite.last_insert_rowid();
        self.clear_reused(n)?;
        Ok(Some(n))
    }

    /// Removes what a removed row left under a number that SQLite has given out again.
    fn clear_reused(&mut self, n: i64) -> Result<(), CoreError> {
        // A new row has the greatest number, so that one look a transaction does for nearly all of them.
        let last = match self.connection.last_sibling {
            Some(last) => last,
            None => self.connection.sqlite.prepare_cached(LAST_SIBLING)?.query_row([], |row| row.get(0))?,
        };
        self.connection.last_sibling = Some(last);
        if n > last {
            return Ok(());
        }
        self.remove_siblings(n)?;
        conflict_log::forget(&self.connection.sqlite, n)
    }

    /// Writes `new` over the row of a vector that cannot be read. Returns its number.
    fn overwrite(&mut self, id: &VectorId, new: &Row) -> Result<i64, CoreError> {
        if !self.is_unreadable(id) {
            return Err(CoreError::Damaged {
                reason: format!("vector '{id}' has a row that no search finds"),
            });
        }
        let n = self.row_number(id)?;
        self.remove_siblings(n)?;
        conflict_log::forget(&self.connection.sqlite, n)?;
        self.update(n, new)?;
        Ok(n)
    }

    fn update(&mut self, n: i64, new: &Row) -> Result<(), CoreError> {
        let columns = self.columns(new)?;
        let mut statement = self.connection.sqlite.prepare_cached(UPDATE)?;
        columns.bind(&mut statement)?;
        bind(&mut statement, RowColumns::COUNT, &[&n])?;
        statement.raw_execute()?;
        Ok(())
    }

    /// Before the row takes `new` in place of `old`: removes what belongs to the former versions.
    fn supersede(&mut self, n: i64, id: &VectorId, old: &Row, new: &Row) -> Result<(), CoreError> {
        if !old.is_concurrent() && !new.is_concurrent() {
            return Ok(());
        }
        // Also where there was one version: a file may have siblings that a removed row left under this number.
        self.remove_siblings(n)?;
        if old.is_concurrent() && new.is_concurrent() {
            // In a file of the first schema the conflict is not recorded yet, and its id may have been handed out.
            self.record_conflict(n, id, old)
        } else {
            conflict_log::forget(&self.connection.sqlite, n)
        }
    }

    fn remove_siblings(&self, n: i64) -> Result<(), CoreError> {
        self.connection.sqlite.prepare_cached("DELETE FROM sibling WHERE row = ?1")?.execute([n])?;
        Ok(())
    }

    /// Writes all versions but the first, and the record of their conflict.
    fn insert_siblings(&mut self, n: i64, id: &VectorId, new: &Row) -> Result<(), CoreError> {
        if !new.is_concurrent() {
            return Ok(());
        }
        new.siblings()[1..].iter().try_for_each(|sibling| self.insert_sibling(n, sibling))?;
        self.record_conflict(n, id, new)
    }

    fn record_conflict(&mut self, n: i64, id: &VectorId, row: &Row) -> Result<(), CoreError> {
        let Some(conflict) = ConflictId::of(&self.cached().id, id, row) else { return Ok(()) };
        let mut dots = Vec::with_capacity(row.siblings().len());
        for dot in row.siblings().iter().map(Sibling::dot) {
            dots.push((self.connection.intern(dot.site)?, dot.seq));
        }
        conflict_log::record(&self.connection.sqlite, conflict, n, dots.into_iter())
    }

    fn insert_sibling(&mut self, n: i64, sibling: &Sibling) -> Result<(), CoreError> {
        let site = self.connection.intern(sibling.dot().site)?;
        let mut statement = self.connection.sqlite.prepare_cached(INSERT_SIBLING)?;
        bind_version(&mut statement, site, sibling)?;
        bind(&mut statement, VERSION_COLUMNS, &[&n])?;
        statement.raw_execute()?;
        Ok(())
    }

    /// The number of a vector's row.
    fn row_number(&mut self, id: &VectorId) -> Result<i64, CoreError> {
        let shard = self.number();
        match self.connection.last_read.take() {
            Some(found) if found.shard == shard && found.id == *id => Ok(found.n),
            _ => {
                let mut statement = self
                    .connection
                    .sqlite
                    .prepare_cached("SELECT n FROM row WHERE shard = ?1 AND id = ?2")?;
                Ok(statement.query_row((shard, id.as_str()), |row| row.get(0))?)
            }
        }
    }
}

impl ShardRead for WriteShard<'_> {
    type Error = CoreError;

    fn shard(&self) -> &ShardId {
        &self.cached().id
    }

    fn origin(&self) -> &Origin {
        &self.connection.cache.counters.origin
    }

    fn state(&self) -> &ShardState {
        &self.cached().stored.state
    }

    fn commit_no(&self) -> CommitNo {
        self.connection.cache.counters.commit_no
    }

    fn cursor(&self, peer: &Fingerprint) -> Result<Option<Cursor>, CoreError> {
        read_cursor(&self.connection.sqlite, self.number(), peer)
    }

    fn held_stamp(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<HeldStamp, CoreError> {
        read_held_stamp(&self.connection.sqlite, self.number(), peer, changelog)
    }

    fn held_rows(&self, peer: &Fingerprint, changelog: ChangelogId) -> Result<Vec<HeldRow>, CoreError> {
        read_held_rows(&self.connection.sqlite, self.number(), peer, changelog)
    }

    fn site_name(&self, site: SiteId) -> Result<Option<NodeName>, CoreError> {
        self.connection.site_name(site)
    }

    fn visit_rows(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        visit: RowVisitor<'_>,
    ) -> Result<(), CoreError> {
        self.rows().visit(after, filter, reads_payloads(filter, self.state()), visit)
    }

    fn visit_row(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        self.rows().visit_id(id, visit)
    }

    fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        self.rows().visit_range(range, visit)
    }

    fn alteration(&self) -> Result<Alteration, CoreError> {
        alteration(&self.connection.sqlite, self.number())
    }

    fn alterations(&self) -> Result<u64, CoreError> {
        alterations(&self.connection.sqlite, self.number())
    }
}

impl ShardWrite for WriteShard<'_> {
    fn state_mut(&mut self) -> &mut ShardState {
        let shard = &mut self.connection.cache.shards[self.index];
        shard.changed = true;
        &mut shard.stored.state
    }

    fn row(&mut self, id: &VectorId) -> Result<Option<Row>, CoreError> {
        let (n, row) = match self.rows().by_id(id) {
            Ok(None) => return Ok(None),
            Ok(Some(stored)) => (stored.n, Some(stored.entry.row)),
            Err(error) if error.is_damage_of_a_row() => (self.row_number(id)?, None),
            Err(error) => return Err(error),
        };
        let (shard, id) = (self.number(), id.clone());
        self.connection.last_read = Some(LastRead { shard, id, n, readable: row.is_some() });
        if row.is_none() {
            // The digest counts it still, and a peer may have it.
            self.set_alteration(Alteration::Present)?;
        }
        Ok(row)
    }

    fn put_row(&mut self, id: &VectorId, old: Option<&Row>, new: &Row) -> Result<(), CoreError> {
        self.connection.cache.counters.change_id += 1;
        self.touch();
        let n = if let Some(old) = old {
            let n = self.row_number(id)?;
            self.supersede(n, id, old, new)?;
            self.update(n, new)?;
            n
        } else {
            match self.insert(id, new)? {
                Some(n) => n,
                None => self.overwrite(id, new)?,
            }
        };
        self.insert_siblings(n, id, new)
    }

    fn insert_row(&mut self, id: &VectorId, new: &Row) -> Result<bool, CoreError> {
        self.connection.cache.counters.change_id += 1;
        let Some(n) = self.insert(id, new)? else {
            self.connection.cache.counters.change_id -= 1;
            return Ok(false);
        };
        self.touch();
        self.insert_siblings(n, id, new)?;
        Ok(true)
    }

    fn set_alteration(&mut self, alteration: Alteration) -> Result<(), CoreError> {
        if self.alteration()? != alteration {
            set_alteration(&self.connection.sqlite, self.number(), alteration)?;
            self.touch();
        }
        Ok(())
    }

    fn count_alteration(&mut self) -> Result<(), CoreError> {
        self.touch();
        count_alteration(&self.connection.sqlite, self.number())
    }

    fn set_cursor(&mut self, peer: &Fingerprint, cursor: Cursor) -> Result<(), CoreError> {
        let key = (self.number(), *peer.as_bytes());
        if self.connection.cache.cursors.get(&key) == Some(&cursor) {
            return Ok(());
        }
        if self.cursor(peer)? != Some(cursor) {
            write_cursor(&self.connection.sqlite, key.0, peer, cursor)?;
            self.connection.cache.dirty = true;
        }
        self.connection.cache.cursors.insert(key, cursor);
        Ok(())
    }

    fn hold_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        row: &HeldRow,
    ) -> Result<bool, CoreError> {
        let held = peer::hold_row(&self.connection.sqlite, self.number(), peer, changelog, row)?;
        self.connection.cache.dirty |= held;
        Ok(held)
    }

    fn release_row(
        &mut self,
        peer: &Fingerprint,
        changelog: ChangelogId,
        id: &VectorId,
        revision: CommitNo,
    ) -> Result<(), CoreError> {
        let (sqlite, shard) = (&self.connection.sqlite, self.number());
        let gone = peer::release_row(sqlite, shard, peer, changelog, id, revision)?;
        self.connection.cache.dirty |= gone > 0;
        Ok(())
    }

    fn forget_held_rows(&mut self, peer: &Fingerprint, but: [ChangelogId; 2]) -> Result<(), CoreError> {
        let gone = peer::forget_held_rows(&self.connection.sqlite, self.number(), peer, but)?;
        self.connection.cache.dirty |= gone > 0;
        Ok(())
    }

    fn forget_cursors(&mut self) -> Result<(), CoreError> {
        let shard = self.number();
        peer::forget_cursors(&self.connection.sqlite, shard)?;
        self.connection.cache.cursors.retain(|(of, _), _| *of != shard);
        self.connection.cache.dirty = true;
        Ok(())
    }

    fn name_site(&mut self, site: SiteId, name: &NodeName) -> Result<(), CoreError> {
        // A peer does not name this node.
        if site == self.connection.cache.counters.origin.site {
            return Ok(());
        }
        self.connection.name_site(site, name)
    }

    fn last_stamp(&self) -> Timestamp {
        self.connection.cache.counters.last_stamp
    }

    fn set_last_stamp(&mut self, stamp: Timestamp) {
        self.connection.cache.counters.last_stamp = stamp;
    }
}

/// What INSERT and UPDATE write alike.
struct RowColumns<'r> {
    first: &'r Sibling,
    site: i64,
    change_id: ChangeId,
    versions: u64,
    applied_at: Timestamp,
    context: Option<String>,
}

impl RowColumns<'_> {
    const COUNT: usize = VERSION_COLUMNS + 4;

    /// Binds the parameters `?1` to `?11`.
    fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        bind_version(statement, self.site, self.first)?;
        bind(
            statement,
            VERSION_COLUMNS,
            &[
                &integer(self.change_id),
                &integer(self.versions),
                &integer(self.applied_at.as_micros()),
                &self.context,
            ],
        )
    }
}

/// Binds the parameters `?1` to `?7`: the columns that the tables `row` and `sibling` share.
fn bind_version(statement: &mut Statement<'_>, site: i64, version: &Sibling) -> rusqlite::Result<()> {
    let payload = version.payload();
    bind(
        statement,
        0,
        &[
            &site,
            &integer(version.dot().seq),
            &integer(version.timestamp().as_micros()),
            &(version.operation() as u8),
            &payload.map(|_| version.hash().to_le_bytes()),
            &payload.and_then(|payload| payload.metadata()).map(Metadata::as_str),
            &payload.map(|payload| payload.vector().as_ref()),
        ],
    )
}

/// Binds the parameters after the first `bound` ones.
fn bind(statement: &mut Statement<'_>, bound: usize, values: &[&dyn ToSql]) -> rusqlite::Result<()> {
    (bound + 1..).zip(values).try_for_each(|(number, value)| statement.raw_bind_parameter(number, value))
}

const VERSION_COLUMNS: usize = 7;

macro_rules! version_columns {
    () => {
        "site, seq, timestamp, operation, hash, metadata, vector"
    };
}

macro_rules! row_columns {
    () => {
        concat!(version_columns!(), ", change_id, versions, applied_at, context")
    };
}

// One row, whose constraints are all checked before anything of it is written: nothing is to be taken back.
const INSERT: &str = concat!(
    "INSERT OR FAIL INTO row (",
    row_columns!(),
    ", shard, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
     ON CONFLICT (shard, id) DO NOTHING"
);
const UPDATE: &str = concat!(
    "UPDATE row SET (",
    row_columns!(),
    ") = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) WHERE n = ?12"
);
const LAST_SIBLING: &str = "SELECT CAST(coalesce(max(row), 0) AS INTEGER) FROM sibling";
const INSERT_SIBLING: &str = concat!(
    "INSERT OR FAIL INTO sibling (",
    version_columns!(),
    ", row) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
);
