//! The changes of a shard, as they are applied.

use std::sync::{Arc, Mutex, PoisonError};

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use tokio::sync::Notify;
use vectr_core::{ChangeFeed, Subscription};
use vectr_sync::CancellationSource;

use crate::database::changelog::NativeChanges;
use crate::database::native_database::NativeDatabase;
use crate::failure::Failure;
use crate::work::block;

/// The changes of a shard behind one of them. Ends with `stop`, or with this object.
#[napi]
pub struct NativeChangeFeed {
    feed: Arc<Mutex<ChangeFeed>>,
    news: Arc<Notify>,
    stopped: CancellationSource,
    _subscription: Subscription,
}

#[napi]
impl NativeChangeFeed {
    fn start(feed: ChangeFeed) -> Self {
        let news = Arc::<Notify>::default();
        let heard = Arc::clone(&news);
        let subscription = feed.on_change(move || heard.notify_one());
        let feed = Arc::new(Mutex::new(feed));
        Self { feed, news, stopped: CancellationSource::new(), _subscription: subscription }
    }

    /// The next changes, once there are any; none once it was stopped. One call at a time.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, Option<NativeChanges>>> {
        let (feed, news, mut stopped) =
            (Arc::clone(&self.feed), Arc::clone(&self.news), self.stopped.token());
        env.spawn_future(async move {
            while !stopped.is_cancelled() {
                let feed = Arc::clone(&feed);
                let read = move || Ok(feed.lock().unwrap_or_else(PoisonError::into_inner).read()?);
                if let Some(delta) = block(read).await? {
                    return Ok(Some(NativeChanges::of(vec![delta])));
                }
                tokio::select! {
                    // Of what was committed since the read, too.
                    () = news.notified() => {}
                    () = stopped.cancelled() => {}
                }
            }
            Ok(None)
        })
    }

    /// Ends the call of `next` that waits, and all later ones.
    #[napi]
    pub fn stop(&self) {
        self.stopped.cancel();
    }
}

#[napi]
impl NativeDatabase {
    /// The changes of a shard behind `since`; without it those to come.
    #[napi]
    pub fn changes(&self, shard: Option<String>, since: Option<f64>) -> napi::Result<NativeChangeFeed> {
        let shard = self.named(shard.as_deref())?;
        let feed = self.db().changes(&shard, since.map(|since| since as u64)).map_err(Failure::from)?;
        Ok(NativeChangeFeed::start(feed))
    }
}
