//! Listing and resolving vectors with concurrent versions.

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
#[non_exhaustive]
pub struct StoredConflict {
    /// The shard.
    pub shard: ShardId,
    /// The vector.
    pub id: VectorId,
    /// The conflict's id, the same on every node.
    pub conflict: ConflictId,
    /// All versions.
    pub row: Row,
    /// When these versions were first seen together on this node.
    pub detected_at: Timestamp,
    /// The change id of the row's last change on this node.
    pub change_id: ChangeId,
    /// The names of the sites in the row.
    pub names: BTreeMap<SiteId, NodeName>,
}

impl VectrDB {
    /// Resolves a conflict with a write of this node, under every strategy. In one transaction the write supersedes
    /// exactly those versions that the conflict's id covered and that are still current. An id stays valid while its
    /// vector is in conflict, also across openings of the file.
    ///
    /// Returns the conflict that is left, under a new id, if there are versions that the id did not cover, or `None` if
    /// the vector is resolved, or what is left is damaged. If `expected` names a shard and a vector, the conflict must be theirs.
    ///
    /// # Errors
    /// `ERR_NOT_FOUND` if the id is unknown or covers no current version; `ERR_ARGUMENT` if the conflict is not the
    /// expected one; `ERR_DIMENSIONS`, `ERR_BUSY`, `ERR_STORAGE`, `ERR_CLOSED`. Nothing has changed then.
    pub fn resolve_conflict(
        &self,
        conflict: &ConflictId,
        expected: Option<(&ShardId, &VectorId)>,
        write: LocalWrite,
    ) -> Result<Option<StoredConflict>, CoreError> {
        let conflict = *conflict;
        let expected = expected.map(|(shard, id)| (shard.clone(), id.clone()));
        self.call(JobKind::Autocommit, move |writer| {
            writer.write(|connection| {
                let recorded = RecordedConflict::find(connection, conflict)?;
                recorded.expect(expected)?;
                recorded.resolve(connection, write)
            })
        })
    }

    /// The conflicts that wait for [`VectrDB::resolve_conflict`]: those of one shard or of all whose strategy is
    /// manual, by shard, ordered by their last changes. Those of damaged vectors are left out, which [`VectrDB::get`]
    /// reports: nothing may be chosen from bytes that nobody wrote.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn pending_conflicts(&self, shard: Option<&ShardId>) -> Result<Vec<StoredConflict>, CoreError> {
        self.list(shard, |strategy| strategy == Strategy::Manual)
    }

    /// The vectors with several concurrent versions, of one shard or of all, under every strategy, without damaged ones.
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
            let shards = match &shard {
                Some(shard) => vec![shard.clone()],
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

/// The versions that a conflict's id covered when it was handed out.
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
        write_resolution(&mut shard, &self.id, &row, &self.dots, write, wall)
            .map_err(|error| error.in_shard(&self.shard))?;
        let left = shard.rows().by_id(&self.id)?;
        left.map_or(Ok(None), |left| stored_conflict(&shard, shard.rows(), left))
    }
}

fn row_at(connection: &WriteConnection, n: i64) -> Result<StoredRow, CoreError> {
    // A row is found by its number alone, whatever its shard.
    StoredRows { connection: &connection.sqlite, sites: &connection.cache.sites, shard: 0 }.by_rowid(n)
}

fn lost(conflict: ConflictId) -> CoreError {
    CoreError::Damaged { reason: format!("conflict {conflict} belongs to a row that is missing") }
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

/// The conflict in a row of the shard; `None` if the row has only one version, or is damaged: what is chosen from damaged
/// versions would become a sound one.
fn stored_conflict<S: ShardRead<Error = CoreError>>(
    shard: &S,
    rows: StoredRows<'_>,
    stored: StoredRow,
) -> Result<Option<StoredConflict>, CoreError> {
    let StoredRow { change_id, applied_at, entry, .. } = stored;
    if !entry.row.is_intact() {
        return Ok(None);
    }
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
