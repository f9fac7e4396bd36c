use rusqlite::Connection;
use vectr_delta::{Cursor, Fingerprint};

use crate::CoreError;
use crate::storage::rows::{integer, number};

pub(crate) fn read_cursor(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
) -> Result<Option<Cursor>, CoreError> {
    let mut statement =
        connection.prepare_cached("SELECT changelog, position FROM cursor WHERE shard = ?1 AND peer = ?2")?;
    let mut rows = statement.query((shard, peer.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let changelog: String = row.get(0)?;
    Ok(Some(Cursor { changelog: changelog.parse()?, position: number(row, 1)? }))
}

pub(crate) fn write_cursor(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    cursor: Cursor,
) -> Result<(), CoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO cursor (shard, peer, changelog, position) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (shard, peer) DO UPDATE SET changelog = ?3, position = ?4",
    )?;
    let changelog = cursor.changelog.to_string();
    statement.execute((shard, peer.as_bytes(), changelog, integer(cursor.position)))?;
    Ok(())
}

/// Forgets the cursors of all peers, and the rows that were held back.
pub(crate) fn forget_cursors(connection: &Connection, shard: i64) -> Result<(), CoreError> {
    connection.prepare_cached("DELETE FROM cursor WHERE shard = ?1")?.execute([shard])?;
    connection.prepare_cached("DELETE FROM held_row WHERE shard = ?1")?.execute([shard])?;
    Ok(())
}
