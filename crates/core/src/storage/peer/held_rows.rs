use rusqlite::Connection;
use vectr_delta::{ChangelogId, CommitNo, Fingerprint, HeldRow, HeldStamp, VectorId};

use crate::CoreError;
use crate::storage::json::{parse_vector, vector_text};
use crate::storage::rows::{integer, number};

/// [`vectr_delta::ShardRead::held_stamp`]. Reads an index alone.
pub(crate) fn read_held_stamp(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    changelog: ChangelogId,
) -> Result<HeldStamp, CoreError> {
    let mut statement = connection.prepare_cached(STAMP)?;
    let mut rows = statement.query((shard, peer.as_bytes(), changelog.to_string()))?;
    let row = rows.next()?.expect("an aggregate has one row");
    Ok(HeldStamp { rows: number(row, 0)?, revision: number(row, 1)? })
}

pub(crate) fn read_held_rows(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    changelog: ChangelogId,
) -> Result<Vec<HeldRow>, CoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, context, revision FROM held_row WHERE shard = ?1 AND peer = ?2 AND changelog = ?3 ORDER BY id",
    )?;
    let mut rows = statement.query((shard, peer.as_bytes(), changelog.to_string()))?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, context): (String, String) = (row.get(0)?, row.get(1)?);
        let context = parse_vector(&context)?;
        held.push(HeldRow { id: VectorId::new(&id)?, context, revision: number(row, 2)? });
    }
    Ok(held)
}

/// Adds a row, or replaces it. Returns false if the list of this peer is full.
pub(crate) fn hold_row(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    changelog: ChangelogId,
    row: &HeldRow,
) -> Result<bool, CoreError> {
    let (changelog, context) = (changelog.to_string(), vector_text(&row.context));
    let revision = integer(row.revision);
    let key = (shard, peer.as_bytes(), changelog.as_str(), row.id.as_str(), context.as_str(), revision);
    if connection.prepare_cached(REPLACE)?.execute(key)? > 0 {
        return Ok(true);
    }
    let mut count = connection.prepare_cached(STAMP)?;
    let held: u32 = count.query_row((shard, peer.as_bytes(), changelog.as_str()), |row| row.get(0))?;
    if held as usize >= HeldRow::MAX_ROWS {
        return Ok(false);
    }
    connection.prepare_cached(ADD)?.execute(key)?;
    Ok(true)
}

/// Removes a row that stands there with this revision. Returns how many there were.
pub(crate) fn release_row(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    changelog: ChangelogId,
    id: &VectorId,
    revision: CommitNo,
) -> Result<usize, CoreError> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM held_row WHERE shard = ?1 AND peer = ?2 AND changelog = ?3 AND id = ?4 AND revision = ?5",
    )?;
    Ok(statement.execute((shard, peer.as_bytes(), changelog.to_string(), id.as_str(), integer(revision)))?)
}

/// Removes all rows of this peer but those of two changelogs. Returns how many there were.
pub(crate) fn forget_held_rows(
    connection: &Connection,
    shard: i64,
    peer: &Fingerprint,
    but: [ChangelogId; 2],
) -> Result<usize, CoreError> {
    let [one, other] = but.map(|changelog| changelog.to_string());
    let mut statement = connection.prepare_cached(
        "DELETE FROM held_row WHERE shard = ?1 AND peer = ?2 AND changelog NOT IN (?3, ?4)",
    )?;
    Ok(statement.execute((shard, peer.as_bytes(), one, other))?)
}

const REPLACE: &str = "UPDATE held_row SET context = ?5, revision = ?6 \
     WHERE shard = ?1 AND peer = ?2 AND changelog = ?3 AND id = ?4";
const ADD: &str = "INSERT INTO held_row (shard, peer, changelog, id, context, revision) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The list of a former changelog takes no room of the new one's.
const STAMP: &str = "SELECT count(*), ifnull(max(revision), 0) FROM held_row \
     WHERE shard = ?1 AND peer = ?2 AND changelog = ?3";
