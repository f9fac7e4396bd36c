//! The versions that the id of a conflict covers. An id that was handed out stays valid while its vector is in
//! conflict, whatever has joined since, also for another process.

use rusqlite::{Connection, OptionalExtension};
use vectr_delta::{ConflictId, Dot, ShardId, Timestamp};

use crate::CoreError;
use crate::storage::json::{dots_text, parse_dots};
use crate::storage::rows::{integer, number};
use crate::storage::sites::SiteNumbers;

/// What is recorded under an id.
pub(crate) struct ConflictRecord {
    /// Its `row.n`.
    pub(crate) row: i64,
    /// The versions that it covers.
    pub(crate) dots: Vec<Dot>,
}

/// Records the versions of a row as pairs of site number and sequence number. The conflict was detected when the row
/// last changed. An existing record is kept, and follows a vector whose row was removed and came back; beyond the newest 64 of the row, the oldest are deleted.
pub(crate) fn record(
    connection: &Connection,
    id: ConflictId,
    row: i64,
    dots: impl Iterator<Item = (i64, u64)>,
) -> Result<(), CoreError> {
    let recorded = connection.prepare_cached(RECORD)?.execute((id.to_be_bytes(), row, dots_text(dots)))?;
    if recorded > 0 {
        connection.prepare_cached(TRIM)?.execute((row, integer(MAX_RECORDS)))?;
    }
    Ok(())
}

/// Deletes all conflicts of a row, which is resolved.
pub(crate) fn forget(connection: &Connection, row: i64) -> Result<(), CoreError> {
    connection.prepare_cached("DELETE FROM conflict WHERE row = ?1")?.execute([row])?;
    Ok(())
}

/// What is recorded under an id.
pub(crate) fn find(
    connection: &Connection,
    sites: &SiteNumbers,
    id: ConflictId,
) -> Result<Option<ConflictRecord>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT row, dots FROM conflict WHERE id = ?1")?;
    let mut rows = statement.query([id.to_be_bytes()])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let text: String = found.get(1)?;
    let dots = parse_dots(&text)?.into_iter();
    let dots = dots.map(|(site, seq)| Ok(Dot { site: sites.site(connection, site)?, seq }));
    Ok(Some(ConflictRecord { row: found.get(0)?, dots: dots.collect::<Result<_, CoreError>>()? }))
}

/// When a conflict was first seen on this node; `None` if it is not recorded.
pub(crate) fn detected_at(connection: &Connection, id: ConflictId) -> Result<Option<Timestamp>, CoreError> {
    let mut statement = connection.prepare_cached("SELECT detected_at FROM conflict WHERE id = ?1")?;
    let mut rows = statement.query([id.to_be_bytes()])?;
    rows.next()?.map(|found| Ok(Timestamp::from_micros(number(found, 0)?))).transpose()
}

/// Rows in conflict that have no record, from a file of the first schema, with their shards.
pub(crate) fn unrecorded(connection: &Connection) -> Result<Vec<(i64, ShardId)>, CoreError> {
    let mut statement = connection.prepare_cached(UNRECORDED)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| row.map_err(CoreError::from).and_then(|(n, shard)| Ok((n, ShardId::new(&shard)?))))
        .collect()
}

/// The shard of a row.
pub(crate) fn shard_of(connection: &Connection, row: i64) -> Result<Option<ShardId>, CoreError> {
    let mut statement = connection
        .prepare_cached("SELECT shard.id FROM row JOIN shard ON shard.n = row.shard WHERE row.n = ?1")?;
    let shard: Option<String> = statement.query_row([row], |found| found.get(0)).optional()?;
    Ok(shard.map(|shard| ShardId::new(&shard)).transpose()?)
}

const MAX_RECORDS: u64 = 64;

const RECORD: &str = "INSERT INTO conflict (id, row, dots, detected_at) SELECT ?1, n, ?3, applied_at FROM row \
     WHERE n = ?2 ON CONFLICT (id) DO UPDATE SET row = excluded.row WHERE row <> excluded.row";
const TRIM: &str = "DELETE FROM conflict WHERE row = ?1 AND n <= \
     (SELECT n FROM conflict WHERE row = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)";
const UNRECORDED: &str = "SELECT row.n, shard.id FROM shard JOIN row ON row.shard = shard.n AND row.versions > 1 \
     WHERE NOT EXISTS (SELECT 1 FROM conflict WHERE conflict.row = row.n)";
