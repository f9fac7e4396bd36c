//! What is new in a shard, read once for all of its peers.

use std::collections::{BTreeMap, VecDeque};

use crate::{ChangeId, CommitNo, NodeName, Page, PageEnd, ShardVersion, Sibling, SiteId, VectorRow};

/// The pages behind a place in a shard's changelog, each of which was read once, by [`read_feed`](crate::read_feed). A session that has
/// come to that place or beyond takes its pages from here in place of reading them.
///
/// What holds:
/// - Each page begins where the one before it ends, all are of one site and have the same frontier, and none withholds a
///   row: what a peer is told of such rows differs from peer to peer.
/// - A row that is sent once more, because the session began in the middle of a page, is joined once more, which changes
///   nothing. So is one that a later page holds in a newer version.
/// - A session never goes back to an earlier transaction: a row that it has passed over, because a write had moved it to
///   the end of the changelog, would be claimed by the end of a page from before that write.
/// - Only the last page tells where the changelog ends: what is read before it is followed by more.
#[derive(Debug, Default)]
pub struct Feed {
    pages: VecDeque<FeedPage>,
    weight: usize,
}

#[derive(Debug)]
struct FeedPage {
    /// It was read after this change.
    after: ChangeId,
    page: Page,
    weight: usize,
}

impl Feed {
    /// Adds a page that [`read_feed`](crate::read_feed) has read after `after`, and drops the oldest ones until all together weigh
    /// `most` bytes or less. What does not follow the page before it takes the place of all.
    pub fn push(&mut self, after: ChangeId, page: Page, most: usize) {
        if self.pages.back().is_some_and(|last| !last.is_followed_by(after, &page)) {
            self.clear();
        }
        if !page.withheld.is_empty() {
            return self.clear();
        }
        let weight = weight_of(&page);
        self.weight += weight;
        self.pages.push_back(FeedPage { after, page, weight });
        while self.weight > most
            && let Some(oldest) = self.pages.pop_front()
        {
            self.weight -= oldest.weight;
        }
    }

    /// Drops all pages.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.weight = 0;
    }

    /// About how many bytes the pages take.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// The transaction in which the last page was read.
    #[must_use]
    pub fn commit_no(&self) -> Option<CommitNo> {
        self.pages.back().map(|last| last.page.commit_no)
    }

    /// What follows `after` for a peer that holds what `filter` covers; `None` where the session has to read for itself.
    /// `since`: the transaction in which the session has read its page before this one.
    ///
    /// The rows that the peer holds go along unless they weigh more than those that are news to it: what all are sent
    /// costs less than what each is sent.
    #[must_use]
    pub fn page(&self, after: ChangeId, since: CommitNo, filter: Option<&ShardVersion>) -> Option<Page> {
        let last = self.pages.back().filter(|last| last.page.commit_no >= since)?;
        if after == last.page.position {
            // All rows are there. What remains is what the last transaction claims.
            let end = last.page.end.as_ref()?;
            return Some(Page { end: Some(self.end(end, filter)), ..last.head() });
        }
        let at = self.pages.partition_point(|page| page.page.position <= after);
        let found =
            self.pages.get(at).filter(|found| found.after <= after && found.page.commit_no >= since)?;
        let is_last = at + 1 == self.pages.len();
        let end = found.page.end.as_ref().filter(|_| is_last).map(|end| self.end(end, filter));
        Some(Page { rows: found.rows_for(filter), end, ..found.head() })
    }

    /// The end of the last page, with the names that came with all of them: the ends of those before it are not told.
    fn end(&self, end: &PageEnd, filter: Option<&ShardVersion>) -> PageEnd {
        let ends = self.pages.iter().filter_map(|page| page.page.end.as_ref());
        let is_news =
            |site: &SiteId| filter.is_none_or(|filter| end.version_vector.seq(*site) > filter.seq(*site));
        let names: BTreeMap<SiteId, NodeName> = ends
            .flat_map(|end| &end.names)
            .filter(|(site, _)| is_news(site))
            .map(|(site, name)| (*site, name.clone()))
            .collect();
        PageEnd { names, ..end.clone() }
    }
}

impl FeedPage {
    fn is_followed_by(&self, after: ChangeId, page: &Page) -> bool {
        let same_life = self.page.site == page.site && self.page.frontier == page.frontier;
        same_life && after == self.page.position && page.commit_no >= self.page.commit_no
    }

    /// Everything but the rows and the end.
    fn head(&self) -> Page {
        Page {
            site: self.page.site,
            names: self.page.names.clone(),
            scanned: self.page.scanned,
            position: self.page.position,
            commit_no: self.page.commit_no,
            frontier: self.page.frontier.clone(),
            ..Page::default()
        }
    }

    fn rows_for(&self, filter: Option<&ShardVersion>) -> Vec<VectorRow> {
        let rows = &self.page.rows;
        let is_news = |entry: &&VectorRow| {
            let covers = |sibling: &Sibling| filter.is_some_and(|filter| filter.covers(sibling.dot()));
            !entry.row.siblings().iter().all(covers)
        };
        let news: Vec<&VectorRow> = rows.iter().filter(is_news).collect();
        let weight = |rows: &[&VectorRow]| rows.iter().map(|entry| entry.weight()).sum::<usize>();
        let all: usize = rows.iter().map(VectorRow::weight).sum();
        let is_shared = 2 * weight(&news) >= all && !news.is_empty();
        if is_shared { rows.clone() } else { news.into_iter().cloned().collect() }
    }
}

/// About how many bytes a page takes: with thousands of sites, most of them are its version vectors.
fn weight_of(page: &Page) -> usize {
    let rows: usize = page.rows.iter().map(VectorRow::weight).sum();
    let end = page.end.as_ref();
    let entries = page.frontier.len() + end.map_or(0, |end| end.version_vector.len());
    let names = page.names.len() + end.map_or(0, |end| end.names.len());
    ROOM_OF_A_PAGE + rows + ENTRY * entries + NAME * names
}

/// What a page takes in any case.
const ROOM_OF_A_PAGE: usize = 512;
/// A site and its newest sequence number.
const ENTRY: usize = 16;
/// A site with the name of its node.
const NAME: usize = 100;
