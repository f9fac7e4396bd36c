use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use vectr_delta::{Fingerprint, RepairRest, Session, SessionReport, ShardId, VectorId};

use crate::limits::bounds::{MAX_REMEMBERED, MAX_REPAIRS, REPAIR_PERIOD};

/// The repairs of the last hour with each peer about each shard, as long as the engine lives. A repair reads all rows, so
/// one that was in vain is not made again at once, and no peer has more than a few made.
#[derive(Default)]
pub(crate) struct RepairMemory(Mutex<HashMap<Key, Lately>>);

type Key = (ShardId, Fingerprint);

struct Lately {
    since: Instant,
    /// Those begun.
    repairs: u32,
    is_running: bool,
    /// What the last one has left damaged, if it has brought back nothing.
    vain: Option<Vain>,
}

struct Vain {
    alterations: u64,
    damaged: u64,
    named: Vec<VectorId>,
}

impl RepairMemory {
    /// What the next session is to leave out of its Hello.
    pub(crate) fn rest(&self, shard: &ShardId, peer: Fingerprint, now: Instant) -> RepairRest {
        match self.lock().get(&(shard.clone(), peer)).filter(|lately| lately.counts(now)) {
            Some(lately) if lately.repairs >= MAX_REPAIRS => RepairRest::Repairs,
            Some(Lately { vain: Some(Vain { alterations, damaged, .. }), .. }) => {
                RepairRest::Damage { alterations: *alterations, damaged: *damaged }
            }
            _ => RepairRest::Nothing,
        }
    }

    /// Counts a repair of a session that begins to read rows for it. The reason to refuse it: another one runs, or there
    /// were too many lately, which several sessions at a time could begin.
    pub(crate) fn begin(
        self: &Arc<Self>,
        shard: &ShardId,
        peer: Fingerprint,
        now: Instant,
    ) -> Result<RunningRepair, String> {
        let key = (shard.clone(), peer);
        let mut memory = self.lock();
        let lately = remembered(&mut memory, &key, now);
        if lately.is_running {
            return Err(format!("shard '{shard}' is being compared with peer {peer} in another session"));
        }
        if lately.repairs >= MAX_REPAIRS {
            return Err(format!(
                "shard '{shard}' was compared with peer {peer} {MAX_REPAIRS} times within an hour"
            ));
        }
        lately.repairs += 1;
        lately.is_running = true;
        drop(memory);
        Ok(RunningRepair { memory: Arc::clone(self), key })
    }

    /// Remembers the repair of a session that has ended.
    pub(crate) fn note(&self, shard: &ShardId, session: &Session, now: Instant) {
        if session.report().repairs > 0 {
            self.note_repair(&(shard.clone(), session.peer_fingerprint()), session.report(), now);
        }
    }

    /// The rows whose damage a session with this peer has left out of its Hello, as far as they are known by name.
    pub(crate) fn known_damage(&self, shard: &ShardId, session: &Session) -> Vec<VectorId> {
        let key = (shard.clone(), session.peer_fingerprint());
        let rests = session.report().repairs == 0;
        let memory = self.lock();
        let vain = memory.get(&key).filter(|_| rests).and_then(|lately| lately.vain.as_ref());
        vain.map_or_else(Vec::new, |vain| vain.named.clone())
    }

    /// A row that was damaged is no longer: the next session with each peer repairs what is left.
    pub(crate) fn forget_damage(&self, shard: &ShardId) {
        for (_, lately) in self.lock().iter_mut().filter(|((of, _), _)| of == shard) {
            lately.vain = None;
        }
    }

