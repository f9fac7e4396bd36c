use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vectr_delta::Timestamp;

use crate::storage::versions::ShardVersions;

/// The version vectors of shards in memory, shared by the writer and all readers of a file.
///
/// They are found by the moment in which the shard's row was written, as the transaction of whoever asks sees it: each
/// commit has a later one. So nobody gets those of another transaction, and nobody who is missing here reads anything but
/// the file.
#[derive(Default)]
pub(crate) struct VersionCache(Mutex<Shards>);

#[derive(Default)]
struct Shards {
    known: HashMap<i64, Known>,
    /// Those of which something is announced.
    announced: Vec<i64>,
}

#[derive(Default)]
struct Known {
    committed: Option<(Timestamp, ShardVersions)>,
    /// Of a transaction that may be visible at any moment, or be rolled back.
    announced: Option<(Timestamp, ShardVersions)>,
}

impl VersionCache {
    /// Those of a shard whose row was written at `stored_at`.
    pub(crate) fn find(&self, shard: i64, stored_at: Timestamp) -> Option<ShardVersions> {
        let cache = self.lock();
        let known = cache.known.get(&shard)?;
        let mut both = [&known.committed, &known.announced].into_iter().flatten();
        both.find(|(at, _)| *at == stored_at).map(|(_, versions)| versions.clone())
    }

    /// Keeps what a transaction has read, unless a later one is known.
    pub(crate) fn keep(&self, shard: i64, stored_at: Timestamp, versions: &ShardVersions) {
        let mut cache = self.lock();
        if cache.known.len() >= MOST_SHARDS && !cache.known.contains_key(&shard) {
            cache.known.retain(|_, known| known.announced.is_some());
        }
        let known = cache.known.entry(shard).or_default();
        if known.committed.as_ref().is_none_or(|(at, _)| *at < stored_at) {
            known.committed = Some((stored_at, versions.clone()));
        }
    }

    /// The writer is about to commit these.
    pub(crate) fn announce(&self, shard: i64, stored_at: Timestamp, versions: &ShardVersions) {
        let mut cache = self.lock();
        cache.known.entry(shard).or_default().announced = Some((stored_at, versions.clone()));
        cache.announced.push(shard);
    }

    /// What was announced is committed, or has been rolled back.
    pub(crate) fn settle(&self, committed: bool) {
        let mut cache = self.lock();
        for shard in std::mem::take(&mut cache.announced) {
            let Some(known) = cache.known.get_mut(&shard) else { continue };
            let announced = known.announced.take();
            if committed {
                known.committed = announced.or_else(|| known.committed.take());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shards> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_SHARDS: usize = 4_096;
