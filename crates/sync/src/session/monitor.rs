use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::{Applied, Session, ShardId, StoreReply};

use crate::context::Context;
use crate::engine::status::ActivityGuard;
use crate::engine::totals::{SessionCounter, SessionOutcome};

use crate::session::wire::Traffic;
use crate::{SyncError, SyncEvent, SyncFailure, SyncProgress};

/// Watches one session and reports to the caller, the engine's events, the shard's activity and the totals.
pub(crate) struct SessionMonitor<'e> {
    context: &'e Context,
    shard: &'e ShardId,
    address: &'e str,
    progress: Option<&'e (dyn Fn(SyncProgress) + Send + Sync)>,
    reported: SyncProgress,
    busy: Option<ActivityGuard<'e>>,
    online: bool,
    /// Whether the Hellos of a complete handshake were noted.
    greeted: bool,
    /// Whether the end of the session's repair was told.
    repair_told: bool,
    saved_at: Option<Instant>,
    /// Whether a live session has caught up at least once.
    rested: bool,
    counter: SessionCounter,
}

impl<'e> SessionMonitor<'e> {
    pub(crate) fn new(
        context: &'e Context,
        shard: &'e ShardId,
        address: &'e str,
        progress: Option<&'e (dyn Fn(SyncProgress) + Send + Sync)>,
    ) -> Self {
        let busy = Some(context.activity.begin(shard));
        Self {
            context,
            shard,
            address,
            progress,
            reported: SyncProgress::default(),
            busy,
            online: false,
            greeted: false,
            repair_told: false,
            saved_at: None,
            rested: false,
            counter: SessionCounter::new(&context.totals, shard),
        }
    }

    /// Called after each step of the session.
    pub(crate) fn on_step(&mut self, session: &Session, traffic: &Traffic) {
        self.emit_progress(session, traffic);
        self.counter.update(session.report(), traffic);
        if session.report().repairs > 0 && !session.is_repairing() {
            self.emit_repair(session);
        }
        // At once: the caller of a sync that has ended may begin the next one before this side has ended it.
        if !self.greeted && session.is_established() {
            self.greeted = true;
            self.context.hellos.note(self.shard, session);
        }
        if !session.is_live() {
            return;
        }
        if !self.online && session.is_established() {
            self.online = true;
            self.emit_peer(true, None);
        }
        match (session.is_settled(), self.busy.is_some()) {
            (true, true) => {
                self.busy = None;
                self.rested = true;
                self.record_success(session);
            }
            (false, false) => self.busy = Some(self.context.activity.begin(self.shard)),
            _ => {}
        }
    }

    /// Called for each reply of the storage.
    pub(crate) fn on_store_reply(&self, reply: &StoreReply) {
        let Some(applied) = reply.applied() else { return };
        if let Some(span) = reply.changes() {
            self.context.events.emit(&SyncEvent::Change {
                shard: self.shard.clone(),
                address: self.address.to_owned(),
                changes: applied.changed,
                after: span.after,
                to: span.to,
            });
        }
        if applied.conflicts > 0 && self.context.events.has_listeners() {
            self.emit_conflicts(applied);
        }
    }

    /// Called at the end of the session. The returned counter still lacks the last bytes.
    pub(crate) fn finish(mut self, session: &Session, outcome: &Result<(), SyncError>) -> SessionCounter {
        let reason = match outcome {
            Ok(()) | Err(SyncError::Aborted | SyncError::Closed) => None,
            Err(error) => Some(SyncFailure::from(error)),
        };
        if self.online {
            self.emit_peer(false, reason);
        }
        if !self.greeted {
            self.context.hellos.note(self.shard, session);
        }
        // What a repair that was cut short has brought back stays.
        if session.report().rows_repaired > 0 {
            self.emit_repair(session);
        }
        self.context.note_repair(self.shard, session);
        self.context.save_peer_progress(self.shard, session);
        self.counter.record_end(match outcome {
            Ok(()) => SessionOutcome::Finished,
            Err(_) if self.rested => SessionOutcome::Ended,
            Err(_) => SessionOutcome::Failed,
        });
        self.counter
    }

    /// Whether a live session was established, which proves that the peer is reachable.
    pub(crate) const fn was_online(&self) -> bool {
        self.online
    }

    fn emit_progress(&mut self, session: &Session, traffic: &Traffic) {
        let report = session.report();
        if (report.rows_sent, report.rows_applied) == (self.reported.sent, self.reported.received) {
            return;
        }
        self.reported = SyncProgress {
            sent: report.rows_sent,
            total: report.rows_to_send,
            received: report.rows_applied,
            bytes: traffic.sent() + traffic.received(),
        };
        if let Some(emit) = self.progress {
            emit(self.reported);
        }
        self.context.events.emit(&SyncEvent::Progress {
            shard: self.shard.clone(),
            address: self.address.to_owned(),
            progress: self.reported,
        });
    }

    fn emit_repair(&mut self, session: &Session) {
        if std::mem::replace(&mut self.repair_told, true) {
            return;
        }
        let report = session.report();
        self.context.events.emit(&SyncEvent::Repair {
            shard: self.shard.clone(),
            address: self.address.to_owned(),
            repaired: report.rows_repaired,
            damaged: report.rows_damaged,
            differs: report.digests_differ,
        });
    }

    /// A live session catches up after each commit; write that to the file once per `SAVE_INTERVAL`.
    fn record_success(&mut self, session: &Session) {
        let now = Instant::now();
        if self.saved_at.is_none_or(|saved_at| now - saved_at > SAVE_INTERVAL) {
            self.saved_at = Some(now);
            self.context.save_peer_progress(self.shard, session);
            return self.context.record_outcome(self.shard, true);
        }
        self.context.activity.record_outcome(self.shard, Some(self.context.db.now()));
    }

    fn emit_peer(&self, online: bool, reason: Option<SyncFailure>) {
        self.context.events.emit(&SyncEvent::Peer {
            shard: self.shard.clone(),
            address: self.address.to_owned(),
            online,
            reason,
        });
    }

    /// Reads the current strategy, which may have changed since the live session began.
    fn emit_conflicts(&self, applied: &Applied) {
        let (db, events) = (self.context.db.clone(), std::sync::Arc::clone(&self.context.events));
        let (shard, address) = (self.shard.clone(), self.address.to_owned());
        let (detected, vectors) = (applied.conflicts, applied.conflicted.clone());
        tokio::task::spawn_blocking(move || {
            // The database was closed in the meantime.
            let Ok(strategy) = db.strategy(&shard) else { return };
            let resolved = strategy != vectr_delta::Strategy::Manual;
            events.emit(&SyncEvent::Conflict { shard, address, detected, resolved, strategy, vectors });
        });
    }
}

const SAVE_INTERVAL: Duration = Duration::from_secs(10);