    fn note_repair(&self, key: &Key, report: &SessionReport, now: Instant) {
        remembered(&mut self.lock(), key, now).vain = (report.rows_damaged > 0 && report.rows_repaired == 0)
            .then(|| Vain {
                alterations: report.alterations,
                damaged: report.rows_damaged,
                named: report.damaged.clone(),
            });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Lately>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lately {
    fn counts(&self, now: Instant) -> bool {
        self.is_running || now.saturating_duration_since(self.since) < REPAIR_PERIOD
    }
}

/// What is remembered of `key`, which pushes out what is oldest.
fn remembered<'m>(memory: &'m mut HashMap<Key, Lately>, key: &Key, now: Instant) -> &'m mut Lately {
    memory.retain(|_, lately| lately.counts(now));
    if !memory.contains_key(key) && memory.len() >= MAX_REMEMBERED {
        let ended = memory.iter().filter(|(_, lately)| !lately.is_running);
        let oldest = ended.min_by_key(|(_, lately)| lately.since).map(|(key, _)| key.clone());
        oldest.map(|oldest| memory.remove(&oldest));
    }
    memory.entry(key.clone()).or_insert(Lately { since: now, repairs: 0, is_running: false, vain: None })
}

/// A repair that reads rows, until it is dropped: before the peer hears of its end, and may begin another one.
pub(crate) struct RunningRepair {
    memory: Arc<RepairMemory>,
    key: Key,
}

impl Drop for RunningRepair {
    fn drop(&mut self) {
        if let Some(lately) = self.memory.lock().get_mut(&self.key) {
            lately.is_running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(peer: u8) -> Key {
        (ShardId::new("s").unwrap(), Fingerprint::new([peer; 32]))
    }

    fn report(repaired: u64, damaged: u64) -> SessionReport {
        SessionReport {
            repairs: 1,
            rows_repaired: repaired,
            rows_damaged: damaged,
            alterations: 7,
            ..SessionReport::default()
        }
    }

    fn rest(memory: &RepairMemory, peer: u8, now: Instant) -> RepairRest {
        let (shard, peer) = key(peer);
        memory.rest(&shard, peer, now)
    }

    #[test]
    fn damage_that_a_peer_could_not_repair_is_not_told_it_for_an_hour() {
        let (memory, now) = (RepairMemory::default(), Instant::now());
        memory.note_repair(&key(1), &report(0, 3), now);
        let damage = RepairRest::Damage { alterations: 7, damaged: 3 };
        assert_eq!((rest(&memory, 1, now), rest(&memory, 2, now)), (damage, RepairRest::Nothing));
        assert_eq!(rest(&memory, 1, now + REPAIR_PERIOD), RepairRest::Nothing);
        memory.forget_damage(&key(1).0);
        assert_eq!(rest(&memory, 1, now), RepairRest::Nothing);
        // One that has brought something back may bring back more.
        memory.note_repair(&key(3), &report(1, 3), now);
        assert_eq!(rest(&memory, 3, now), RepairRest::Nothing);
    }

    #[test]
    fn a_peer_has_a_shard_compared_a_few_times_an_hour() {
        let (memory, now) = (Arc::<RepairMemory>::default(), Instant::now());
        let begin = |peer, now| {
            let (shard, peer) = key(peer);
            memory.begin(&shard, peer, now)
        };
        for _ in 0..MAX_REPAIRS {
            assert_eq!(rest(&memory, 1, now), RepairRest::Nothing);
            drop(begin(1, now).unwrap());
        }
        assert_eq!(
            (rest(&memory, 1, now), rest(&memory, 2, now)),
            (RepairRest::Repairs, RepairRest::Nothing)
        );
        assert!(begin(1, now).is_err() && begin(2, now).is_ok());
        assert_eq!(rest(&memory, 1, now + REPAIR_PERIOD), RepairRest::Nothing);
        assert!(begin(1, now + REPAIR_PERIOD).is_ok());
    }

    // A repair counted once it had ended: any number of sessions could read all rows at a time.
    #[test]
    fn one_repair_of_a_shard_with_a_peer_runs_at_a_time() {
        let (memory, now) = (Arc::<RepairMemory>::default(), Instant::now());
        let (shard, peer) = key(1);
        let running = memory.begin(&shard, peer, now).unwrap();
        assert!(memory.begin(&shard, peer, now).is_err_and(|reason| reason.contains("another session")));
        assert!(memory.begin(&shard, key(2).1, now).is_ok());
        drop(running);
        assert!(memory.begin(&shard, peer, now).is_ok());
    }
}
