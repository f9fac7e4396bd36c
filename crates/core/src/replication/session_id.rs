use rusqlite::Connection;
use vectr_delta::Timestamp;

use crate::random::random_uuid;
use crate::storage::rows::{integer, number};
use crate::writer::connection::Ledger;
use crate::writer::queue::Scope;
use crate::{CoreError, VectrDB};

/// Names the syncs of one life of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMark {
    /// A UUID.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl VectrDB {
    /// The session of this database: made when it is first asked for, and kept in the file. A new site begins a new
    /// session, so a copy never goes on with that of the original.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn restore_session(&self) -> Result<SessionMark, CoreError> {
        if let Some(mark) = self.read(|snapshot| SessionMark::load(snapshot.connection()))? {
            return Ok(mark);
        }
        self.call(Scope::Outside, |writer| writer.write(SessionMark::take))
    }
}

impl SessionMark {
    fn load(connection: &Connection) -> Result<Option<Self>, CoreError> {
        let mut statement = connection.prepare_cached("SELECT id, created_at FROM sync_session")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Self { id: row.get(0)?, created_at: Timestamp::from_micros(number(row, 1)?) }))
    }

    fn take(ledger: &mut Ledger) -> Result<Self, CoreError> {
        // Someone else may have asked meanwhile.
        if let Some(mark) = Self::load(&ledger.connection)? {
            return Ok(mark);
        }
        let mark = Self { id: random_uuid(ledger.wall)?, created_at: ledger.wall };
        ledger
            .connection
            .prepare_cached("INSERT INTO sync_session (one, id, created_at) VALUES (1, ?1, ?2)")?
            .execute((&mark.id, integer(mark.created_at.as_micros())))?;
        ledger.known.touched = true;
        Ok(mark)
    }
}
