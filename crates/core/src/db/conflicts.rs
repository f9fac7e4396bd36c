//! Vectors with several concurrent versions, and the choice between them.

use std::collections::BTreeMap;

use vectr_delta::{
    ChangeId, ConflictId, Dot, LocalWrite, NodeName, Row, ShardId, ShardRead, ShardWrite, SiteId, Strategy,
    Timestamp, VectorId, write_resolution,
};

use crate::storage::catalog::shard_ids;
use crate::storage::conflict_log::{self, ConflictRecord};
use crate::storage::rows::{StoredRow, StoredRows};
use crate::storage::snapshot::Snapshot;
use crate::writer::connection::WriteConnection;
use crate::writer::queue::JobKind;
use crate::writer::shard::WriteShard;
use crate::{CoreError, VectrDB};

/// A vector with several concurrent versions.
#[derive(Clone, Debug)]
pub struct StoredConflict {
    /// Where.
    pub shard: ShardId,
    /// Which vector.
    pub id: VectorId,
    /// The same on every node.
    pub conflict: ConflictId,
    /// All versions.
    pub row: Row,
    /// When these versions first stood beside each other here.
    pub detected_at: Timestamp,
    /// Of the row's last change here.
    pub change_id: ChangeId,
    /// What the sites in the row are called.
    pub names: BTreeMap<SiteId, NodeName>,
}

impl VectrDB {
    /// Settles a conflict by a write of this node. In one transaction, the write supersedes exactly those versions that
    /// the conflict's id showed and that still stand, under every strategy. An id stays good while its vector is in
    /// conflict, also across openings of the file.
    ///
    /// Returns the conflict that is left, under a new id, where versions stand that the id did not show; `None` where
    /// the vector is settled. Where `expected` names a shard and a vector, the conflict must be theirs.
    ///
    /// # Errors
    /// `ERR_NOT_FOUND` where the id is unknown or shows nothing that stands; `ERR_ARGUMENT` where the conflict is not
    /// the expected one; `ERR_DIMENSIONS`, `ERR_BUSY`, `ERR_STORAGE`, `ERR_CLOSED`. Nothing has changed then.
    pub fn resolve_conflict(
        &self,
        conflict: &ConflictId,
        expected: Option<(&ShardId, &VectorId)>,
        write: LocalWrite,
    ) -> Result<Option<StoredConflict>, CoreError> {
        let conflict = *conflict;
        let expected = expected.map(|(shard, id)| (shard.clone(), id.clone()));
        self.call(JobKind::Autocommit, move |writer| {
            writer.reset_site_after_clock_correction()?;
            writer.write(|connection| {
                let recorded = RecordedConflict::find(connection, conflict)?;
                recorded.expect(expected)?;
                recorded.resolve(connection, write)
            })
        })
    }

    /// The conflicts that wait for [`VectrDB::resolve_conflict`]: those of one shard or of all, where the strategy is
    /// manual. In the order of their last changes.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn pending_conflicts(&self, shard: Option<&ShardId>) -> Result<Vec<StoredConflict>, CoreError> {
        self.list(shard, |strategy| strategy == Strategy::Manual)
    }

    /// The vectors with several concurrent versions, of one shard or of all, under every strategy.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn conflicts(&self, shard: Option<&ShardId>) -> Result<Vec<StoredConflict>, CoreError> {
        self.list(shard, |_| true)
    }

    fn list(
        &self,
        shard: Option<&ShardId>,
        wanted: fn(Strategy) -> bool,
    ) -> Result<Vec<StoredConflict>, CoreError> {
        let shard = shard.cloned();
        self.read(move |snapshot| {
            let shards = match shard {
                Some(shard) => vec![shard],
                None => shard_ids(snapshot.connection())?,
            };
            let mut conflicts = Vec::new();
            for shard in shards {
                conflicts.extend(conflicts_of(snapshot, &shard, wanted)?);
            }
            Ok(conflicts)
        })
    }
}

/// What an id showed when it was handed out.
struct RecordedConflict {
    conflict: ConflictId,
    shard: ShardId,
    id: VectorId,
    dots: Vec<Dot>,
}

