//! A feed against the changelog that its pages were read from.

use std::collections::BTreeMap;

use vectr_delta::{
    ChangeId, Digest, Dot, Feed, NodeName, Page, PageEnd, Row, ShardVersion, Sibling, SiteId, Timestamp,
    VectorId, VectorRow, VersionVector, Withheld,
};

use crate::support::draw::Draw;

#[test]
fn who_follows_a_feed_gets_all_that_is_news_and_no_claim_beyond_it() {
    for seed in 0..SEEDS {
        let mut draw = Draw::new(seed);
        let mut log = Changelog::default();
        let mut feed = Feed::default();
        let (mut after, most) = (0, 600 + draw.index(6_000));
        for _ in 0..draw.below(20) + 1 {
            log.write(&mut draw);
            while draw.below(4) > 0 {
                let page = log.page(after, 1 + draw.index(3));
                let (position, is_end) = (page.position, page.end.is_some());
                feed.push(after, page, most);
                assert!(feed.weight() <= most, "seed {seed}");
                after = position;
                if is_end {
                    break;
                }
            }
            let (from, filter) = (draw.below(after + 2), log.filter(&mut draw));
            log.check(&feed, from, filter.as_ref(), seed);
        }
    }
}

#[test]
fn a_place_that_the_feed_has_dropped_or_not_reached_is_read_alone() {
    let mut log = Changelog::default();
    let mut feed = Feed::default();
    assert!(feed.page(0, 0, None).is_none());
    for after in 0..8 {
        log.put(after % 3);
        feed.push(after, log.page(after, 1), 4_000);
    }
    assert!(feed.page(0, 0, None).is_none(), "dropped");
    assert!(feed.page(9, 0, None).is_none(), "not reached");
    let newest = feed.page(7, 0, None).unwrap();
    assert_eq!((newest.rows.len(), newest.position, newest.commit_no), (1, 8, 8));
    feed.clear();
    assert_eq!(feed.weight(), 0);
    assert!(feed.page(7, 0, None).is_none());
}

#[test]
fn a_session_does_not_go_back_to_an_earlier_transaction() {
    // The session has read up to change 2 by itself once vector 0 was written again. The feed's page from before would end
    // with a claim of the first version, which the session has passed over.
    let (mut log, mut feed) = (Changelog::default(), Feed::default());
    log.put(0);
    feed.push(0, log.page(0, 9), 10_000);
    log.put(1);
    feed.push(1, log.page(1, 9), 10_000);
    log.put(0);
    let alone = log.page(0, 1);
    assert_eq!((alone.position, alone.commit_no), (2, 3));
    assert!(feed.page(alone.position, alone.commit_no, None).is_none());
    assert!(feed.page(1, alone.commit_no, None).is_none());
    feed.push(2, log.page(2, 9), 10_000);
    assert_eq!(feed.page(alone.position, alone.commit_no, None).unwrap().rows.len(), 1);
}

#[test]
fn a_page_that_does_not_follow_takes_the_place_of_all() {
    let breaks: [fn(&mut Page, &mut ChangeId); 4] = [
        |page, _| page.site = SiteId::new(99),
        |page, _| page.frontier = VersionVector::from_iter([(SITE, 1)]),
        |page, _| page.commit_no = 0,
        |_, after| *after += 1,
    ];
    for change in breaks {
        let (mut log, mut feed) = (Changelog::default(), Feed::default());
        log.put(0);
        feed.push(0, log.page(0, 9), 10_000);
        log.put(1);
        let (mut page, mut after) = (log.page(1, 9), 1);
        change(&mut page, &mut after);
        feed.push(after, page, 10_000);
        assert!(feed.page(0, 0, None).is_none());
        assert!(feed.page(2, 0, None).is_some());
    }
}

#[test]
fn rows_that_cannot_be_sent_are_told_to_each_peer_by_itself() {
    let (mut log, mut feed) = (Changelog::default(), Feed::default());
    log.put(0);
    feed.push(0, log.page(0, 9), 10_000);
    log.put(1);
    let mut page = log.page(1, 9);
    page.withheld.push(Withheld { id: id(1), sites: Vec::new(), code: "ERR_CHECKSUM" });
    feed.push(1, page, 10_000);
    assert!(feed.page(0, 0, None).is_none());
    assert!(feed.page(1, 0, None).is_none());
}

#[test]
fn version_vectors_and_names_of_pages_without_rows_count() {
    let mut feed = Feed::default();
    let sites = 10_000;
    for commit_no in 1..=100 {
        let all = || (1..=sites).map(|site| (SiteId::new(site), commit_no));
        let mut page = Changelog::default().page(0, 1);
        page.commit_no = commit_no;
        page.end.as_mut().unwrap().version_vector = ShardVersion::from_iter(all());
        feed.push(0, page, 1 << 20);
        assert!(feed.weight() >= 16 * sites as usize);
        assert!(feed.weight() <= 1 << 20);
    }
    // Seven such vectors are more than a MiB.
    assert!(feed.weight() < 7 * 16 * sites as usize);
}

