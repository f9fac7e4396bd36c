use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use vectr_core::VectrDB;
use vectr_delta::{PageSize, ShardId};

use crate::feed::seat::Seat;
use crate::feed::shard_feed::ShardFeed;
use crate::feed::statistics::FeedStatistics;

/// The feeds of an engine: one for each shard that has a live session.
#[derive(Default)]
pub(crate) struct Feeds {
    by_shard: Mutex<HashMap<ShardId, Weak<ShardFeed>>>,
    /// What the pages of all of them weigh.
    weight: Arc<AtomicUsize>,
}

impl Feeds {
    /// A seat at the feed of a shard, for a session that is live.
    pub(crate) fn seat(&self, db: &VectrDB, shard: &ShardId, size: PageSize) -> Seat {
        let mut feeds = self.by_shard();
        if let Some(feed) = feeds.get(shard).and_then(Weak::upgrade) {
            return Seat::take(feed);
        }
        let feed = ShardFeed::new(db, shard, size, Arc::clone(&self.weight));
        feeds.retain(|_, feed| feed.strong_count() > 0);
        feeds.insert(shard.clone(), Arc::downgrade(&feed));
        Seat::take(feed)
    }

    /// Of each shard that has a live session.
    pub(crate) fn statistics(&self) -> BTreeMap<ShardId, FeedStatistics> {
        let feeds = self.by_shard();
        let live = feeds.iter().filter_map(|(shard, feed)| Some((shard.clone(), feed.upgrade()?)));
        let live: Vec<(ShardId, Arc<ShardFeed>)> = live.collect();
        // The last handle to a feed may be one of these: it is dropped without the lock.
        drop(feeds);
        live.into_iter().map(|(shard, feed)| (shard, feed.statistics())).collect()
    }

    fn by_shard(&self) -> MutexGuard<'_, HashMap<ShardId, Weak<ShardFeed>>> {
        self.by_shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
