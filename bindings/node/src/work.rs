use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{PromiseRaw, ToNapiValue};
use tokio::sync::{Semaphore, oneshot};

use crate::failure::Failure;

/// Runs blocking calls on the runtime's blocking threads, never on the event loop.
#[derive(Clone)]
pub(crate) struct Work(Arc<Semaphore>);

impl Work {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_AT_ONCE)))
    }

    /// Runs `work` as soon as fewer than [`MOST_AT_ONCE`] others run.
    pub(crate) fn queue<'env, T: ToNapiValue + Send + 'static>(
        &self,
        env: &'env Env,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> napi::Result<PromiseRaw<'env, T>> {
        env.spawn_future(self.run(work))
    }

    /// The same, within something that waits for it.
    pub(crate) fn run<T: Send + 'static, W: FnOnce() -> Result<T, Failure> + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = napi::Result<T>> + Send + use<T, W> {
        let places = Arc::clone(&self.0);
        async move {
            let _place = places.acquire_owned().await.expect("the semaphore is never closed");
            block(work).await
        }
    }

    /// Runs `start`, which blocks for no time and hands the outcome to its argument later. Who waits so takes no thread.
    pub(crate) fn called_back<'env, T: ToNapiValue + Send + 'static>(
        env: &'env Env,
        start: impl FnOnce(Box<dyn FnOnce(Result<T, Failure>) + Send>),
    ) -> napi::Result<PromiseRaw<'env, T>> {
        let (done, outcome) = oneshot::channel();
        start(Box::new(move |result| {
            // The environment may be gone.
            let _ = done.send(result);
        }));
        env.spawn_future(async move {
            let closed = || Err(Failure::from(vectr_core::CoreError::Closed));
            Ok(outcome.await.unwrap_or_else(|_| closed())?)
        })
    }

    /// Runs `work` without queueing: what an open transaction needs to end must not wait for calls that wait for it.
    pub(crate) fn at_once<'env, T: ToNapiValue + Send + 'static>(
        env: &'env Env,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> napi::Result<PromiseRaw<'env, T>> {
        env.spawn_future(block(work))
    }
}

/// Runs `work` on a blocking thread.
pub(crate) async fn block<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> napi::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Failure::new("ERR_STORAGE", &format_args!("the call did not end: {error}")).into()),
    }
}

/// Fewer than the runtime's blocking threads (512): transactions and syncs always find one.
const MOST_AT_ONCE: usize = 64;
