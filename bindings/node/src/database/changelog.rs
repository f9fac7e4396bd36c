//! What was applied to a database, as the bytes of deltas.

use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, Uint8Array};
use napi_derive::napi;
use vectr_core::DeltaScope;
use vectr_delta::ChangeId;

use crate::columns::number;
use crate::database::conflict::SiteEntries;
use crate::database::native_database::NativeDatabase;
use crate::delta::ChangePart;
use crate::parts::Parts;

/// How far a shard has come.
#[napi(object, object_from_js = false)]
pub struct ShardHead {
    /// Its newest change.
    pub change_id: i64,
    /// What it holds, by site.
    #[napi(ts_type = "Array<[string, number]>")]
    pub version_vector: SiteEntries,
}

/// The changes of a shard, to be taken in parts.
#[napi]
pub struct NativeChanges(Parts<Vec<u8>>);

#[napi]
impl NativeChanges {
    pub(crate) fn of(deltas: Vec<Vec<u8>>) -> Self {
        Self(Parts::new(deltas))
    }

    /// The next ones; none follow the last.
    #[napi]
    pub fn take<'env>(&self, env: &'env Env) -> napi::Result<Option<ChangePart<'env>>> {
        let deltas = self.0.take(1, |_| 1);
        deltas.first().map(|bytes| ChangePart::read(env, bytes)).transpose()
    }

    /// How many parts have not been taken.
    #[napi(getter)]
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0.left()
    }
}

#[napi]
impl NativeDatabase {
    /// Who this database is at present: 16 hexadecimal digits.
    #[napi(getter)]
    #[must_use]
    pub fn site(&self) -> String {
        self.db().site().to_string()
    }

    /// All that was applied after a moment. Nobody may change `answer_to` until then.
    #[napi]
    pub fn compute_delta<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        since: f64,
        max_vectors: Option<f64>,
        answer_to: Option<Uint8Array>,
    ) -> napi::Result<PromiseRaw<'env, Uint8Array>> {
        let mut scope = DeltaScope::default();
        scope.max_vectors = max_vectors.map(|most| most as usize);
        self.read(env, shard, move |db, shard| {
            scope.answer_to = answer_to.map(|bytes| bytes.to_vec());
            Ok(db.compute_delta(shard, since as u64, &scope)?.into())
        })
    }

    /// Joins a delta. Nobody may change its bytes until then.
    #[napi]
    pub fn apply_delta<'env>(
        &self,
        env: &'env Env,
        shard: Option<String>,
        bytes: Uint8Array,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        self.read(env, shard, move |db, shard| Ok(db.apply_delta(shard, &bytes).map(drop)?))
    }

    /// The changes after one and up to another.
    #[napi]
    pub fn read_changes<'env>(
        &self,
        env: &'env Env,
        shard: String,
        after: f64,
        to: Option<f64>,
    ) -> napi::Result<PromiseRaw<'env, NativeChanges>> {
        let to = to.map_or(ChangeId::MAX, |to| to as u64);
        self.read(env, Some(shard), move |db, shard| {
            Ok(NativeChanges::of(db.read_changes(shard, after as u64, to)?))
        })
    }

    /// How far a shard has come.
    #[napi]
    pub fn shard_head<'env>(
        &self,
        env: &'env Env,
        shard: String,
    ) -> napi::Result<PromiseRaw<'env, ShardHead>> {
        self.read(env, Some(shard), move |db, shard| {
            let status = db.shard_statistics(shard)?;
            let entries = status.version_vector.into_iter().map(|(site, seq)| (site, number(seq)));
            Ok(ShardHead { change_id: number(status.change_id), version_vector: entries.collect() })
        })
    }

    /// Takes over what a shard is shown to hold.
    #[napi]
    pub fn advance_version_vector<'env>(
        &self,
        env: &'env Env,
        shard: String,
        #[napi(ts_arg_type = "Array<[string, number]>")] claimed: SiteEntries,
    ) -> napi::Result<PromiseRaw<'env, ()>> {
        let claimed: Vec<(String, u64)> = claimed.into_iter().map(|(site, seq)| (site, seq as u64)).collect();
        self.read(env, Some(shard), move |db, shard| Ok(db.advance_version_vector(shard, &claimed)?))
    }
}
