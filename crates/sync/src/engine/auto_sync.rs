use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use vectr_delta::ShardId;

use crate::context::Context;
use crate::engine::job::SyncJob;
use crate::engine::retry::{Backoff, MAX_RETRY_DELAY, jitter};
use crate::limits::bounds::RESTART_PERIOD;
use crate::session::initiator::Initiator;
use crate::{CancellationSource, CancellationToken, SyncError, SyncOptions};

/// The running auto-syncs of an engine.
#[derive(Debug, Default)]
pub(crate) struct AutoSyncs(Mutex<BTreeMap<Pair, CancellationSource>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    shard: ShardId,
    address: String,
}

impl AutoSyncs {
    /// Starts one. Returns whether it did not run already.
    pub(crate) fn start(
        &self,
        context: &Arc<Context>,
        shard: &ShardId,
        address: &str,
        interval: Option<Duration>,
    ) -> Result<bool, SyncError> {
        context.endpoint()?.check_address(address)?;
        let pair = Pair { shard: shard.clone(), address: address.to_owned() };
        let Some(stopped) = self.insert(&pair) else { return Ok(false) };
        tokio::spawn(keep_in_sync(Arc::clone(context), pair.clone(), stopped.clone()));
        if let Some(interval) = interval.filter(|interval| !interval.is_zero()) {
            tokio::spawn(check_periodically(Arc::clone(context), pair, stopped, interval));
        }
        Ok(true)
    }

    /// Stops those that `filter` picks. Returns whether there was one.
    pub(crate) fn stop(&self, mut filter: impl FnMut(&ShardId, &str) -> bool) -> bool {
        let picked = |pair: &Pair, _: &mut _| filter(&pair.shard, &pair.address);
        let stopped: Vec<_> = self.lock().extract_if(.., picked).collect();
        stopped.iter().for_each(|(_, source)| source.cancel());
        !stopped.is_empty()
    }

    pub(crate) fn running(&self) -> Vec<(ShardId, String)> {
        self.lock().keys().map(|pair| (pair.shard.clone(), pair.address.clone())).collect()
    }

    /// `None` if it runs already.
    fn insert(&self, pair: &Pair) -> Option<CancellationToken> {
        let mut running = self.lock();
        if running.contains_key(pair) {
            return None;
        }
        Some(running.entry(pair.clone()).or_default().token())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Pair, CancellationSource>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs live sessions one after another, until it is stopped.
async fn keep_in_sync(context: Arc<Context>, pair: Pair, mut stopped: CancellationToken) {
    let mut closed = context.closing.token();
    let mut backoff = Backoff::new(&context.config);
    loop {
        let wait = match run_live(&context, &pair, &stopped, &mut backoff).await {
            // The peer supports single exchanges only.
            Ok(()) => MAX_RETRY_DELAY,
            Err(SyncError::Aborted | SyncError::Closed) => return,
            Err(error) => {
                if !error.is_restart() {
                    context.activity.record_outcome(&pair.shard, None);
                    context.report_failure(&pair.shard, &pair.address, &error);
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

async fn run_live(
    context: &Context,
    pair: &Pair,
    stopped: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), SyncError> {
    context.ensure_open()?;
    context.apply_strategy(&pair.shard).await?;
    let options = SyncOptions { abort: stopped.clone(), ..SyncOptions::default() };
    let initiator =
        Initiator { context, shard: &pair.shard, address: &pair.address, options: &options, live: true };
    let began = Instant::now();
    let (report, outcome) = initiator.run().await;
    if report.was_online && !goes_round(&outcome, began.elapsed()) {
        backoff.reset();
    }
    outcome
}

/// Whether the peer has each session begun anew: it was reached as well. A session that lasted was no waste.
fn goes_round(outcome: &Result<(), SyncError>, lasted: Duration) -> bool {
    let begins_anew = |error: &SyncError| error.is_restart() || matches!(error, SyncError::Restarts { .. });
    lasted < RESTART_PERIOD && outcome.as_ref().is_err_and(begins_anew)
}

async fn check_periodically(
    context: Arc<Context>,
    pair: Pair,
    stopped: CancellationToken,
    interval: Duration,
) {
    let (mut closed, mut stopping) = (context.closing.token(), stopped.clone());
    loop {
        // The live session starts with a full exchange, so the first check waits as well. Each waits a little more or less:
        // those of many shards and peers, started together, do not run together for ever.
        let _permit = tokio::select! {
            permit = due(&context, interval) => permit,
            () = closed.cancelled() => return,
            () = stopping.cancelled() => return,
        };
        let options = SyncOptions { abort: stopped.clone(), ..SyncOptions::default() };
        let job = SyncJob::new(&context, pair.shard.clone(), pair.address.clone());
        // The job reports a failure as an event by itself.
        if job.run(&context, options).await.is_err() {
            return;
        }
    }
}

/// Waits until a full check is due, and until few enough run. `None`: never, the engine is gone.
async fn due(context: &Context, interval: Duration) -> Option<SemaphorePermit<'_>> {
    tokio::time::sleep(interval.min(MAX_INTERVAL).mul_f64(jitter())).await;
    context.checks.acquire().await.ok()
}

/// Longer intervals count as this: the clock ends somewhere.
const MAX_INTERVAL: Duration = Duration::from_secs(1 << 32);

#[cfg(test)]
mod tests {
    use super::*;

    // With a row that is held back, each live session begins anew after a minute: it waited longer and longer in between.
    #[test]
    fn only_sessions_that_begin_anew_soon_go_round() {
        let anew = Err(SyncError::Session {
            code: "ERR_RESTART".into(),
            message: "rows were held back".into(),
            retry: true,
        });
        assert!(goes_round(&anew, Duration::from_secs(1)) && !goes_round(&anew, MAX_RETRY_DELAY));
        assert!(!goes_round(&Err(SyncError::Closed), Duration::ZERO));
    }
}
