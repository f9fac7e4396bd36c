use std::sync::{Mutex, MutexGuard, PoisonError};

use vectr_delta::{Fingerprint, KnownHellos, RecentVersions, Session, ShardId};

use crate::limits::bounds::MAX_HELLO_ENTRIES;

/// The last Hellos exchanged with each peer about each shard of many sites, as long as the engine lives.
pub(crate) struct HelloMemory(Mutex<Hellos>);

type Hellos = RecentVersions<(ShardId, Fingerprint), KnownHellos>;

impl HelloMemory {
    pub(crate) fn of(&self, shard: &ShardId, peer: Fingerprint) -> Option<KnownHellos> {
        self.lock().get(&(shard.clone(), peer)).cloned()
    }

    /// Remembers those of a session whose handshake is complete. After one that has ended without, nothing is known: the
    /// peer may run another build now.
    pub(crate) fn note(&self, shard: &ShardId, session: &Session) {
        let key = (shard.clone(), session.peer_fingerprint());
        let mut memory = self.lock();
        match session.known_hellos() {
            Some(known) => memory.put(key, known),
            None => drop(memory.take(&key)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hellos> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for HelloMemory {
    fn default() -> Self {
        Self(Mutex::new(RecentVersions::new(MAX_HELLO_ENTRIES)))
    }
}
