use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use vectr_core::VectrDB;
use vectr_delta::{ShardId, Strategy};

use crate::context::Context;
use crate::engine::retry::Retries;
use crate::result::SyncFailure;
use crate::session::initiator::{AttemptReport, Initiator};
use crate::{CancellationSource, SyncError, SyncOptions, SyncResult};

/// One sync of a shard with a peer, over all its attempts. The caller schedules the retries.
pub(crate) struct SyncJob {
    result: SyncResult,
    retries: Retries,
    strategy_applied: bool,
    /// Strategy that the last session reported.
    strategy: Option<Strategy>,
    both_empty: bool,
    stream_closed: Option<oneshot::Receiver<()>>,
}

impl SyncJob {
    pub(crate) fn new(context: &Context, shard: ShardId, address: String) -> Self {
        Self {
            result: SyncResult::new(shard, address),
            retries: Retries::new(&context.config),
            strategy_applied: false,
            strategy: None,
            both_empty: false,
            stream_closed: None,
        }
    }

    /// Tries until it succeeds, cannot succeed any more, is aborted, or its time is up.
    ///
    /// # Errors
    /// As [`SyncJob::finish`].
    pub(crate) async fn run(
        mut self,
        context: &Context,
        options: SyncOptions,
    ) -> Result<SyncResult, SyncError> {
        let started = Instant::now();
        let busy = context.activity.begin(&self.result.shard);
        let outcome = match options.timeout {
            Some(limit) => self.attempt_within(limit, context, options).await,
            None => self.attempt_until_done(context, &options).await,
        };
        drop(busy);
        let mut result = self.finish(context, outcome).await?;
        result.duration = started.elapsed();
        Ok(result)
    }

    /// Runs one attempt.
    pub(crate) async fn attempt(
        &mut self,
        context: &Context,
        options: &SyncOptions,
    ) -> Result<(), SyncError> {
        let started = Instant::now();
        self.result.attempts += 1;
        let outcome = self.run_session(context, options).await;
        self.result.duration += started.elapsed();
        outcome
    }

    /// Waits until the last attempt's stream has ended at the peer, or `FLUSH_TIMEOUT` has passed.
    pub(crate) async fn stream_closed(&mut self) {
        if let Some(stream_closed) = self.stream_closed.take() {
            // Nothing is sent: the channel closes with the stream.
            let _ = stream_closed.await;
        }
    }

    /// Counts an attempt whose connection failed.
    pub(crate) fn record_failed_dial(&mut self, took: Duration) {
        self.result.attempts += 1;
        self.result.duration += took;
    }

    /// Delay before the next attempt; `None`: give up.
    pub(crate) fn retry_delay(&mut self, error: &SyncError) -> Option<Duration> {
        self.retries.delay_after(error)
    }

    /// Records the outcome and returns the result.
    ///
    /// # Errors
    /// `ERR_CLOSED` and `ERR_ABORTED`, if that ended the job. Any other failure is in the result.
    pub(crate) async fn finish(
        mut self,
        context: &Context,
        outcome: Result<(), SyncError>,
    ) -> Result<SyncResult, SyncError> {
        context.record_outcome(&self.result.shard, outcome.is_ok());
        let is_late = matches!(outcome, Err(SyncError::Late { .. }));
        match &outcome {
            Err(SyncError::Closed | SyncError::Aborted) => outcome?,
            Err(error) => {
                let SyncResult { shard, address, .. } = &self.result;
                self.result.failure = Some(context.report_failure(shard, address, error));
            }
            Ok(()) => {}
        }
        // The database may be waiting for an open transaction.
        let patience = if is_late { LATE_PATIENCE } else { Duration::MAX };
        if let Ok(Err(error)) = tokio::time::timeout(patience, self.complete(context)).await {
            self.result.failure.get_or_insert_with(|| SyncFailure::from(&error));
        }
        Ok(self.result)
    }

    pub(crate) fn shard(&self) -> &ShardId {
        &self.result.shard
    }

