//! Inserting, updating, deleting and getting vectors.

use bytes::Bytes;
use vectr_delta::{
    DeltaError, LocalWrite, Metadata, Payload, Row, ShardRead, ShardWrite, Timestamp, VectorId, write_local,
};

use crate::random::random_uuid;
use crate::storage::rows::shard_number;
use crate::writer::queue::JobKind;
use crate::writer::shard::WriteShard;
use crate::{CoreError, Target, VectrDB};

/// A vector as its shard shows it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its id.
    pub id: VectorId,
    /// Little-endian f32 components.
    pub vector: Bytes,
    /// The metadata of the version shown.
    pub metadata: Option<Metadata>,
    /// The stamp of the version shown.
    pub timestamp: Timestamp,
    /// Whether concurrent versions wait to be resolved.
    pub conflicted: bool,
}

impl VectrDB {
    /// Inserts a vector, under a new UUIDv7 if no id is given.
    ///
    /// # Errors
    /// `ERR_EXISTS` if the id is in use, `ERR_DIMENSIONS`, `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`.
    pub fn insert(
        &self,
        target: Target<'_>,
        id: Option<VectorId>,
        payload: Payload,
    ) -> Result<VectorId, CoreError> {
        self.write(target, move |shard| insert(shard, id, payload))
    }

    /// Inserts or replaces a vector.
    ///
    /// # Errors
    /// `ERR_DIMENSIONS`, `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`.
    pub fn upsert(&self, target: Target<'_>, id: &VectorId, payload: Payload) -> Result<(), CoreError> {
        let id = id.clone();
        self.write(target, move |shard| {
            let old = shard.row(&id)?;
            put(shard, &id, old.as_ref(), payload)
        })
    }

    /// Inserts vectors: all of them, or none.
    ///
    /// # Errors
    /// As [`VectrDB::insert`]; an id given twice is `ERR_EXISTS` too.
    pub fn insert_batch(
        &self,
        target: Target<'_>,
        vectors: Vec<(Option<VectorId>, Payload)>,
    ) -> Result<Vec<VectorId>, CoreError> {
        self.write(target, move |shard| {
            vectors.into_iter().map(|(id, payload)| insert(shard, id, payload)).collect()
        })
    }

    /// Writes a new version of a vector. What is `None` keeps its current value.
    ///
    /// # Errors
    /// `ERR_NOT_FOUND`, `ERR_VECTOR`, `ERR_DIMENSIONS`, `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`, also if
    /// stored bytes that would be kept do not match their hash; `ERR_ARGUMENT` if the metadata that would be kept is
    /// merged from several versions and exceeds the limit.
    pub fn update(
        &self,
        target: Target<'_>,
        id: &VectorId,
        vector: Option<Bytes>,
        metadata: Option<Metadata>,
    ) -> Result<(), CoreError> {
        let id = id.clone();
        self.write(target, move |shard| {
            let old = shard.row(&id)?;
            if shard.is_unreadable(&id) {
                let (Some(vector), Some(metadata)) = (vector, metadata) else {
                    return Err(CoreError::damaged_vector(shard.shard(), &id));
                };
                return put(shard, &id, None, Payload::new(vector, Some(metadata))?);
            }
            let shown = old.as_ref().and_then(|row| shard.state().strategy.view(row));
            let Some(shown) = shown else {
                return Err(CoreError::NotFound { id, shard: shard.shard().clone() });
            };
            if vector.is_none() && metadata.is_none() {
                return Ok(());
            }
            if let Some(row) = old.as_ref().filter(|_| vector.is_none() || metadata.is_none()) {
                ensure_intact(shard, &id, row)?;
            }
            let metadata = match metadata {
                None => kept_metadata(&id, shown.metadata)?,
                given => given,
            };
            let payload = Payload::new(vector.unwrap_or(shown.vector), metadata)?;
            put(shard, &id, old.as_ref(), payload)
        })
    }

    /// Deletes a vector, which leaves a tombstone. Returns whether there was a vector to delete.
    ///
    /// # Errors
    /// `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`.
    pub fn delete(&self, target: Target<'_>, id: &VectorId) -> Result<bool, CoreError> {
        let id = id.clone();
        self.write(target, move |shard| {
            let old = shard.row(&id)?;
            if !is_shown(shard, &id, old.as_ref()) {
                return Ok(false);
            }
            let wall = shard.wall();
            write_local(shard, &id, old.as_ref(), LocalWrite::Delete, wall)?;
            Ok(true)
        })
    }

