//! The changes of a shard, as they are applied.

use std::sync::{Arc, Mutex, PoisonError};

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use tokio::sync::Notify;
use vectr_core::{ChangeFeed, Subscription};
use vectr_sync::CancellationSource;

use crate::columns::number;
use crate::database::changelog::NativeChanges;
use crate::database::native_database::NativeDatabase;
use crate::failure::Failure;
use crate::work::Work;

/// The changes of a shard behind one of them. Ends with `stop`, or with this object.
#[napi]
pub struct NativeChangeFeed {
    feed: Arc<Mutex<ChangeFeed>>,
    news: Arc<Notify>,
    stopped: CancellationSource,
    work: Work,
    _subscription: Subscription,
}

/// What a read has found.
enum Read {
    Changes(Vec<u8>),
    Nothing,
    Busy,
}

#[napi]
impl NativeChangeFeed {
    fn start(feed: ChangeFeed, work: Work) -> Self {
        let news = Arc::<Notify>::default();
        let heard = Arc::clone(&news);
        let subscription = feed.on_change(move || heard.notify_one());
        let feed = Arc::new(Mutex::new(feed));
        Self { feed, news, stopped: CancellationSource::new(), work, _subscription: subscription }
    }

    /// The next changes, once there are any; none once it was stopped. One call at a time.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, Option<NativeChanges>>> {
        let (feed, news, work) = (Arc::clone(&self.feed), Arc::clone(&self.news), self.work.clone());
        let mut stopped = self.stopped.token();
        env.spawn_future(async move {
            loop {
                let feed = Arc::clone(&feed);
                let read = work.run(move || read(&feed));
                // A read that is given up ends by itself: it may wait for a transaction.
                let read = tokio::select! {
                    read = read => read?,
                    () = stopped.cancelled() => return Ok(None),
                };
                match read {
                    Read::Changes(delta) => return Ok(Some(NativeChanges::of(vec![delta]))),
                    // Behind a transaction that is open for long.
                    Read::Busy => {}
                    // Of what was committed since the read, too.
                    Read::Nothing => tokio::select! {
                        () = news.notified() => {}
                        () = stopped.cancelled() => return Ok(None),
                    },
                }
            }
        })
    }

    /// The change behind which it goes on.
    #[napi(getter)]
    #[must_use]
    pub fn position(&self) -> i64 {
        number(self.feed.lock().unwrap_or_else(PoisonError::into_inner).position())
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
        Ok(NativeChangeFeed::start(feed, self.work()))
    }
}

fn read(feed: &Mutex<ChangeFeed>) -> Result<Read, Failure> {
    match feed.lock().unwrap_or_else(PoisonError::into_inner).read() {
        Ok(Some(delta)) => Ok(Read::Changes(delta)),
        Ok(None) => Ok(Read::Nothing),
        Err(error) if error.is_transient() => Ok(Read::Busy),
        Err(error) => Err(error.into()),
    }
}
