//! A handle for one shard, and transactions as a closure.

use vectr_delta::{Digest, Metadata, Payload, ShardId, Strategy, VectorId};

use crate::db::iter::Iteration;
use crate::db::search::{Hits, Search};
use crate::db::status::ShardStatistics;
use crate::db::vectors::Entry;
use crate::writer::TransactionId;
use crate::{CoreError, Target, VectrDB};

/// One shard of a database. Clones are handles to the same shard.
///
/// Ids are `&str` or [`VectorId`]. A vector is a slice, an array or a `Vec` of f32, a pair of that and metadata (the
/// text of a JSON object, or [`Metadata`]), or a [`Payload`].
///
/// ```
/// # fn main() -> Result<(), vectr_core::CoreError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("agent.db");
/// use vectr_core::VectrDB;
///
/// let db = VectrDB::open(path)?;
/// let notes = db.shard("notes")?;
/// notes.upsert("greeting", &[0.1, 0.9])?;
/// notes.upsert("farewell", ([0.8, 0.1], r#"{"text": "goodbye"}"#))?;
///
/// assert_eq!(&*notes.search(&[0.2, 0.8], 1)?[0].id, "greeting");
/// assert!(notes.delete("greeting")?);
/// assert_eq!(notes.count()?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Shard {
    db: VectrDB,
    id: ShardId,
    transaction: Option<TransactionId>,
}

impl VectrDB {
    /// A handle for a shard, whether it exists yet or not: the first write makes it.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a name that no shard can have.
    pub fn shard<I: TryInto<ShardId>>(&self, id: I) -> Result<Shard, CoreError>
    where
        CoreError: From<I::Error>,
    {
        Ok(Shard { db: self.clone(), id: id.try_into()?, transaction: None })
    }

    /// Runs `work` in one transaction: all of its writes become visible at once, or, where it returns an error or
    /// panics, none of them. Calls that are not part of it wait for its end, at most for the configured time; reads of
    /// a file see the last commit meanwhile.
    ///
    /// ```
    /// # fn main() -> Result<(), vectr_core::CoreError> {
    /// use vectr_core::VectrDB;
    ///
    /// let db = VectrDB::builder().open()?;
    /// db.transaction(|transaction| {
    ///     transaction.shard("notes")?.insert("a", &[1.0, 0.0])?;
    ///     transaction.shard("tasks")?.insert("b", &[0.0, 1.0])
    /// })?;
    /// assert_eq!(db.shard("tasks")?.count()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `work` returns; `ERR_TRANSACTION` where a transaction is open; `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, CoreError>,
    ) -> Result<T, CoreError> {
        let mut transaction = Transaction { db: self.clone(), id: self.begin()?, ended: false };
        let done = work(&transaction)?;
        transaction.ended = true;
        self.commit(transaction.id)?;
        Ok(done)
    }
}

/// An open transaction, as the closure of [`VectrDB::transaction`] gets it.
#[derive(Debug)]
pub struct Transaction {
    db: VectrDB,
    id: TransactionId,
    ended: bool,
}

impl Transaction {
    /// A handle for a shard whose writes, and [`Shard::get`], are part of the transaction. It answers
    /// `ERR_TRANSACTION` once the transaction has ended.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a name that no shard can have.
    pub fn shard<I: TryInto<ShardId>>(&self, id: I) -> Result<Shard, CoreError>
    where
        CoreError: From<I::Error>,
    {
        Ok(Shard { transaction: Some(self.id), ..self.db.shard(id)? })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            // The error or panic that ended the work is what the caller hears.
            let _ = self.db.rollback(self.id);
        }
    }
}

impl Shard {
    /// Writes a new vector.
    ///
    /// # Errors
    /// `ERR_EXISTS` where the id is in use; else as [`Shard::upsert`].
    pub fn insert<I, V>(&self, id: I, vector: V) -> Result<(), CoreError>
    where
        I: TryInto<VectorId>,
        V: TryInto<Payload>,
        CoreError: From<I::Error> + From<V::Error>,
    {
        self.db.insert(self.target(), Some(id.try_into()?), vector.try_into()?).map(|_| ())
    }

