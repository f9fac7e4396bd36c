//! The feeds of a node: pages that were read once, for all of its sessions.

use std::sync::Arc;

use vectr_delta::{ChangeId, Feed, Page, PageSize, ShardVersion, read_feed, read_page};

use crate::fault::Fault;
use crate::node::Place;
use crate::strike::Strike;
use crate::world::World;

/// The feed of one shard, in the memory of a process.
#[derive(Debug, Default)]
pub(crate) struct ShardFeed {
    feed: Feed,
    /// How far it has read, and whose sites it has named, once a session has been there.
    place: Option<(ChangeId, ShardVersion)>,
}

impl World {
    /// What follows `after`, from the feed of the shard or read for the session alone.
    pub(crate) fn page(
        &mut self,
        from: Place,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        size: PageSize,
    ) -> Page {
        let link = &self.links[from.link];
        let (node, shard, read_at) = (link.ends[from.side].node, link.shard, link.ends[from.side].read_at);
        self.read_on(node, shard, size);
        let since = if self.fault == Some(Fault::FeedGoesBack) { read_at.map(|_| 0) } else { read_at };
        let feed = &self.nodes[node].feeds.entry(shard).or_default().feed;
        let shared = since.and_then(|since| feed.page(after, since, filter));
        let page = shared.map(|page| self.shared(node, shard, page));
        let page = page.unwrap_or_else(|| self.read_alone(node, shard, after, filter, size));
        self.links[from.link].ends[from.side].read_at = Some(page.commit_no);
        page
    }

    fn read_alone(
        &mut self,
        node: usize,
        shard: usize,
        after: ChangeId,
        filter: Option<&ShardVersion>,
        size: PageSize,
    ) -> Page {
        let database = self.nodes[node].store.current();
        let page = read_page(&database.read(shard), after, filter, size);
        let mut page = page.expect("a snapshot reads without errors");
        page.commit_no = self.leaving_commit(node);
        let feed = self.nodes[node].feeds.entry(shard).or_default();
        if let Some(end) = page.end.as_ref().filter(|_| feed.place.is_none()) {
            feed.place = Some((page.position, end.version_vector.clone()));
        }
        page
    }

    /// The feed hears of commits at any time, and has read some or all of what is new.
    fn read_on(&mut self, node: usize, shard: usize, size: PageSize) {
        let most = self.random.between(1_000, 8_000) as usize;
        if self.random.one_in(GONE) {
            self.nodes[node].feeds.remove(&shard);
        }
        let mut pages = self.random.below(4);
        let database = Arc::clone(self.nodes[node].store.current());
        while pages > 0
            && let Some(ShardFeed { feed, place: Some((after, known)) }) =
                self.nodes[node].feeds.get_mut(&shard)
        {
            let is_passed = self.fault == Some(Fault::FeedPassesOver) && self.random.one_in(2);
            let from = if is_passed { (*after + 1).min(database.last_change) } else { *after };
            let mut page =
                read_feed(&database.read(shard), from, known, size).expect("a snapshot reads without errors");
            page.commit_no = database.commit_no;
            pages = if page.end.is_some() { 0 } else { pages - 1 };
            if let Some(end) = &page.end {
                known.clone_from(&end.version_vector);
            }
            let read_after = std::mem::replace(after, page.position);
            feed.push(read_after, page, most);
        }
    }

    fn shared(&mut self, node: usize, shard: usize, mut page: Page) -> Page {
        let database = self.nodes[node].store.current();
        self.struck.count(Strike::Shared);
        if page.commit_no < self.nodes[node].store.head(shard) {
            self.struck.count(Strike::SharedLate);
        }
        match (self.fault, &mut page.end) {
            (Some(Fault::FeedClaimsMore), Some(end)) => {
                let state = &database.shards[shard].state;
                (end.version_vector, end.digest) = (state.version_vector.clone(), state.digest);
                end.tight = state.is_tight();
            }
            (Some(Fault::FeedWithoutBarrier), None) => page.commit_no = 0,
            (Some(Fault::BarrierOfLocalChanges), _) => {
                page.commit_no = page.commit_no.min(database.own_commit);
            }
            _ => {}
        }
        page
    }
}

/// A feed ends before one page in this many, as if its last session had.
const GONE: u64 = 30;
