//! Deltas of databases: computing and applying them.

use vectr_delta::changes::{DeltaRows, decode_rows};
use vectr_delta::{
    Applied, ChangeId, CommitNo, DeltaError, Refusal, ShardId, ShardRead, ShardWrite, SiteReset, Timestamp,
    join_rows,
};

use crate::db::changelog::selection::{BYTES_AT_ONCE, CHANGES_AT_ONCE, RowSelection};
use crate::writer::Writer;
use crate::writer::connection::FIRST_APPLICATION;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Which changes a delta contains.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeltaScope {
    /// At most this many vectors, those applied first. `None`: all.
    pub max_vectors: Option<usize>,
    /// A delta of the recipient, in bytes: changes that it contains are left out.
    pub answer_to: Option<Vec<u8>>,
}

impl DeltaScope {
    /// Sets the maximum number of vectors; those applied first are taken. Default: all.
    pub const fn max_vectors(&mut self, max_vectors: usize) -> &mut Self {
        self.max_vectors = Some(max_vectors);
        self
    }

    /// Sets a delta of the recipient, in bytes: changes that it contains are left out.
    pub fn answer_to(&mut self, delta: Vec<u8>) -> &mut Self {
        self.answer_to = Some(delta);
        self
    }
}

impl VectrDB {
    /// A delta of all rows of a shard that were applied here after `since`: written here, synced, or taken from a
    /// delta. Each row is applied later than the one before, whatever the clock does; the stamps of the changes do not
    /// matter.
    ///
    /// The delta's timestamp is the `since` for the next one, which then has all that this one has not. `since` is in
    /// milliseconds if it is below 10^14, and the millisecond itself belongs to what follows; otherwise it is in
    /// microseconds. What the delta contains survives a power cut before this returns.
    ///
    /// # Errors
    /// `ERR_LIMIT` if they are more than a delta holds and `scope` asks for all, or one of them is; for `answer_to` as
    /// [`decode_rows`]; `ERR_STORAGE`, also if stored bytes do not match their hash; `ERR_BUSY`, `ERR_CLOSED`.
    pub fn compute_delta(
        &self,
        shard: &ShardId,
        since: u64,
        scope: &DeltaScope,
    ) -> Result<Vec<u8>, CoreError> {
        let (id, since) = (shard.clone(), since_timestamp(since));
        let most = scope.max_vectors;
        let answered = scope.answer_to.as_deref().map(decode_rows).transpose()?;
        let answered = answered.map(|delta| delta.moved_to(shard));
        let (bytes, commit_no) = self.read(move |snapshot| {
            let shard = snapshot.shard(&id)?;
            let selection = RowSelection {
                after: shard.rows().applied_by(since)?,
                to: ChangeId::MAX,
                most: most.unwrap_or(usize::MAX),
                bytes: usize::MAX,
                answered: answered.as_ref(),
            };
            let found = selection.select(&shard)?.sound(&shard)?;
            let timestamp = match found.left {
                None => snapshot.last_applied_at().max(BEFORE_ALL),
                Some(next) => {
                    let next = shard.rows().next_application(next - 1)?.unwrap_or_default();
                    let timestamp = Timestamp::from_micros(next.as_micros().saturating_sub(1));
                    // Files of the first builds may have rows that share a timestamp.
                    if most.is_none() || timestamp <= since {
                        return Err(CoreError::DeltaSize { since });
                    }
                    timestamp
                }
            };
            Ok((found.encode(&shard, timestamp)?, shard.commit_no()))
        })?;
        self.await_seen(commit_no)?;
        Ok(bytes)
    }

    /// Joins the rows of a delta into a shard, all of them or none. Once this returns they survive a power cut. A delta
    /// of another shard is accepted as well: see [`DeltaRows::moved_to`].
    ///
    /// # Errors
    /// As [`decode_rows`] if the bytes are not a delta of a database; the code that
    /// [`RefusedRow`](vectr_delta::RefusedRow) names if a row is refused; `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn apply_delta(&self, shard: &ShardId, bytes: &[u8]) -> Result<Applied, CoreError> {
        self.check_open()?;
        let delta = decode_rows(bytes)?.moved_to(shard);
        if delta.rows.is_empty() {
            return Ok(Applied::default());
        }
        let (applied, commit_no) = self.call(JobKind::Autocommit, move |writer| {
            let done = match join_delta(writer, &delta) {
                // As in a session: another file continues under this node's site.
                Err(Refusal::Forked) => {
                    writer.reset_site(SiteReset::Forked, writer.connection.origin().site)?;
                    join_delta(writer, &delta)
                }
                done => done,
            };
            Ok((done.map_err(into_error)?, writer.connection.committed().commit_no))
        })?;
        self.await_durable(commit_no)?;
        Ok(applied)
    }

    /// The rows of a shard with change ids above `after` and at most `to`, in their order, as one delta or several of at
    /// most 256 rows, and about 1 MiB: what reads them may do something else in between. They are read from one snapshot,
    /// and survive a power cut before this returns.
    ///
    /// # Errors
    /// `ERR_STORAGE`, also if stored bytes do not match their hash; `ERR_LIMIT` if a row has more than a delta holds;
    /// `ERR_BUSY`, `ERR_CLOSED`.
    pub fn read_changes(
        &self,
        shard: &ShardId,
        after: ChangeId,
        to: ChangeId,
    ) -> Result<Vec<Vec<u8>>, CoreError> {
        let id = shard.clone();
        let (deltas, commit_no): (_, CommitNo) = self.read(move |snapshot| {
            let shard = snapshot.shard(&id)?;
            let mut deltas = Vec::new();
            let mut selection =
                RowSelection { after, to, most: CHANGES_AT_ONCE, bytes: BYTES_AT_ONCE, answered: None };
            loop {
                let found = selection.select(&shard)?.sound(&shard)?;
                if !found.rows.is_empty() {
                    deltas.push(found.encode(&shard, Timestamp::default())?);
                }
                let Some(left) = found.left else { return Ok((deltas, shard.commit_no())) };
                selection.after = left - 1;
            }
        })?;
        self.await_seen(commit_no)?;
        Ok(deltas)
    }
}

