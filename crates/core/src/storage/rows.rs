//! Reading rows. Bytes are returned as they are stored: callers check whether a payload matches its hash, and a row
//! whose parts contradict each other is returned with a hash that does not match.

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{
    ChangeId, Dot, IdRange, Metadata, Operation, Payload, PayloadHash, RangeVisitor, Row, RowVisitor,
    ShardVersion, Sibling, SiteId, Timestamp, VectorId, VectorRow, VersionVector, VisitedRow,
};

use crate::CoreError;
use crate::storage::json::parse_context;
use crate::storage::sites::SiteNumbers;

/// The rows of one shard, through one connection.
#[derive(Clone, Copy)]
pub(crate) struct StoredRows<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) sites: &'a SiteNumbers,
    pub(crate) shard: i64,
}

/// A row with its place in the database.
pub(crate) struct StoredRow {
    pub(crate) n: i64,
    pub(crate) change_id: ChangeId,
    pub(crate) applied_at: Timestamp,
    pub(crate) entry: VectorRow,
}

impl<'a> StoredRows<'a> {
    /// As [`ShardRead::visit_rows`](vectr_delta::ShardRead::visit_rows). If `payloads` is set, they are small enough to
    /// be read along with the dots; otherwise they are looked up once a row has passed the filter.
    pub(crate) fn visit(
        &self,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        payloads: bool,
        visit: RowVisitor<'_>,
    ) -> Result<(), CoreError> {
        let mut statement = self.connection.prepare_cached(if payloads { CHANGES } else { CHANGE_DOTS })?;
        let mut rows = statement.query((self.shard, integer(after)))?;
        while let Some(row) = rows.next()? {
            let change_id = number(row, CHANGE_ID)?;
            let visited = match self.visited(row, filter, payloads) {
                Err(error) if error.is_damage_of_a_row() => VisitedRow::Unreadable(self.id_of(row)?),
                visited => visited?,
            };
            if visit(change_id, visited).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A row of [`StoredRows::visit`].
    fn visited(
        &self,
        row: &rusqlite::Row<'_>,
        filter: Option<&ShardVersion>,
        payloads: bool,
    ) -> Result<VisitedRow, CoreError> {
        if let Some(filter) = filter
            && !self.is_above(row, &mut |dot| Ok(filter.covers(dot)))?
        {
            return Ok(VisitedRow::Covered);
        }
        let stored = if payloads { self.read(row)? } else { self.by_rowid(row.get(N)?)? };
        Ok(VisitedRow::Row(stored.entry))
    }

    /// The id of a row of which nothing else may be readable.
    fn id_of(&self, row: &rusqlite::Row<'_>) -> Result<VectorId, CoreError> {
        let n: i64 = row.get(N)?;
        let mut statement = self.connection.prepare_cached("SELECT id FROM row WHERE n = ?1")?;
        let id: Option<String> = statement.query_row([n], |row| Ok(row.get(0).ok()))?;
        let id = id.and_then(|id| VectorId::new(&id).ok());
        id.ok_or_else(|| damaged(n, "its id is none"))
    }

    /// The row of a vector.
    pub(crate) fn by_id(&self, id: &VectorId) -> Result<Option<StoredRow>, CoreError> {
        let mut statement = self.connection.prepare_cached(BY_ID)?;
        let mut rows = statement.query((self.shard, id.as_str()))?;
        rows.next()?.map(|row| self.read(row)).transpose()
    }

    /// As [`ShardRead::visit_row`](vectr_delta::ShardRead::visit_row).
    pub(crate) fn visit_id(&self, id: &VectorId, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        let entry = match self.by_id(id) {
            Ok(found) => found.map(|stored| Some(stored.entry)),
            Err(error) if error.is_damage_of_a_row() => Some(None),
            Err(error) => return Err(error),
        };
        // Nothing is left to be visited.
        let _ = entry.map(visit);
        Ok(())
    }

    /// The row with this number; `None` if it is damaged.
    pub(crate) fn intact_by_rowid(&self, n: i64) -> Result<Option<StoredRow>, CoreError> {
        intact(self.by_rowid(n))
    }

    /// Visits the rows with concurrent versions, except for those that cannot be read.
    pub(crate) fn visit_concurrent(
        &self,
        mut visit: impl FnMut(StoredRow) -> Result<(), CoreError>,
    ) -> Result<(), CoreError> {
        let mut statement = self.connection.prepare_cached(CONCURRENT)?;
        let mut rows = statement.query([self.shard])?;
        while let Some(row) = rows.next()? {
            match self.read(row) {
                Err(error) if error.is_damage_of_a_row() => {}
                read => visit(read?)?,
            }
        }
        Ok(())
    }

    /// At most `limit` rows after `after`, ordered by id. A damaged one is `None`.
    pub(crate) fn page_by_id(
        &self,
        after: Option<&VectorId>,
        limit: usize,
    ) -> Result<Vec<(VectorId, Option<Row>)>, CoreError> {
        let mut statement = self.connection.prepare_cached(BEHIND_ID)?;
        let after = after.map_or("", VectorId::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((self.shard, after, limit))?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get_ref(ID)?.as_str().ok().and_then(|id| VectorId::new(id).ok());
            let id = id.ok_or_else(|| damaged(row.get(N).unwrap_or_default(), "its id is none"))?;
            page.push((id, intact(self.read(row))?.map(|stored| stored.entry.row)));
        }
        Ok(page)
    }

    /// As [`ShardRead::visit_range`](vectr_delta::ShardRead::visit_range).
    pub(crate) fn visit_range(&self, range: &IdRange, visit: RangeVisitor<'_>) -> Result<(), CoreError> {
        let after = range.after.as_ref().map_or("", VectorId::as_str);
        let (mut behind, mut within);
        let mut rows = match &range.to {
            None => {
                behind = self.connection.prepare_cached(ALL_BEHIND_ID)?;
                behind.query((self.shard, after))?
            }
            Some(to) => {
                within = self.connection.prepare_cached(WITHIN_IDS)?;
                within.query((self.shard, after, to.as_str()))?
            }
        };
        while let Some(row) = rows.next()? {
            let entry = match self.read(row) {
                Ok(stored) => Some(stored.entry),
                Err(error) if error.is_damage_of_a_row() => None,
                Err(error) => return Err(error),
            };
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// How many rows have greater change ids.
    pub(crate) fn count_after(&self, position: ChangeId) -> Result<u64, CoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT count(*) FROM row WHERE shard = ?1 AND change_id > ?2")?;
        let count: i64 = statement.query_row((self.shard, integer(position)), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The newest change id; 0 if there is none.
    pub(crate) fn newest_change(&self) -> Result<ChangeId, CoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT coalesce(max(change_id), 0) FROM row WHERE shard = ?1")?;
        let newest: i64 = statement.query_row([self.shard], |row| row.get(0))?;
        Ok(newest.unsigned_abs())
    }

    /// The last change id that was applied by `moment`. Rows are applied in the order of their change ids.
    pub(crate) fn applied_by(&self, moment: Timestamp) -> Result<ChangeId, CoreError> {
        let mut statement = self.connection.prepare_cached(NEXT_APPLICATION)?;
        // The answer is between `after` and `end`, inclusive.
        let (mut after, mut end) = (0, self.newest_change()?);
        while after < end {
            let middle = after + (end - after) / 2;
            let next =
                statement.query_row((self.shard, integer(middle)), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (change_id, applied_at): (i64, i64) = next;
            if applied_at.unsigned_abs() <= moment.as_micros() {
                after = change_id.unsigned_abs();
            } else {
                end = middle;
            }
        }
        Ok(after)
    }

    /// When the first row above `after` was applied.
    pub(crate) fn next_application(&self, after: ChangeId) -> Result<Option<Timestamp>, CoreError> {
        let mut statement = self.connection.prepare_cached(NEXT_APPLICATION)?;
        let mut rows = statement.query((self.shard, integer(after)))?;
        rows.next()?.map(|row| Ok(Timestamp::from_micros(number(row, 1)?))).transpose()
    }

    /// The number of current versions of a site whose numbers are above `after` and at most `to`.
    pub(crate) fn count_dots(&self, site: SiteId, after: u64, to: u64) -> Result<u64, CoreError> {
        let mut statement = self.connection.prepare_cached(COUNT_DOTS)?;
        let range = (self.shard, site.to_string(), integer(after), integer(to));
        let count: i64 = statement.query_row(range, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The number of rows with a change id above `after` and a version that is not `held`. Reads no payload except what is
    /// stored in the same page.
    pub(crate) fn count_above(
        &self,
        after: ChangeId,
        mut held: impl FnMut(Dot) -> Result<bool, CoreError>,
    ) -> Result<u64, CoreError> {
        let mut statement = self.connection.prepare_cached(CHANGE_DOTS)?;
        let mut rows = statement.query((self.shard, integer(after)))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let is_above = match self.is_above(row, &mut held) {
                Err(error) if error.is_damage_of_a_row() => true,
                is_above => is_above?,
            };
            count += u64::from(is_above);
        }
        Ok(count)
    }

    /// The row with this number.
    pub(crate) fn by_rowid(&self, n: i64) -> Result<StoredRow, CoreError> {
        let mut statement = self.connection.prepare_cached(BY_NUMBER)?;
        let mut rows = statement.query([n])?;
        let row = rows.next()?.ok_or_else(|| damaged(n, "it is in an index only"))?;
        self.read(row)
    }

    /// Reads a row of any statement in this file that selects all columns.
    pub(crate) fn read(&self, row: &rusqlite::Row<'_>) -> Result<StoredRow, CoreError> {
        let n: i64 = row.get(N)?;
        let first = self.sibling(row, SITE, HASH)?;
        let context = match row.get_ref(CONTEXT)? {
            ValueRef::Null => VersionVector::new(),
            text => self.context(text.as_str().map_err(|_| damaged(n, "its context is no text"))?)?,
        };
        let whole = match row.get::<_, i64>(VERSIONS)? {
            1 => Row::of_write(first, context),
            versions => {
                let siblings: Vec<Sibling> = self.others(n)?.into_iter().chain([first]).collect();
                let lost = i64::try_from(siblings.len()) != Ok(versions);
                // The context covers the lost version as well, and would keep it from coming back.
                let context = if lost { VersionVector::new() } else { context };
                Row::new(siblings, context).ok_or_else(|| damaged(n, "it has no version"))?
            }
        };
        let id = row.get_ref(ID)?.as_str().map_err(|_| damaged(n, "its id is no text"))?;
        Ok(StoredRow {
            n,
            change_id: number(row, CHANGE_ID)?,
            applied_at: Timestamp::from_micros(number(row, APPLIED_AT)?),
            entry: VectorRow { id: VectorId::new(id)?, row: whole },
        })
    }

    fn others(&self, n: i64) -> Result<Vec<Sibling>, CoreError> {
        let mut statement = self.connection.prepare_cached(SIBLINGS)?;
        let mut rows = statement.query([n])?;
        let mut siblings = Vec::new();
        while let Some(row) = rows.next()? {
            siblings.push(self.sibling(row, 0, 4)?);
        }
        Ok(siblings)
    }

    /// Whether the row has a version that `covers` denies.
    fn is_above(
        &self,
        row: &rusqlite::Row<'_>,
        covers: &mut impl FnMut(Dot) -> Result<bool, CoreError>,
    ) -> Result<bool, CoreError> {
        if !covers(self.dot(row, SITE)?)? {
            return Ok(true);
        }
        if row.get::<_, i64>(VERSIONS)? == 1 {
            return Ok(false);
        }
        let mut statement = self.connection.prepare_cached("SELECT site, seq FROM sibling WHERE row = ?1")?;
        let mut rows = statement.query([row.get::<_, i64>(N)?])?;
        while let Some(sibling) = rows.next()? {
            if !covers(self.dot(sibling, 0)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn dot(&self, row: &rusqlite::Row<'_>, at: usize) -> Result<Dot, CoreError> {
        Ok(Dot { site: self.sites.site(self.connection, row.get(at)?)?, seq: number(row, at + 1)? })
    }

    /// Columns site, seq, timestamp, operation from `at` on; hash, metadata, vector from `payload_at` on.
    fn sibling(&self, row: &rusqlite::Row<'_>, at: usize, payload_at: usize) -> Result<Sibling, CoreError> {
        let dot = self.dot(row, at)?;
        let timestamp = Timestamp::from_micros(number(row, at + 2)?);
        let operation = u8::try_from(row.get::<_, i64>(at + 3)?).ok().and_then(Operation::from_byte);
        let vector = row.get_ref(payload_at + 2)?;
        let hash = stored_hash(row.get_ref(payload_at)?);
        if operation == Some(Operation::Delete) && hash.is_none() && vector == ValueRef::Null {
            return Ok(Sibling::tombstone(dot, timestamp));
        }
        let metadata = match row.get_ref(payload_at + 1)? {
            ValueRef::Text(text) => Some(Metadata::from_checked(&String::from_utf8_lossy(text))),
            _ => None,
        };
        let bytes = vector.as_blob().map_or_else(|_| Bytes::new(), Bytes::copy_from_slice);
        let payload = Payload::from_checked(bytes, metadata);
        let put = operation.filter(|operation| *operation != Operation::Delete);
        let (operation, hash) = match (put, hash) {
            (Some(operation), Some(hash)) => (operation, hash),
            _ => (Operation::Insert, failing_hash(&payload)),
        };
        Sibling::from_parts(dot, timestamp, operation, Some((payload, hash)))
            .ok_or_else(|| CoreError::Damaged { reason: format!("version {dot:?} does not read") })
    }

    fn context(&self, text: &str) -> Result<VersionVector, CoreError> {
        let entries = parse_context(text)?;
        entries.into_iter().map(|(n, seq)| Ok((self.sites.site(self.connection, n)?, seq))).collect()
    }
}

/// A row that was read, or `None` if it is not what was written.
fn intact(read: Result<StoredRow, CoreError>) -> Result<Option<StoredRow>, CoreError> {
    match read {
        Ok(stored) => Ok(Some(stored).filter(|stored| stored.entry.row.is_intact())),
        Err(error) if error.is_damage_of_a_row() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of a shard, if it exists.
pub(crate) fn shard_number(connection: &Connection, shard: &str) -> Result<Option<i64>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT n FROM shard WHERE id = ?1")?;
    Ok(statement.query_row([shard], |row| row.get(0)).optional()?)
}

/// Numbers are at most 2^53; a larger one from a peer is cut to the largest that a column holds.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that is never negative.
pub(crate) fn number(row: &rusqlite::Row<'_>, at: usize) -> Result<u64, CoreError> {
    let value: i64 = row.get(at)?;
    u64::try_from(value).map_err(|_| CoreError::Damaged { reason: format!("a number of {value}") })
}

fn stored_hash(value: ValueRef<'_>) -> Option<PayloadHash> {
    let bytes: [u8; 16] = value.as_blob().ok()?.try_into().ok()?;
    Some(PayloadHash::from_le_bytes(bytes))
}

fn failing_hash(payload: &Payload) -> PayloadHash {
    PayloadHash::from_le_bytes(payload.hash().to_le_bytes().map(|byte| !byte))
}

fn damaged(n: i64, what: &str) -> CoreError {
    CoreError::Damaged { reason: format!("row {n}: {what}") }
}

macro_rules! columns {
    () => {
        "n, change_id, versions, site, seq, timestamp, operation, applied_at, id, context, hash, metadata, vector"
    };
}

const N: usize = 0;
const CHANGE_ID: usize = 1;
pub(crate) const VERSIONS: usize = 2;
const SITE: usize = 3;
const APPLIED_AT: usize = 7;
pub(crate) const ID: usize = 8;
const CONTEXT: usize = 9;
const HASH: usize = 10;
/// Only in [`EVERY_ROW`].
pub(crate) const SHARD: usize = 13;

/// Rows of all shards, in the order of the file.
pub(crate) const EVERY_ROW: &str = concat!("SELECT ", columns!(), ", shard FROM row ORDER BY n");

const CHANGES: &str =
    concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND change_id > ?2 ORDER BY change_id");
const CHANGE_DOTS: &str = "SELECT n, change_id, versions, site, seq FROM row \
     WHERE shard = ?1 AND change_id > ?2 ORDER BY change_id";
const BY_ID: &str = concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND id = ?2");
const BEHIND_ID: &str =
    concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
const ALL_BEHIND_ID: &str =
    concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND id > ?2 ORDER BY id");
const WITHIN_IDS: &str =
    concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND id > ?2 AND id <= ?3 ORDER BY id");
const BY_NUMBER: &str = concat!("SELECT ", columns!(), " FROM row WHERE n = ?1");
const CONCURRENT: &str = concat!("SELECT ", columns!(), " FROM row WHERE shard = ?1 AND versions > 1");
const SIBLINGS: &str =
    "SELECT site, seq, timestamp, operation, hash, metadata, vector FROM sibling WHERE row = ?1";
const NEXT_APPLICATION: &str = "SELECT change_id, applied_at FROM row WHERE shard = ?1 AND change_id > ?2 \
     ORDER BY change_id LIMIT 1";
const COUNT_DOTS: &str = "WITH dot (seq) AS ( \
       SELECT row.seq FROM row, site \
       WHERE row.shard = ?1 AND site.site = ?2 AND row.site = site.n \
       UNION \
       SELECT sibling.seq FROM sibling, row, site \
       WHERE row.n = sibling.row AND row.shard = ?1 AND site.site = ?2 AND sibling.site = site.n \
     ) SELECT count(*) FROM dot WHERE seq > ?3 AND seq <= ?4";

/// The newest stamp among the versions of other nodes; 0 if there are none.
pub(crate) fn newest_foreign_stamp(connection: &Connection) -> Result<Timestamp, CoreError> {
    let newest: i64 = connection.query_row(NEWEST_FOREIGN, [], |row| row.get(0))?;
    Ok(Timestamp::from_micros(newest.unsigned_abs()))
}

const NEWEST_FOREIGN: &str = "SELECT coalesce(max(timestamp), 0) FROM (\
     SELECT site, timestamp FROM row UNION ALL SELECT site, timestamp FROM sibling\
     ) AS version JOIN site ON site.n = version.site WHERE site.own = 0";
