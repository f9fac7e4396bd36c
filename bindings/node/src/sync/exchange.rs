use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use vectr_core::StoredConflict;
use vectr_sync::{Exchange, Patience, SyncResult};

use crate::database::conflict::ConflictRecords;
use crate::failure::Failure;
use crate::parts::Parts;
use crate::sync::outcome::SyncOutcome;
use crate::sync::owned::Owned;

/// Syncs that have exchanged, and whose conflicts `onConflict` may still have to decide.
#[napi]
pub struct NativeExchange {
    exchange: Arc<tokio::sync::Mutex<Exchange>>,
    results: Arc<Mutex<Results>>,
    engine: Arc<Owned>,
}

/// The results that JavaScript has not taken.
#[derive(Default)]
struct Results {
    next: VecDeque<SyncResult>,
    /// Of the result that was taken last.
    conflicts: Option<Parts<StoredConflict>>,
}

/// A part of the results: the next one, or more of the conflicts of the last one.
#[napi(object, object_from_js = false)]
pub struct ResultPart {
    /// The next result.
    pub outcome: Option<SyncOutcome>,
    /// What someone has to settle in its shard.
    pub conflicts: ConflictRecords,
}

#[napi]
impl NativeExchange {
    /// Whether the results are there; false where only answers are missing. Without `waits` it asks, and waits for none.
    #[napi]
    pub fn settle<'env>(&self, env: &'env Env, waits: bool) -> napi::Result<PromiseRaw<'env, bool>> {
        let (exchange, engine) = (Arc::clone(&self.exchange), Arc::clone(&self.engine));
        let settled = Arc::clone(&self.results);
        let patience = if waits { Patience::UntilAsked } else { Patience::None };
        env.spawn_future(async move {
            let results = exchange.lock().await.settle(patience).await.map_err(Failure::from)?;
            // Held until here: an engine that JavaScript forgets meanwhile stays open.
            drop(engine);
            let Some(results) = results else { return Ok(false) };
            settled.lock().unwrap_or_else(PoisonError::into_inner).next.extend(results);
            Ok(true)
        })
    }

    /// The next part of the results.
    #[napi]
    #[must_use]
    pub fn take(&self) -> ResultPart {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outcome = None;
        if results.conflicts.as_ref().is_none_or(|conflicts| conflicts.left() == 0)
            && let Some(mut result) = results.next.pop_front()
        {
            results.conflicts = Some(Parts::new(std::mem::take(&mut result.conflicts_unresolved)));
            outcome = Some(result.into());
        }
        let conflicts = results.conflicts.as_ref().map(|conflicts| conflicts.take(MOST_VERSIONS, versions));
        ResultPart { outcome, conflicts: conflicts.into_iter().flatten().collect() }
    }

    /// How many results and conflicts have not been taken.
    #[napi(getter)]
    #[must_use]
    pub fn left(&self) -> u32 {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.conflicts.as_ref().map_or(0, Parts::left).saturating_add(results.next.len() as u32)
    }
}

impl NativeExchange {
    pub(crate) fn new(exchange: Exchange, engine: Arc<Owned>) -> Self {
        Self { exchange: Arc::new(tokio::sync::Mutex::new(exchange)), results: Arc::default(), engine }
    }
}

fn versions(conflict: &StoredConflict) -> usize {
    conflict.row.siblings().len()
}

/// A millisecond or two of work on the event loop: an object costs microseconds to cross.
const MOST_VERSIONS: usize = 64;
