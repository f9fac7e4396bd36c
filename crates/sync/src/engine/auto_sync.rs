use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use vectr_delta::ShardId;

use crate::engine::retry::{Backoff, MAX_RETRY_DELAY};
use crate::engine::sync_engine::Context;
use crate::session::initiator::Initiator;
use crate::{CancellationSource, CancellationToken, SyncEngine, SyncError, SyncOptions};

impl SyncEngine {
    /// Keeps a shard in step with the node at `address` from now on: each commit of either node travels as it happens,
    /// and a stream that breaks is opened again, after waits that double up to a minute. `interval` adds a full check
    /// now and then. Runs already: nothing changes. Needs a tokio runtime around it.
    ///
    /// Failures are told as [`SyncEvent::Failed`] and never end it; what waiting alone does not heal, as missing trust,
    /// is tried again once a minute.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CLOSED` after close.
    pub fn start_auto_sync(
        &self,
        shard: &ShardId,
        address: &str,
        interval: Option<Duration>,
    ) -> Result<(), SyncError> {
        self.begin_auto_sync(shard, address, interval).map(drop)
    }

    /// As [`SyncEngine::start_auto_sync`]: whether it was this call that started it.
    pub(crate) fn begin_auto_sync(
        &self,
        shard: &ShardId,
        address: &str,
        interval: Option<Duration>,
    ) -> Result<bool, SyncError> {
        let engine = &self.engine;
        engine.endpoint()?.check_address(address)?;
        let pair = Pair { shard: shard.clone(), address: address.to_owned() };
        let Some(stopped) = engine.auto_syncs.begin(&pair) else { return Ok(false) };
        let (live, checked) = (Arc::clone(engine), Arc::clone(engine));
        tokio::spawn(keep_in_sync(live, pair.clone(), stopped.clone()));
        if let Some(interval) = interval.filter(|interval| !interval.is_zero()) {
            tokio::spawn(check_periodically(checked, pair, stopped, interval));
        }
        Ok(true)
    }

    /// Ends some of the auto-syncs.
    pub(crate) fn end_auto_syncs(&self, mut chosen: impl FnMut(&ShardId, &str) -> bool) {
        self.engine.auto_syncs.end(|pair| chosen(&pair.shard, &pair.address));
    }

    /// Ends the auto-syncs of a shard. What was applied stays applied. Whether there was one.
    pub fn stop_auto_sync(&self, shard: &ShardId) -> bool {
        self.engine.auto_syncs.end(|pair| pair.shard == *shard)
    }

    /// Ends all auto-syncs.
    pub fn stop_all_auto_syncs(&self) {
        self.engine.auto_syncs.end(|_| true);
    }

    /// What is kept in step with whom.
    #[must_use]
    pub fn auto_syncs(&self) -> Vec<(ShardId, String)> {
        self.engine
            .auto_syncs
            .running()
            .keys()
            .map(|pair| (pair.shard.clone(), pair.address.clone()))
            .collect()
    }
}

/// The auto-syncs of an engine.
#[derive(Debug, Default)]
pub(crate) struct AutoSyncs(Mutex<BTreeMap<Pair, CancellationSource>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    shard: ShardId,
    address: String,
}

impl AutoSyncs {
    /// `None` where it runs already.
    fn begin(&self, pair: &Pair) -> Option<CancellationToken> {
        let mut running = self.running();
        if running.contains_key(pair) {
            return None;
        }
        Some(running.entry(pair.clone()).or_default().token())
    }

    fn end(&self, mut chosen: impl FnMut(&Pair) -> bool) -> bool {
        let ended: Vec<_> = self.running().extract_if(.., |pair, _| chosen(pair)).collect();
        ended.iter().for_each(|(_, canceller)| canceller.cancel());
        !ended.is_empty()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Pair, CancellationSource>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs live sessions one after another, until it is stopped.
async fn keep_in_sync(engine: Arc<Context>, pair: Pair, mut stopped: CancellationToken) {
    let mut closed = engine.closing.token();
    let mut backoff = Backoff::new(&engine.config);
    loop {
        let wait = match live(&engine, &pair, &stopped, &mut backoff).await {
            // The peer gives one exchange at a time.
            Ok(()) => MAX_RETRY_DELAY,
            Err(SyncError::Aborted | SyncError::Closed) => return,
            Err(error) => {
                if !error.is_restart() {
                    engine.activity.record_outcome(&pair.shard, None);
                    engine.report_failure(&pair.shard, &pair.address, &error);
                }
                backoff.delay_after(&error)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = closed.cancelled() => return,
            () = stopped.cancelled() => return,
        }
    }
}

async fn live(
    engine: &Context,
    pair: &Pair,
    stopped: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), SyncError> {
    engine.ensure_open()?;
    engine.apply_strategy(&pair.shard).await?;
    let options = SyncOptions { abort: stopped.clone(), ..SyncOptions::default() };
    let attempt = Initiator {
        context: engine,
        shard: &pair.shard,
        address: &pair.address,
        options: &options,
        live: true,
    };
    let (report, outcome) = attempt.run().await;
    if report.was_online {
        backoff.reset();
    }
    outcome
}

async fn check_periodically(
    engine: Arc<Context>,
    pair: Pair,
    stopped: CancellationToken,
    interval: Duration,
) {
    let (mut closed, mut stopping) = (engine.closing.token(), stopped.clone());
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one is at once, when the live session has its own beginning.
    ticks.tick().await;
    let handle = SyncEngine { engine };
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = closed.cancelled() => return,
            () = stopping.cancelled() => return,
        }
        let options = SyncOptions { abort: stopped.clone(), ..SyncOptions::default() };
        // A failure is told as an event by the sync itself.
        if handle.sync(&pair.shard, &pair.address, options).await.is_err() {
            return;
        }
    }
}