#[test]
fn a_batch_goes_whole_where_half_of_it_is_news_and_not_at_all_where_none_is() {
    let (mut log, mut feed) = (Changelog::default(), Feed::default());
    (0..4).for_each(|key| log.put(key));
    feed.push(0, log.page(0, 9), 10_000);
    let rows = |known: u64| {
        let filter = ShardVersion::from_iter([(SITE, known)]);
        feed.page(0, 0, Some(&filter)).unwrap().rows.len()
    };
    assert_eq!([0, 1, 2, 3, 4].map(rows), [4, 4, 4, 1, 0]);
}

#[test]
fn the_end_names_sites_that_any_page_has_named() {
    let (mut log, mut feed) = (Changelog::default(), Feed::default());
    log.put(0);
    let mut first = log.page(0, 9);
    let name: NodeName = NodeName::new("alpha").unwrap();
    first.end.as_mut().unwrap().names.insert(SITE, name.clone());
    feed.push(0, first, 10_000);
    log.put(1);
    feed.push(1, log.page(1, 9), 10_000);
    let names = |filter: Option<&ShardVersion>| feed.page(1, 0, filter).unwrap().end.unwrap().names;
    assert_eq!(names(None), BTreeMap::from([(SITE, name)]));
    let knows_all = ShardVersion::from_iter([(SITE, 2)]);
    assert!(names(Some(&knows_all)).is_empty());
}

/// The rows of one site's shard, as a database holds them.
#[derive(Default)]
struct Changelog {
    rows: BTreeMap<u64, (ChangeId, u64)>,
    last: ChangeId,
}

impl Changelog {
    /// Writes some vectors, each with the next sequence number and change id.
    fn write(&mut self, draw: &mut Draw) {
        for _ in 0..draw.below(4) {
            self.put(draw.below(6));
        }
    }

    fn put(&mut self, key: u64) {
        self.last += 1;
        self.rows.insert(key, (self.last, self.last));
    }

    fn page(&self, after: ChangeId, most: usize) -> Page {
        let mut news: Vec<_> = self.rows.iter().filter(|(_, (change, _))| *change > after).collect();
        news.sort_by_key(|(_, (change, _))| *change);
        let is_full = news.len() > most;
        news.truncate(most);
        let end = PageEnd {
            version_vector: ShardVersion::from_iter([(SITE, self.last)]),
            digest: Digest::default(),
            tight: true,
            names: BTreeMap::new(),
        };
        Page {
            site: SITE,
            position: if is_full { news[most - 1].1.0 } else { self.last.max(after) },
            commit_no: self.last,
            rows: news.into_iter().map(|(key, (_, seq))| row(*key, *seq)).collect(),
            end: (!is_full).then_some(end),
            ..Page::default()
        }
    }

    fn filter(&self, draw: &mut Draw) -> Option<ShardVersion> {
        let known = ShardVersion::from_iter([(SITE, draw.below(self.last + 2))]);
        draw.coin().then_some(known)
    }

    /// Follows the feed from a place to where it ends, as a peer that holds what `filter` covers.
    fn check(&self, feed: &Feed, from: ChangeId, filter: Option<&ShardVersion>, seed: u64) {
        let mut got = BTreeMap::new();
        let (mut after, mut since) = (from, 0);
        let mut claimed = None;
        while let Some(page) = feed.page(after, since, filter) {
            assert!(page.position > after || page.end.is_some(), "seed {seed}: the feed stands still");
            got.extend(page.rows.iter().map(|entry| (entry.id.clone(), newest(&entry.row))));
            (after, since) = (page.position, page.commit_no);
            if let Some(end) = page.end {
                claimed = Some(end.version_vector.seq(SITE));
                break;
            }
        }
        let Some(claimed) = claimed else { return };
        for (key, (change, seq)) in &self.rows {
            let is_known = filter.is_some_and(|filter| filter.covers(Dot { site: SITE, seq: *seq }));
            if *change > from && *seq <= claimed && !is_known {
                assert_eq!(got.get(&id(*key)), Some(seq), "seed {seed}: vector {key} after {from}");
            }
        }
        assert!(got.values().all(|seq| *seq <= claimed), "seed {seed}: more than is claimed");
    }
}

fn row(key: u64, seq: u64) -> VectorRow {
    let dot = Dot { site: SITE, seq };
    let payload = Draw::new(seq).payload(3);
    let sibling = Sibling::put(dot, Timestamp::from_micros(seq), false, payload);
    VectorRow { id: id(key), row: Row::of_write(sibling, VersionVector::new()) }
}

fn newest(row: &Row) -> u64 {
    row.siblings().iter().map(|sibling| sibling.dot().seq).max().unwrap()
}

fn id(key: u64) -> VectorId {
    VectorId::new(&format!("vector {key}")).unwrap()
}

const SITE: SiteId = SiteId::new(7);
const SEEDS: u64 = 2_000;