fn since_timestamp(since: u64) -> Timestamp {
    let is_micros = since > BEFORE_ALL.as_micros() - 1;
    Timestamp::from_micros(if is_micros { since } else { (since * 1_000).saturating_sub(1) })
}

fn join_delta(writer: &mut Writer, delta: &DeltaRows) -> Result<Applied, Refusal<CoreError>> {
    writer.write_shard(&delta.shard, |shard| {
        for (site, name) in &delta.names {
            shard.name_site(*site, name)?;
        }
        let wall = shard.wall();
        let joining = join_rows(shard, &delta.rows, wall)?;
        match joining.refused {
            Some(row) => Err(Refusal::Store(CoreError::DeltaRow { row, wall })),
            None => Ok(joining.applied),
        }
    })
}

fn into_error(refusal: Refusal<CoreError>) -> CoreError {
    match refusal {
        Refusal::Store(error) => error,
        Refusal::Shard(error) => error.into(),
        Refusal::Forked | Refusal::Frontier | Refusal::NewLife => {
            let reason = "it says of this database what it never did".to_owned();
            DeltaError::Malformed { what: "delta", reason }.into()
        }
    }
}

/// Before every application.
const BEFORE_ALL: Timestamp = Timestamp::from_micros(FIRST_APPLICATION.as_micros() - 1);

#[cfg(test)]
mod tests {
    use vectr_delta::Payload;

    use super::*;
    use crate::{Config, Target};

    fn filled(count: usize) -> VectrDB {
        let db = VectrDB::new(Config::default()).unwrap();
        let payload = Payload::from_components(&[0.5; 4], None).unwrap();
        db.insert_batch(Target::shard(db.default_shard()), vec![(None, payload); count]).unwrap();
        db
    }

    fn alter(db: &VectrDB, sql: &'static str) {
        db.call(JobKind::Autocommit, move |writer| Ok(writer.connection.sqlite.execute_batch(sql)?)).unwrap();
    }

    fn compute(db: &VectrDB, since: u64, most: Option<usize>) -> Result<(usize, u64), CoreError> {
        let scope = DeltaScope { max_vectors: most, ..DeltaScope::default() };
        let bytes = db.compute_delta(db.default_shard(), since, &scope)?;
        let timestamp = u64::from_le_bytes(bytes[6..14].try_into().unwrap());
        Ok((decode_rows(&bytes)?.rows.len(), timestamp))
    }

    #[test]
    fn rows_of_the_first_builds_share_a_moment_and_are_not_parted() {
        let db = filled(10);
        let shared = 1_700_000_000_000_000;
        alter(&db, "UPDATE row SET applied_at = 1700000000000000");
        assert_eq!(compute(&db, 0, None).unwrap().0, 10);
        assert_eq!(compute(&db, shared - 1, None).unwrap().0, 10);
        assert_eq!(compute(&db, shared, None).unwrap().0, 0);
        let (rows, timestamp) = compute(&db, 0, Some(3)).unwrap();
        assert_eq!((rows, timestamp), (3, shared - 1));
        // It would go on for ever.
        assert_eq!(compute(&db, timestamp, Some(3)).unwrap_err().code(), "ERR_LIMIT");
        assert_eq!(compute(&db, timestamp, Some(10)).unwrap().0, 10);
    }

    #[test]
    fn a_row_that_rotted_is_no_part_of_any_delta() {
        let db = filled(3);
        alter(&db, "UPDATE row SET vector = zeroblob(16) WHERE change_id = 2");
        let error = compute(&db, 0, None).unwrap_err();
        assert_eq!(error.code(), "ERR_STORAGE");
        assert!(error.to_string().contains("no longer matches its hash"), "{error}");
        assert_eq!(db.read_changes(db.default_shard(), 0, 3).unwrap_err().code(), "ERR_STORAGE");
        assert_eq!(db.read_changes(db.default_shard(), 2, 3).unwrap().len(), 1);
    }
}