    /// Writes a new vector under a new id, a UUIDv7, and returns that.
    ///
    /// # Errors
    /// As [`Shard::upsert`].
    pub fn add<V: TryInto<Payload>>(&self, vector: V) -> Result<VectorId, CoreError>
    where
        CoreError: From<V::Error>,
    {
        self.db.insert(self.target(), None, vector.try_into()?)
    }

    /// Writes a vector, new or not.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for an id or metadata that cannot be, `ERR_VECTOR` for a component that is not finite,
    /// `ERR_DIMENSIONS`, `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn upsert<I, V>(&self, id: I, vector: V) -> Result<(), CoreError>
    where
        I: TryInto<VectorId>,
        V: TryInto<Payload>,
        CoreError: From<I::Error> + From<V::Error>,
    {
        self.db.upsert(self.target(), &id.try_into()?, vector.try_into()?)
    }

    /// Writes other metadata for a vector, which stays as it is shown.
    ///
    /// # Errors
    /// `ERR_NOT_FOUND`; else as [`Shard::upsert`].
    pub fn set_metadata<I: TryInto<VectorId>>(&self, id: I, metadata: Metadata) -> Result<(), CoreError>
    where
        CoreError: From<I::Error>,
    {
        self.db.update(self.target(), &id.try_into()?, None, Some(metadata))
    }

    /// Deletes a vector by leaving a tombstone. Returns whether there was one.
    ///
    /// # Errors
    /// `ERR_ARGUMENT`, `ERR_TRANSACTION`, `ERR_BUSY`, `ERR_STORAGE`, `ERR_CLOSED`.
    pub fn delete<I: TryInto<VectorId>>(&self, id: I) -> Result<bool, CoreError>
    where
        CoreError: From<I::Error>,
    {
        self.db.delete(self.target(), &id.try_into()?)
    }

    /// What the shard's strategy shows of a vector; `None` where there is none, or it is deleted.
    ///
    /// # Errors
    /// `ERR_STORAGE`, also where the stored bytes no longer fit their hash; `ERR_ARGUMENT`, `ERR_TRANSACTION`,
    /// `ERR_BUSY`, `ERR_CLOSED`.
    pub fn get<I: TryInto<VectorId>>(&self, id: I) -> Result<Option<Entry>, CoreError>
    where
        CoreError: From<I::Error>,
    {
        self.db.get(self.target(), &id.try_into()?)
    }

    /// The `k` nearest vectors by cosine, the nearest first, of the last commit. [`VectrDB::search`] takes another
    /// metric, a threshold and a way to give up.
    ///
    /// # Errors
    /// As [`VectrDB::search`].
    pub fn search(&self, query: &[f32], k: usize) -> Result<Hits, CoreError> {
        self.db.search(Search::new(self.id.clone(), query.to_vec()).k(k))
    }

    /// Every vector of the last commit, in the order of ids; with components where `include_vectors` says so.
    ///
    /// # Errors
    /// As [`VectrDB::iterate`].
    pub fn iterate(&self, include_vectors: bool) -> Result<Iteration, CoreError> {
        self.db.iterate(&self.id, include_vectors)
    }

    /// How many vectors the shard shows.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn count(&self) -> Result<u64, CoreError> {
        self.db.count(&self.id)
    }

    /// The fingerprint of the shard's whole content: equal on two nodes that hold the same.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn digest(&self) -> Result<Digest, CoreError> {
        self.db.digest(&self.id)
    }

    /// The shard's size, version vector and last sync.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn statistics(&self) -> Result<ShardStatistics, CoreError> {
        self.db.shard_statistics(&self.id)
    }

    /// Sets how the shard shows concurrent versions. Writes no vector.
    ///
    /// # Errors
    /// As [`VectrDB::set_strategy`].
    pub fn set_strategy(&self, strategy: Strategy) -> Result<(), CoreError> {
        self.db.set_strategy(&self.id, strategy)
    }

    /// The shard's name.
    #[must_use]
    pub const fn id(&self) -> &ShardId {
        &self.id
    }

    /// The database that holds the shard.
    #[must_use]
    pub const fn db(&self) -> &VectrDB {
        &self.db
    }

    const fn target(&self) -> Target<'_> {
        Target { shard: &self.id, transaction: self.transaction }
    }
}

/// For ids and payloads that are checked already.
impl From<std::convert::Infallible> for CoreError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
