use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Either, Null, PromiseRaw};
use napi_derive::napi;
use tokio::sync::Mutex;
use vectr_sync::{Exchange, Patience};

use crate::failure::Failure;
use crate::sync::outcome::SyncOutcome;
use crate::sync::owned::Owned;

/// Syncs that have exchanged, and whose conflicts `onConflict` may still have to decide.
#[napi]
pub struct NativeExchange {
    exchange: Arc<Mutex<Exchange>>,
    engine: Arc<Owned>,
}

#[napi]
impl NativeExchange {
    /// The results; null where only answers are missing. Without `waits` it asks, and waits for none.
    #[napi]
    pub fn settle<'env>(
        &self,
        env: &'env Env,
        waits: bool,
    ) -> napi::Result<PromiseRaw<'env, Either<Vec<SyncOutcome>, Null>>> {
        let (exchange, engine) = (Arc::clone(&self.exchange), Arc::clone(&self.engine));
        let patience = if waits { Patience::UntilAsked } else { Patience::None };
        env.spawn_future(async move {
            let results = exchange.lock().await.settle(patience).await.map_err(Failure::from)?;
            // Held until here: an engine that JavaScript forgets meanwhile stays open.
            drop(engine);
            let outcomes = results.map(|results| results.into_iter().map(SyncOutcome::from).collect());
            Ok(outcomes.map_or(Either::B(Null), Either::A))
        })
    }
}

impl NativeExchange {
    pub(crate) fn new(exchange: Exchange, engine: Arc<Owned>) -> Self {
        Self { exchange: Arc::new(Mutex::new(exchange)), engine }
    }
}
