use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::{Applied, Session, ShardId};

use crate::engine::status::Busy;
use crate::engine::sync_engine::Engine;
use crate::engine::totals::{Tally, Verdict};
use crate::session::shard_store::Answer;
use crate::session::wire::Traffic;
use crate::{SyncError, SyncEvent, SyncFailure, SyncProgress};

/// Watches one session, and tells of it: the caller of the sync, those who listen to the engine, the shard's status.
pub(crate) struct Observer<'e> {
    engine: &'e Engine,
    shard: &'e ShardId,
    address: &'e str,
    progress: Option<&'e (dyn Fn(SyncProgress) + Send + Sync)>,
    told: SyncProgress,
    busy: Option<Busy<'e>>,
    online: bool,
    noted: Option<Instant>,
    /// Whether a live session has been at rest.
    rested: bool,
    tally: Tally,
}

impl<'e> Observer<'e> {
    pub(crate) fn new(
        engine: &'e Engine,
        shard: &'e ShardId,
        address: &'e str,
        progress: Option<&'e (dyn Fn(SyncProgress) + Send + Sync)>,
    ) -> Self {
        let busy = Some(engine.activity.begin(shard));
        Self {
            engine,
            shard,
            address,
            progress,
            told: SyncProgress::default(),
            busy,
            online: false,
            noted: None,
            rested: false,
            tally: Tally::new(&engine.totals, shard),
        }
    }

    /// Looks at the session after each of its steps.
    pub(crate) fn look(&mut self, session: &Session, traffic: &Traffic) {
        self.tell_progress(session, traffic);
        self.tally.count(session.report(), traffic);
        if !session.is_live() {
            return;
        }
        if !self.online && session.is_met() {
            self.online = true;
            self.tell_peer(true, None);
        }
        match (session.is_settled(), self.busy.is_some()) {
            (true, true) => {
                self.busy = None;
                self.rested = true;
                self.conclude(session);
            }
            (false, false) => self.busy = Some(self.engine.activity.begin(self.shard)),
            _ => {}
        }
    }

    /// Hears what storage did for the session.
    pub(crate) fn hear(&self, answer: &Answer) {
        let Some(applied) = answer.applied() else { return };
        if let Some(span) = answer.changes {
            self.engine.events.tell(&SyncEvent::Change {
                shard: self.shard.clone(),
                address: self.address.to_owned(),
                changes: applied.changed,
                after: span.after,
                to: span.to,
            });
        }
        if applied.conflicts > 0 && self.engine.events.is_heard() {
            self.tell_conflicts(applied);
        }
    }

    /// The session is over. Its last bytes are still to be counted.
    pub(crate) fn finish(self, session: &Session, outcome: &Result<(), SyncError>) -> Tally {
        let reason = match outcome {
            Ok(()) | Err(SyncError::Aborted | SyncError::Closed) => None,
            Err(error) => Some(SyncFailure::from(error)),
        };
        if self.online {
            self.tell_peer(false, reason);
        }
        self.engine.note_peer(self.shard, session);
        self.tally.conclude(match outcome {
            Ok(()) => Verdict::Finished,
            Err(_) if self.rested => Verdict::Ended,
            Err(_) => Verdict::Failed,
        });
        self.tally
    }

    /// Whether a live session has come up, and so proved that the peer can be reached.
    pub(crate) const fn was_online(&self) -> bool {
        self.online
    }

    fn tell_progress(&mut self, session: &Session, traffic: &Traffic) {
        let report = session.report();
        if (report.rows_sent, report.rows_applied) == (self.told.sent, self.told.received) {
            return;
        }
        self.told = SyncProgress {
            sent: report.rows_sent,
            received: report.rows_applied,
            bytes: traffic.sent() + traffic.received(),
        };
        if let Some(tell) = self.progress {
            tell(self.told);
        }
        self.engine.events.tell(&SyncEvent::Progress {
            shard: self.shard.clone(),
            address: self.address.to_owned(),
            progress: self.told,
        });
    }

    /// Each commit settles a live session anew; the file need not hear of all of them.
    fn conclude(&mut self, session: &Session) {
        let now = Instant::now();
        if self.noted.is_none_or(|noted| now - noted > NOTE_INTERVAL) {
            self.noted = Some(now);
            self.engine.note_peer(self.shard, session);
            return self.engine.conclude(self.shard, true);
        }
        self.engine.activity.conclude(self.shard, Some(self.engine.db.now()));
    }

    fn tell_peer(&self, online: bool, reason: Option<SyncFailure>) {
        self.engine.events.tell(&SyncEvent::Peer {
            shard: self.shard.clone(),
            address: self.address.to_owned(),
            online,
            reason,
        });
    }

    /// The strategy is asked for at that moment: a live session may outlast it.
    fn tell_conflicts(&self, applied: &Applied) {
        let (db, events) = (self.engine.db.clone(), std::sync::Arc::clone(&self.engine.events));
        let (shard, address) = (self.shard.clone(), self.address.to_owned());
        let (detected, vectors) = (applied.conflicts, applied.conflicted.clone());
        tokio::task::spawn_blocking(move || {
            // A database that was closed in the meantime has nobody to tell.
            let Ok(strategy) = db.strategy(&shard) else { return };
            let resolved = strategy != vectr_delta::Strategy::Manual;
            events.tell(&SyncEvent::Conflict { shard, address, detected, resolved, strategy, vectors });
        });
    }
}

const NOTE_INTERVAL: Duration = Duration::from_secs(10);
