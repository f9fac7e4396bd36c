use rusqlite::Connection;
use vectr_delta::Timestamp;

use crate::random::random_uuid;
use crate::storage::rows::{integer, number};
use crate::writer::connection::WriteConnection;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Identifies the syncs of one incarnation of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncSessionId {
    /// A UUID.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Returns the session id of a database: made when it is first asked for, and kept in the file. A new site begins a new
/// session, so a copy never goes on with that of the original.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn restore_session(db: &VectrDB) -> Result<SyncSessionId, CoreError> {
    let site = db.site();
    let found = db.read(move |snapshot| {
        // A life that has yet to commit has no session yet.
        let current = snapshot.counters().origin.site == site;
        if current { SyncSessionId::load(snapshot.connection()) } else { Ok(None) }
    })?;
    if let Some(session) = found {
        return Ok(session);
    }
    db.call(JobKind::Autocommit, |writer| writer.write(SyncSessionId::load_or_create))
}

impl SyncSessionId {
    fn load(connection: &Connection) -> Result<Option<Self>, CoreError> {
        let mut statement = connection.prepare_cached("SELECT id, created_at FROM sync_session")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Self { id: row.get(0)?, created_at: Timestamp::from_micros(number(row, 1)?) }))
    }

    fn load_or_create(connection: &mut WriteConnection) -> Result<Self, CoreError> {
        connection.enter_life()?;
        // Another caller may have created it since the read.
        if let Some(session) = Self::load(&connection.sqlite)? {
            return Ok(session);
        }
        let session = Self { id: random_uuid(connection.wall)?, created_at: connection.wall };
        connection
            .sqlite
            .prepare_cached("INSERT INTO sync_session (one, id, created_at) VALUES (1, ?1, ?2)")?
            .execute((&session.id, integer(session.created_at.as_micros())))?;
        connection.cache.dirty = true;
        Ok(session)
    }
}
