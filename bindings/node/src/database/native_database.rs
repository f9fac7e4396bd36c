use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use napi::Env;
use napi::bindgen_prelude::{Either, Float32ArraySlice, Null, PromiseRaw, ToNapiValue};
use napi_derive::napi;
use vectr_core::{Config, Metric, Search, Target, TransactionId, VectrDB};
use vectr_delta::{Dimensions, Metadata, NodeName, ShardId, VectorId};

use crate::cancellation::NativeCancellation;
use crate::columns::{EntryRecord, copy, number, payload};
use crate::database::batch::{BatchedVector, NativeBatch};
use crate::database::hits::NativeHits;
use crate::database::ids::NativeIds;
use crate::database::iteration::NativeIteration;
use crate::database::query::{Cell, NativeRows, QueryLimits, value};
use crate::database::storage::StorageRecord;
use crate::failure::Failure;
use crate::work::Work;

/// A database. Every method works off the event loop; where `shard` is left out, the default shard is meant.
#[napi]
pub struct NativeDatabase {
    db: VectrDB,
    work: Work,
    /// Queries may take any time: they have places of their own.
    queries: Work,
}

/// How to open a database.
#[napi(object, object_to_js = false)]
pub struct OpenOptions {
    /// The file; in memory without one.
    pub path: Option<String>,
    /// The default shard.
    pub shard_id: Option<String>,
    /// What the node is called.
    pub node_id: Option<String>,
    /// Of shards without vectors.
    pub dimensions: Option<u32>,
    /// How long calls wait for a transaction.
    pub busy_timeout_ms: Option<u32>,
    /// The bytes of the log at which readers are cut off.
    pub log_limit_bytes: Option<i64>,
    /// Whether the file is only read.
    pub read_only: bool,
}

/// An open transaction.
#[napi]
pub struct NativeTransaction(TransactionId);

/// What to search for.
#[napi(object, object_to_js = false)]
pub struct SearchOptions {
    /// Where; the default shard where it is left out.
    pub shard_id: Option<String>,
    /// The most results.
    pub k: u32,
    /// How to compare.
    #[napi(ts_type = "'cosine' | 'euclidean' | 'dot'")]
    pub metric: String,
    /// The least similarity.
    pub threshold: Option<f64>,
    /// Whether to return the vectors too.
    pub include_vectors: bool,
}

