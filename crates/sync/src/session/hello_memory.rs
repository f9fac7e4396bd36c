use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vectr_delta::{Fingerprint, KnownHellos, Session, ShardId};

/// The last Hellos exchanged with each peer about each shard of many sites, as long as the engine lives.
#[derive(Default)]
pub(crate) struct HelloMemory(Mutex<HashMap<(ShardId, Fingerprint), KnownHellos>>);

impl HelloMemory {
    pub(crate) fn of(&self, shard: &ShardId, peer: Fingerprint) -> Option<KnownHellos> {
        self.lock().get(&(shard.clone(), peer)).cloned()
    }

    /// Remembers those of a session whose handshake is complete. After one that has ended without, nothing is known: the
    /// peer may run another build now.
    pub(crate) fn note(&self, shard: &ShardId, session: &Session) {
        let key = (shard.clone(), session.peer_fingerprint());
        let known = session.known_hellos();
        let mut memory = self.lock();
        memory.remove(&key);
        let Some(known) = known else { return };
        let entries = memory.values().map(KnownHellos::entries).sum::<usize>() + known.entries();
        if entries > MOST_ENTRIES {
            memory.clear();
        }
        memory.insert(key, known);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(ShardId, Fingerprint), KnownHellos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most entries of all version vectors in memory: 64 MiB.
const MOST_ENTRIES: usize = 1 << 22;
