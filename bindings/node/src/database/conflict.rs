use napi::Env;
use napi::bindgen_prelude::{Either, Float32Array, Float32ArraySlice, Null, PromiseRaw};
use napi_derive::napi;
use vectr_core::StoredConflict;
use vectr_delta::{ConflictId, LocalWrite, Payload, ShardId, Sibling, SiteId, VectorId};

use crate::columns::{copy, number, payload, text};
use crate::database::native_database::NativeDatabase;
use crate::failure::Failure;
use crate::work::Work;

/// The entries of a version vector, by site.
pub(crate) type SiteEntries = Vec<(String, i64)>;

/// One of the versions of a vector.
#[napi(object, object_from_js = false)]
pub struct ChangeRecord {
    /// What it did.
    #[napi(ts_type = "'insert' | 'update' | 'delete'")]
    pub operation: &'static str,
    /// How many components its vector has; none for a delete.
    pub dimensions: Option<u32>,
    /// JSON text.
    pub metadata: Option<String>,
    /// Microseconds since the Unix epoch.
    pub timestamp: i64,
    /// Who wrote it.
    pub source_node: String,
    /// Its number: the site.
    pub site: String,
    /// Its number.
    pub seq: i64,
    /// What is covered of the vector's history, without the other versions.
    #[napi(ts_type = "Array<[string, number]>")]
    pub history: SiteEntries,
}

/// A vector with several versions.
#[napi(object, object_from_js = false)]
pub struct ConflictRecord {
    /// The same on every node.
    pub id: String,
    /// The shard.
    pub shard_id: String,
    /// The vector.
    pub vector_id: String,
    /// Microseconds since the Unix epoch.
    pub detected_at: i64,
    /// The vector's local change id.
    pub change_id: i64,
    /// In the order of timestamps, sites and numbers.
    pub versions: Vec<ChangeRecord>,
}

/// Vectors with several versions.
#[napi(object, object_from_js = false)]
pub struct ConflictRecords {
    /// Each of them.
    pub conflicts: Vec<ConflictRecord>,
    /// All components of all versions, vector after vector: a block for each would burden the garbage collector.
    pub vectors: Float32Array,
}

#[napi]
impl NativeDatabase {
    /// What someone has to settle, in one shard or in all. Reads on the calling thread.
    #[napi]
    pub fn conflicts(&self, shard_id: Option<String>) -> napi::Result<ConflictRecords> {
        let shard = shard_id.as_deref().map(ShardId::new).transpose().map_err(Failure::from)?;
        let conflicts = self.db().pending_conflicts(shard.as_ref()).map_err(Failure::from)?;
        Ok(conflicts.into_iter().collect())
    }

    /// Settles a conflict by a vector, or without one by a tombstone, and returns the id of the conflict that is left.
    #[napi]
    pub fn resolve_conflict<'env>(
        &self,
        env: &'env Env,
        id: String,
        shard_id: String,
        vector_id: String,
        vector: Option<Float32ArraySlice<'_>>,
        metadata: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, Either<String, Null>>> {
        let (db, vector) = (self.db().clone(), vector.map(|vector| copy(&vector)));
        Work::at_once(env, move || {
            let conflict: ConflictId = id.parse()?;
            let (shard, vector_id) = (ShardId::new(&shard_id)?, VectorId::new(&vector_id)?);
            let write = match vector {
                Some(vector) => LocalWrite::Put(payload(vector, metadata.as_deref())?),
                None => LocalWrite::Delete,
            };
            let left = db.resolve_conflict(&conflict, Some((&shard, &vector_id)), write)?;
            Ok(left.map_or(Either::B(Null), |left| Either::A(left.conflict.to_string())))
        })
    }
}

impl FromIterator<StoredConflict> for ConflictRecords {
    fn from_iter<T: IntoIterator<Item = StoredConflict>>(conflicts: T) -> Self {
        let mut vectors = Vec::new();
        let conflicts = conflicts.into_iter().map(|stored| record(stored, &mut vectors)).collect();
        Self { conflicts, vectors: Float32Array::new(vectors) }
    }
}

fn record(stored: StoredConflict, vectors: &mut Vec<f32>) -> ConflictRecord {
    let mut versions: Vec<&Sibling> = stored.row.siblings().iter().collect();
    versions.sort_by_key(|version| version.precedence());
    ConflictRecord {
        versions: versions.into_iter().map(|version| change(version, &stored, vectors)).collect(),
        id: stored.conflict.to_string(),
        shard_id: stored.shard.into(),
        vector_id: stored.id.into(),
        detected_at: number(stored.detected_at.as_micros()),
        change_id: number(stored.change_id),
    }
}

fn change(version: &Sibling, stored: &StoredConflict, vectors: &mut Vec<f32>) -> ChangeRecord {
    let (payload, site) = (version.payload(), version.dot().site);
    let before = vectors.len();
    vectors.extend(payload.into_iter().flat_map(Payload::components));
    let history = stored.row.history(version.dot()).unwrap_or_default();
    ChangeRecord {
        operation: version.operation().name(),
        dimensions: payload.map(|_| (vectors.len() - before) as u32),
        metadata: text(payload.and_then(|payload| payload.metadata())),
        timestamp: number(version.timestamp().as_micros()),
        source_node: stored.names.get(&site).map_or_else(|| site.to_string(), ToString::to_string),
        site: label(stored, site),
        seq: number(version.dot().seq),
        history: history.iter().map(|(site, seq)| (label(stored, site), number(seq))).collect(),
    }
}

fn label(stored: &StoredConflict, site: SiteId) -> String {
    stored.names.get(&site).map_or_else(|| site.to_string(), |name| format!("{name}@{site}"))
}