#[napi]
impl NativeDatabase {
    /// Opens or makes a database.
    #[napi]
    pub fn open(env: &Env, options: OpenOptions) -> napi::Result<PromiseRaw<'_, NativeDatabase>> {
        let (work, queries) = (Work::new(), Work::new());
        Work::at_once(env, move || {
            let db = VectrDB::new(options.config()?)?;
            Ok(NativeDatabase { db, work, queries })
        })
    }

    /// The file; none in memory.
    #[napi(getter)]
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.db.path().map(|path| path.to_string_lossy().into_owned())
    }

    /// Whether the file is only read.
    #[napi(getter)]
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.db.is_read_only()
    }

    /// What the node is called, where that is known.
    #[napi(getter)]
    #[must_use]
    pub fn node_id(&self) -> Option<String> {
        self.db.node().map(Into::into)
    }

    /// The default shard.
    #[napi(getter)]
    #[must_use]
    pub fn shard_id(&self) -> String {
        self.db.default_shard().to_string()
    }

    /// Adds a vector and returns its id.
    #[napi]
    pub fn insert<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        id: Option<String>,
        vector: Float32ArraySlice<'_>,
        metadata: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let vector = copy(&vector);
        self.write(env, shard, transaction, move |db, at| {
            let id = id.as_deref().map(VectorId::new).transpose()?;
            Ok(db.insert(at, id, payload(vector, metadata.as_deref())?)?.into())
        })
    }

    /// Adds or replaces a vector.
    #[napi]
    pub fn upsert<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        id: String,
        vector: Float32ArraySlice<'_>,
        metadata: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let vector = copy(&vector);
        self.write(env, shard, transaction, move |db, at| {
            Ok(db.upsert(at, &VectorId::new(&id)?, payload(vector, metadata.as_deref())?)?)
        })
    }

    /// Adds the vectors of a batch, which is empty afterwards, and returns their ids. All or none.
    #[napi]
    pub fn insert_batch<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        batch: &NativeBatch,
    ) -> napi::Result<PromiseRaw<'env, NativeIds>> {
        let vectors = batch.take();
        self.write(env, shard, transaction, move |db, at| {
            let items = vectors.into_iter().map(BatchedVector::item);
            Ok(NativeIds::new(db.insert_batch(at, items.collect::<Result<_, Failure>>()?)?))
        })
    }

    /// Replaces what is given of a vector.
    #[napi]
    pub fn update<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        id: String,
        vector: Option<Float32ArraySlice<'_>>,
        metadata: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let vector: Option<Bytes> = vector.map(|vector| copy(&vector));
        self.write(env, shard, transaction, move |db, at| {
            let metadata = metadata.as_deref().map(Metadata::new).transpose()?;
            Ok(db.update(at, &VectorId::new(&id)?, vector, metadata)?)
        })
    }

    /// Removes a vector; false where there is none.
    #[napi]
    pub fn delete<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        id: String,
    ) -> napi::Result<PromiseRaw<'env, bool>> {
        self.write(env, shard, transaction, move |db, at| Ok(db.delete(at, &VectorId::new(&id)?)?))
    }

    /// A vector, as the shard's strategy shows it.
    #[napi]
    pub fn get<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        id: String,
    ) -> napi::Result<PromiseRaw<'env, Either<EntryRecord, Null>>> {
        self.write(env, shard, transaction, move |db, at| {
            let entry = db.get(at, &VectorId::new(&id)?)?;
            Ok(entry.map_or(Either::B(Null), |entry| Either::A(entry.into())))
        })
    }

    /// The nearest vectors, the nearest first.
    #[napi]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        query: Float32ArraySlice<'_>,
        options: SearchOptions,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, NativeHits>> {
        let query = query.to_vec();
        let cancel = cancellation.map(NativeCancellation::flag).unwrap_or_default();
        self.read(env, options.shard_id, move |db, shard| {
            let mut search = Search::new(shard.clone(), query);
            search.k(options.k as usize).metric(Metric::from_name(&options.metric).unwrap_or_default());
            search.threshold = options.threshold;
            search.include_vectors = options.include_vectors;
            let hits = db.search(search.cancel(cancel))?;
            Ok(NativeHits::new(hits, options.include_vectors))
        })
    }

    /// A walk over a snapshot of a shard, behind the id `after`.
    #[napi]
    pub fn iterate<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        include_vectors: bool,
        after: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, NativeIteration>> {
        self.read(env, shard, move |db, shard| {
            let after = after.as_deref().map(VectorId::new).transpose()?;
            let iteration = db.iterate_after(shard, include_vectors, after.as_ref())?;
            Ok(NativeIteration::new(iteration, include_vectors))
        })
    }

    /// How many vectors a shard shows.
    #[napi]
    pub fn count<'env>(&self, env: &'env Env, shard: Option<String>) -> napi::Result<PromiseRaw<'env, i64>> {
        self.read(env, shard, |db, shard| Ok(number(db.count(shard)?)))
    }

    /// The shards, in the order of their ids.
    #[napi]
    pub fn shards<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, NativeIds>> {
        self.read(env, None, |db, _| Ok(NativeIds::new(db.shards()?)))
    }

    /// Runs one read-only statement.
    #[napi]
    pub fn query<'env>(
        &self,
        env: &'env Env,
        sql: String,
        #[napi(ts_arg_type = "Array<null | number | bigint | string | Uint8Array>")] parameters: Vec<Cell>,
        limits: QueryLimits,
        cancellation: Option<&NativeCancellation>,
    ) -> napi::Result<PromiseRaw<'env, NativeRows>> {
        let parameters = parameters.into_iter().map(value).collect();
        let options = limits.options(cancellation.map(NativeCancellation::flag).unwrap_or_default());
        let db = self.db.clone();
        self.queries.queue(env, move || Ok(db.query_with(&sql, parameters, &options)?.into()))
    }

    /// What the database takes on the disk.
    #[napi]
    #[must_use]
    pub fn storage(&self) -> StorageRecord {
        self.db.storage_statistics().into()
    }

    /// A fingerprint of a shard's content.
    #[napi]
    pub fn digest<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        self.read(env, shard, |db, shard| Ok(db.digest(shard)?.to_string()))
    }

    /// Writes a consistent copy into a new file.
    #[napi]
    pub fn backup<'env>(&self, env: &'env Env, path: String) -> napi::Result<PromiseRaw<'env, ()>> {
        self.read(env, None, move |db, _| Ok(db.backup(Path::new(&path))?))
    }

    /// Opens a transaction; fails where one is open.
    #[napi]
    pub fn begin<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, NativeTransaction>> {
        let db = self.db.clone();
        Work::at_once(env, move || Ok(NativeTransaction(db.begin()?)))
    }

    /// Opens a transaction once those before it have ended.
    #[napi]
    pub fn begin_in_turn<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, NativeTransaction>> {
        Work::called_back(env, |done| {
            self.db.begin_in_turn(|begun| done(begun.map(NativeTransaction).map_err(Into::into)));
        })
    }

    /// Keeps what a transaction wrote.
    #[napi]
    pub fn commit<'env>(
        &self,
        env: &'env Env,
        transaction: &NativeTransaction,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let (db, transaction) = (self.db.clone(), transaction.0);
        Work::at_once(env, move || Ok(db.commit(transaction)?))
    }

    /// Takes back what a transaction wrote.
    #[napi]
    pub fn rollback<'env>(
        &self,
        env: &'env Env,
        transaction: &NativeTransaction,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let (db, transaction) = (self.db.clone(), transaction.0);
        Work::at_once(env, move || Ok(db.rollback(transaction)?))
    }

    /// Ends all use. Closing again does nothing.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let db = self.db.clone();
        Work::at_once(env, move || Ok(db.close()?))
    }

    pub(crate) const fn db(&self) -> &VectrDB {
        &self.db
    }

    pub(crate) fn work(&self) -> Work {
        self.work.clone()
    }

    /// A shard by its name; the default one without.
    pub(crate) fn named(&self, shard: Option<&str>) -> Result<ShardId, Failure> {
        named(&self.db, shard)
    }

    pub(crate) fn read<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        work: impl FnOnce(&VectrDB, &ShardId) -> Result<T, Failure> + Send + 'static,
    ) -> napi::Result<PromiseRaw<'env, T>> {
        let db = self.db.clone();
        self.work.queue(env, move || work(&db, &named(&db, shard.as_deref())?))
    }

    fn write<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        transaction: Option<&NativeTransaction>,
        work: impl FnOnce(&VectrDB, Target<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> napi::Result<PromiseRaw<'env, T>> {
        let (db, transaction) = (self.db.clone(), transaction.map(|transaction| transaction.0));
        let call = move || {
            let shard = named(&db, shard.as_deref())?;
            work(&db, Target { shard: &shard, transaction })
        };
        if transaction.is_some() { Work::at_once(env, call) } else { self.work.queue(env, call) }
    }
}

impl OpenOptions {
    fn config(self) -> Result<Config, Failure> {
        let mut config = Config::default();
        config.path = self.path.map(Into::into);
        config.shard = self.shard_id.as_deref().map(ShardId::new).transpose()?;
        config.node = self.node_id.as_deref().map(NodeName::new).transpose()?;
        config.dimensions = self.dimensions.map(Dimensions::try_from).transpose()?;
        if let Some(busy_timeout) = self.busy_timeout_ms {
            config.busy_timeout(Duration::from_millis(busy_timeout.into()));
        }
        if let Some(limit) = self.log_limit_bytes {
            config.log_limit(limit.unsigned_abs());
        }
        config.read_only = self.read_only;
        Ok(config)
    }
}

fn named(db: &VectrDB, shard: Option<&str>) -> Result<ShardId, Failure> {
    Ok(shard.map_or_else(|| Ok(db.default_shard().clone()), ShardId::new)?)
}
