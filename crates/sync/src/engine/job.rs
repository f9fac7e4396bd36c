use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use vectr_core::VectrDB;
use vectr_delta::{ShardId, Strategy};

use crate::engine::retry::Retries;
use crate::engine::sync_engine::Engine;
use crate::result::SyncFailure;
use crate::session::initiator::{Attempt, Tried};
use crate::{SyncError, SyncOptions, SyncResult};

/// One sync of a shard with a peer, over all its attempts. Whoever makes them decides when.
pub(crate) struct Effort {
    result: SyncResult,
    retries: Retries,
    is_strategy_kept: bool,
    /// What the last session showed of the shard.
    strategy: Option<Strategy>,
    both_empty: bool,
    farewell: Option<oneshot::Receiver<()>>,
}

impl Effort {
    pub(crate) fn new(engine: &Engine, shard: ShardId, address: String) -> Self {
        Self {
            result: SyncResult::new(shard, address),
            retries: Retries::new(&engine.config),
            is_strategy_kept: false,
            strategy: None,
            both_empty: false,
            farewell: None,
        }
    }

    /// Tries once.
    pub(crate) async fn attempt(&mut self, engine: &Engine, options: &SyncOptions) -> Result<(), SyncError> {
        let started = Instant::now();
        self.result.attempts += 1;
        let outcome = self.run_session(engine, options).await;
        self.result.duration += started.elapsed();
        outcome
    }

    /// Waits until the peer sees the last attempt's stream ended, or a bounded time is over.
    pub(crate) async fn farewell(&mut self) {
        if let Some(farewell) = self.farewell.take() {
            // Nothing is ever sent: the end of the channel is the end of the stream.
            let _ = farewell.await;
        }
    }

    /// Counts an attempt that reached nobody.
    pub(crate) fn miss(&mut self, took: Duration) {
        self.result.attempts += 1;
        self.result.duration += took;
    }

    /// How long to wait before trying again; `None`: not at all.
    pub(crate) fn wait_after(&mut self, error: &SyncError) -> Option<Duration> {
        self.retries.after(error)
    }

    /// Notes how it ended, and says what was done.
    ///
    /// # Errors
    /// `ERR_CLOSED` and `ERR_ABORTED`, where that is what ended it. Whatever else went wrong stands in the result.
    pub(crate) async fn conclude(
        mut self,
        engine: &Engine,
        outcome: Result<(), SyncError>,
    ) -> Result<SyncResult, SyncError> {
        engine.conclude(&self.result.shard, outcome.is_ok());
        match &outcome {
            Err(SyncError::Closed | SyncError::Aborted) => outcome?,
            Err(error) => {
                let SyncResult { shard, address, .. } = &self.result;
                self.result.failure = Some(engine.tell_failure(shard, address, error));
            }
            Ok(()) => {}
        }
        if let Err(error) = self.complete(engine).await {
            self.result.failure.get_or_insert_with(|| SyncFailure::from(&error));
        }
        Ok(self.result)
    }

    pub(crate) fn shard(&self) -> &ShardId {
        &self.result.shard
    }

    async fn run_session(&mut self, engine: &Engine, options: &SyncOptions) -> Result<(), SyncError> {
        engine.ensure_open()?;
        if !self.is_strategy_kept {
            engine.adopt_strategy(&self.result.shard).await?;
            self.is_strategy_kept = true;
        }
        let SyncResult { shard, address, .. } = &self.result;
        let (mut tried, outcome) = Attempt { engine, shard, address, options, live: false }.run().await;
        self.farewell = tried.farewell.take();
        self.note(&tried);
        outcome
    }

    fn note(&mut self, tried: &Tried) {
        self.strategy = tried.report.strategy.or(self.strategy);
        self.both_empty = tried.report.both_empty && tried.report.rows_applied + tried.report.rows_sent == 0;
        self.result.add(tried);
    }

    /// Adds what only the database knows. After a success under a strategy that settles all, there is nothing to ask.
    async fn complete(&mut self, engine: &Engine) -> Result<(), SyncError> {
        let of = self.result.shard.clone();
        let strategy = match self.strategy {
            Some(strategy) => strategy,
            None => engine.blocking(move |db| db.strategy(&of)).await?,
        };
        if strategy == Strategy::Manual {
            let of = self.result.shard.clone();
            self.result.conflicts_unresolved =
                engine.blocking(move |db| db.pending_conflicts(Some(&of))).await?;
        } else {
            self.result.conflicts_resolved = self.result.conflicts_detected;
        }
        if self.result.is_success() && self.both_empty {
            let shards = engine.blocking(VectrDB::shards).await?;
            self.warn_of_emptiness(&shards);
        }
        Ok(())
    }

    fn warn_of_emptiness(&mut self, shards: &[ShardId]) {
        let shard = &self.result.shard;
        let others: Vec<&str> =
            shards.iter().filter(|other| *other != shard).map(ShardId::as_str).take(5).collect();
        if !others.is_empty() {
            let listed = others.join("', '");
            self.result
                .warn(format!("shard '{shard}' is empty on both nodes; this database holds '{listed}'"));
        }
    }
}

impl SyncResult {
    fn add(&mut self, tried: &Tried) {
        self.fallback |= tried.fallback;
        self.changes_sent += tried.report.rows_sent;
        self.changes_received += tried.report.rows_received;
        self.changes_applied += tried.report.rows_applied;
        self.conflicts_detected += tried.report.conflicts;
        self.bytes_sent += tried.bytes_sent;
        self.bytes_received += tried.bytes_received;
        for warning in &tried.report.warnings {
            self.warn(warning.to_string());
        }
        if tried.report.digests_differ {
            self.warn(
                "both nodes claim the same changes and hold different content: one of the files is damaged"
                    .into(),
            );
        }
    }
}
