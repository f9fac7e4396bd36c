use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use vectr_delta::{ChangeId, CommitNo, Page, ShardVersion, StoreReply};

use crate::feed::shard_feed::{Place, ShardFeed};

/// A live session's seat at the feed of its shard.
pub(crate) struct Seat {
    feed: Arc<ShardFeed>,
    number: u64,
}

impl Seat {
    pub(super) fn take(feed: Arc<ShardFeed>) -> Self {
        let number = feed.sit_down();
        Self { feed, number }
    }

    /// Has the session hear of the first transaction behind `place` that changes what a page tells.
    pub(crate) fn await_commit(&self, place: Place, session: &UnboundedSender<StoreReply>) {
        self.feed.await_commit(self.number, place, session);
    }

    /// What follows `after`, if the feed has it: see [`Feed::page`](vectr_delta::Feed::page).
    pub(crate) fn page(
        &self,
        after: ChangeId,
        since: CommitNo,
        filter: Option<&ShardVersion>,
    ) -> Option<Page> {
        self.feed.page(after, since, filter)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feed.stand_up(self.number);
    }
}