    /// The vector as the shard's strategy shows it; `None` if it does not exist or is deleted.
    ///
    /// # Errors
    /// `ERR_STORAGE`, also if the stored bytes do not match their hash; `ERR_TRANSACTION`, `ERR_BUSY`.
    pub fn get(&self, target: Target<'_>, id: &VectorId) -> Result<Option<Entry>, CoreError> {
        let (shard, id) = (target.shard.clone(), id.clone());
        let Some(transaction) = target.transaction else {
            return self.read(move |snapshot| {
                let shard = snapshot.shard(&shard)?;
                let found = shard.rows().by_id(&id)?;
                show(&shard, id.clone(), found.map(|found| found.entry.row))
            });
        };
        self.call(JobKind::InTransaction(transaction), move |writer| {
            if shard_number(&writer.connection.sqlite, &shard)?.is_none() {
                return Ok(None);
            }
            writer.write_shard(&shard, |shard| {
                let found = shard.rows().by_id(&id)?;
                show(shard, id, found.map(|found| found.entry.row))
            })
        })
    }

    fn write<T: Send + 'static>(
        &self,
        target: Target<'_>,
        work: impl FnOnce(&mut WriteShard<'_>) -> Result<T, CoreError> + Send + 'static,
    ) -> Result<T, CoreError> {
        let shard = target.shard.clone();
        self.call(target.job_kind(), move |writer| {
            writer.write_shard(&shard, work).map_err(|error: CoreError| error.in_shard(&shard))
        })
    }
}

fn insert(shard: &mut WriteShard<'_>, id: Option<VectorId>, payload: Payload) -> Result<VectorId, CoreError> {
    let Some(id) = id else {
        let id = VectorId::new(&random_uuid(shard.wall())?)?;
        put(shard, &id, None, payload)?;
        return Ok(id);
    };
    let old = shard.row(&id)?;
    if is_shown(shard, &id, old.as_ref()) {
        return Err(CoreError::Exists { id, shard: shard.shard().clone() });
    }
    put(shard, &id, old.as_ref(), payload)?;
    Ok(id)
}

fn put(
    shard: &mut WriteShard<'_>,
    id: &VectorId,
    old: Option<&Row>,
    payload: Payload,
) -> Result<(), CoreError> {
    let wall = shard.wall();
    write_local(shard, id, old, LocalWrite::Put(payload), wall)?;
    Ok(())
}

/// Under the strategy *merge*, what is shown may be larger than what any version may have.
fn kept_metadata(id: &VectorId, shown: Option<Metadata>) -> Result<Option<Metadata>, CoreError> {
    let bytes = shown.as_ref().map_or(0, |metadata| metadata.as_str().len());
    if bytes <= Metadata::MAX_BYTES {
        return Ok(shown);
    }
    let reason = format!(
        "that of vector '{id}' is merged from several versions and has {bytes} bytes, and one version has at most {}: \
         give metadata with the update",
        Metadata::MAX_BYTES
    );
    Err(DeltaError::Argument { what: "metadata", reason }.into())
}

/// Whether there is a vector to replace or delete. One that cannot be read is: it may have been live.
fn is_shown(shard: &WriteShard<'_>, id: &VectorId, row: Option<&Row>) -> bool {
    row.map_or_else(|| shard.is_unreadable(id), |row| shard.state().strategy.view(row).is_some())
}

/// What is read or kept of a row must be what was written.
fn ensure_intact<S: ShardRead>(shard: &S, id: &VectorId, row: &Row) -> Result<(), CoreError> {
    if row.is_intact() { Ok(()) } else { Err(CoreError::damaged_vector(shard.shard(), id)) }
}

fn show<S: ShardRead>(shard: &S, id: VectorId, row: Option<Row>) -> Result<Option<Entry>, CoreError> {
    let Some(row) = row else { return Ok(None) };
    ensure_intact(shard, &id, &row)?;
    Ok(shard.state().strategy.view(&row).map(|view| Entry {
        id,
        vector: view.vector,
        metadata: view.metadata,
        timestamp: view.timestamp,
        conflicted: view.conflicted,
    }))
}
