use std::sync::{Arc, Mutex, PoisonError};

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use vectr_core::Iteration;

use crate::columns::EntryColumns;
use crate::work::Work;

/// One walk over a snapshot of a shard. The snapshot is freed by `close`, by the database's close, or with this object.
#[napi]
pub struct NativeIteration {
    snapshot: Arc<Mutex<Option<Iteration>>>,
    include_vectors: bool,
}

#[napi]
impl NativeIteration {
    pub(crate) fn new(iteration: Iteration, include_vectors: bool) -> Self {
        Self { snapshot: Arc::new(Mutex::new(Some(iteration))), include_vectors }
    }

    /// The next vectors in the order of ids, at most `limit`. None follow an empty page.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env, limit: u32) -> napi::Result<PromiseRaw<'env, EntryColumns>> {
        let (snapshot, include_vectors) = (Arc::clone(&self.snapshot), self.include_vectors);
        Work::at_once(env, move || {
            let mut snapshot = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            let items = match snapshot.as_mut() {
                Some(iteration) => iteration.next_page(limit as usize)?,
                None => Vec::new(),
            };
            Ok(EntryColumns::of(&items, include_vectors))
        })
    }

    /// Frees the snapshot.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let snapshot = Arc::clone(&self.snapshot);
        Work::at_once(env, move || {
            drop(snapshot.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        })
    }
}