impl RecordedConflict {
    fn find(connection: &WriteConnection, conflict: ConflictId) -> Result<Self, CoreError> {
        let sqlite = &connection.sqlite;
        if let Some(ConflictRecord { row, dots }) =
            conflict_log::find(sqlite, &connection.cache.sites, conflict)?
        {
            let shard = conflict_log::shard_of(sqlite, row)?.ok_or_else(|| lost(conflict))?;
            let id = row_at(connection, row)?.entry.id;
            return Ok(Self { conflict, shard, id, dots });
        }
        for (row, shard) in conflict_log::unrecorded(sqlite)? {
            let entry = row_at(connection, row)?.entry;
            if ConflictId::of(&shard, &entry.id, &entry.row) == Some(conflict) {
                let dots = entry.row.siblings().iter().map(vectr_delta::Sibling::dot).collect();
                return Ok(Self { conflict, shard, id: entry.id, dots });
            }
        }
        Err(CoreError::UnknownConflict { conflict })
    }

    fn expect(&self, expected: Option<(ShardId, VectorId)>) -> Result<(), CoreError> {
        match expected {
            Some((shard, id)) if shard != self.shard || id != self.id => Err(CoreError::OtherConflict {
                conflict: self.conflict,
                id: self.id.clone(),
                shard: self.shard.clone(),
                expected: (shard, id),
            }),
            _ => Ok(()),
        }
    }

    fn resolve(
        &self,
        connection: &mut WriteConnection,
        write: LocalWrite,
    ) -> Result<Option<StoredConflict>, CoreError> {
        let mut shard = WriteShard::open(connection, &self.shard)?;
        let stands = |row: &Row| self.dots.iter().any(|dot| row.sibling(*dot).is_some());
        let Some(row) = shard.row(&self.id)?.filter(stands) else {
            return Err(CoreError::UnknownConflict { conflict: self.conflict });
        };
        let wall = shard.wall();
        write_resolution(&mut shard, &self.id, &row, &self.dots, write, wall)?;
        let left = shard.rows().by_id(&self.id)?;
        left.map_or(Ok(None), |left| stored_conflict(&shard, shard.rows(), left))
    }
}

fn row_at(connection: &WriteConnection, n: i64) -> Result<StoredRow, CoreError> {
    // A row is found by its number alone, whatever its shard.
    StoredRows { connection: &connection.sqlite, sites: &connection.cache.sites, shard: 0 }.by_rowid(n)
}

fn lost(conflict: ConflictId) -> CoreError {
    CoreError::Damaged { reason: format!("conflict {conflict} is about a row that is not there") }
}

fn conflicts_of(
    snapshot: &Snapshot<'_>,
    id: &ShardId,
    wanted: fn(Strategy) -> bool,
) -> Result<Vec<StoredConflict>, CoreError> {
    let shard = snapshot.shard(id)?;
    let mut conflicts = Vec::new();
    if !wanted(shard.state().strategy) {
        return Ok(conflicts);
    }
    shard.rows().visit_concurrent(|stored| {
        conflicts.extend(stored_conflict(&shard, shard.rows(), stored)?);
        Ok(())
    })?;
    conflicts.sort_by_key(|conflict| conflict.change_id);
    Ok(conflicts)
}

/// The conflict in a row of the shard; `None` where only one version stands.
fn stored_conflict<S: ShardRead<Error = CoreError>>(
    shard: &S,
    rows: StoredRows<'_>,
    stored: StoredRow,
) -> Result<Option<StoredConflict>, CoreError> {
    let StoredRow { change_id, applied_at, entry, .. } = stored;
    let Some(conflict) = ConflictId::of(shard.shard(), &entry.id, &entry.row) else { return Ok(None) };
    let mut names = BTreeMap::new();
    for (site, _) in entry.row.context().iter() {
        if let Some(name) = shard.site_name(site)? {
            names.insert(site, name);
        }
    }
    let detected_at = conflict_log::detected_at(rows.connection, conflict)?.unwrap_or(applied_at);
    let shard = shard.shard().clone();
    Ok(Some(StoredConflict { shard, id: entry.id, conflict, row: entry.row, detected_at, change_id, names }))
}