    /// As [`SyncJob::attempt_until_done`]; `ERR_TIMEOUT` after `limit`.
    async fn attempt_within(
        &mut self,
        limit: Duration,
        context: &Context,
        options: SyncOptions,
    ) -> Result<(), SyncError> {
        let (stop, mut aborted) = (CancellationSource::new(), options.abort.clone());
        let options = SyncOptions { abort: stop.token(), ..options };
        let mut attempts = pin!(self.attempt_until_done(context, &options));
        // The attempt ends by itself: dropped, it could not report how far it came.
        let error = tokio::select! {
            outcome = &mut attempts => return outcome,
            () = aborted.cancelled() => SyncError::Aborted,
            () = tokio::time::sleep(limit) => SyncError::Late { limit },
        };
        stop.cancel();
        match attempts.await {
            Err(SyncError::Aborted) => Err(error),
            outcome => outcome,
        }
    }

    async fn attempt_until_done(
        &mut self,
        context: &Context,
        options: &SyncOptions,
    ) -> Result<(), SyncError> {
        let (mut closed, mut aborted) = (context.closing.token(), options.abort.clone());
        loop {
            let Err(error) = self.attempt(context, options).await else { return Ok(()) };
            let Some(wait) = self.retry_delay(&error) else { return Err(error) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = closed.cancelled() => return Err(SyncError::Closed),
                () = aborted.cancelled() => return Err(SyncError::Aborted),
            }
        }
    }

    async fn run_session(&mut self, context: &Context, options: &SyncOptions) -> Result<(), SyncError> {
        context.ensure_open()?;
        if !self.strategy_applied {
            let (mut aborted, mut closed) = (options.abort.clone(), context.closing.token());
            tokio::select! {
                applied = context.apply_strategy(&self.result.shard) => applied?,
                () = aborted.cancelled() => return Err(SyncError::Aborted),
                () = closed.cancelled() => return Err(SyncError::Closed),
            }
            self.strategy_applied = true;
        }
        let SyncResult { shard, address, .. } = &self.result;
        let (mut report, outcome) = Initiator { context, shard, address, options, live: false }.run().await;
        self.stream_closed = report.stream_closed.take();
        self.note(&report);
        outcome
    }

    fn note(&mut self, report: &AttemptReport) {
        self.strategy = report.report.strategy.or(self.strategy);
        self.both_empty =
            report.report.both_empty && report.report.rows_applied + report.report.rows_sent == 0;
        self.result.add(report);
    }

    /// Adds the conflicts of the shard. Skips the database if the strategy resolves them all.
    async fn complete(&mut self, context: &Context) -> Result<(), SyncError> {
        let of = self.result.shard.clone();
        let strategy = match self.strategy {
            Some(strategy) => strategy,
            None => context.blocking(move |db| db.strategy(&of)).await?,
        };
        if strategy == Strategy::Manual {
            let of = self.result.shard.clone();
            self.result.conflicts_unresolved =
                context.blocking(move |db| db.pending_conflicts(Some(&of))).await?;
        } else {
            self.result.conflicts_resolved = self.result.conflicts_detected;
        }
        if self.result.is_success() && self.both_empty {
            let shards = context.blocking(VectrDB::shards).await?;
            self.warn_if_empty(&shards);
        }
        Ok(())
    }

    fn warn_if_empty(&mut self, shards: &[ShardId]) {
        let shard = &self.result.shard;
        let others: Vec<&str> =
            shards.iter().filter(|other| *other != shard).map(ShardId::as_str).take(5).collect();
        if !others.is_empty() {
            let listed = others.join("', '");
            self.result.warn(format!("shard '{shard}' is empty on both nodes; this database has '{listed}'"));
        }
    }
}

impl SyncResult {
    fn add(&mut self, report: &AttemptReport) {
        self.fallback |= report.fallback;
        self.changes_sent += report.report.rows_sent;
        self.changes_received += report.report.rows_received;
        self.changes_applied += report.report.rows_applied;
        self.vectors_repaired += report.report.rows_repaired;
        self.conflicts_detected += report.report.conflicts;
        self.bytes_sent += report.bytes_sent;
        self.bytes_received += report.bytes_received;
        for warning in &report.report.warnings {
            self.warn(warning.to_string());
        }
        if report.report.digests_differ {
            self.warn(
                "both nodes report the same changes but have different content, which a repair did not end: one of the \
                 files is damaged, and `vectr verify` says where"
                    .into(),
            );
        }
    }
}

/// How long a sync that took too long waits for the database to say which conflicts are left.
const LATE_PATIENCE: Duration = Duration::from_millis(250);
