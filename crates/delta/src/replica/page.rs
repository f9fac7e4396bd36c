use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::acceptance::check_counts;
use crate::{
    Alteration, ChangeId, CommitNo, Digest, NodeName, Row, ShardRead, ShardState, ShardVersion, SiteId,
    VectorId, VectorRow, VersionVector, VisitedRow,
};

/// Rows read in one transaction for a peer.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The database's site: a new life has another changelog.
    pub site: SiteId,
    /// The rows that are news to the receiver, each of them whole.
    pub rows: Vec<VectorRow>,
    /// The names of their sites' nodes.
    pub names: BTreeMap<SiteId, NodeName>,
    /// How many rows of the changelog were looked at, whether the receiver needs them or not.
    pub scanned: u64,
    /// How many follow behind the page, where that was counted.
    pub left: Option<u64>,
    /// The changelog has been read up to here.
    pub position: ChangeId,
    /// The transaction. The page may be sent only once it is durable.
    pub commit_no: CommitNo,
    /// The collected frontier.
    pub frontier: VersionVector,
    /// The state of the same transaction if the page reaches the end of the changelog.
    pub end: Option<PageEnd>,
    /// Rows that cannot be sent: their content no longer matches its hash, or they have too many versions or sites.
    pub withheld: Vec<Withheld>,
}

/// The shard's state in the transaction whose page reached the end of the changelog.
#[derive(Clone, Debug)]
pub struct PageEnd {
    /// The shard's version vector.
    pub version_vector: ShardVersion,
    /// The shard's digest.
    pub digest: Digest,
    /// Whether the version vector covers every dot held.
    pub tight: bool,
    /// The names of the sites of which the version vector covers more than the filter.
    pub names: BTreeMap<SiteId, NodeName>,
}

/// A row that cannot be sent.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The vector.
    pub id: VectorId,
    /// The sites in its context, about which nothing may be claimed; empty where they cannot be told.
    pub sites: Vec<SiteId>,
    /// `ERR_CHECKSUM` or `ERR_LIMIT`.
    pub code: &'static str,
}

/// How large a page may get.
#[derive(Clone, Copy, Debug)]
pub struct PageSize {
    /// A page is full at about this many bytes. A larger row makes a page of its own.
    pub bytes: usize,
    /// A page is full at this many rows.
    pub rows: usize,
}

impl Default for PageSize {
    /// 256 KiB, 4,096 rows.
    fn default() -> Self {
        Self { bytes: 256 * 1024, rows: 4_096 }
    }
}

/// Reads the rows after `after` that are news to a node that holds what `filter` covers.
///
/// # Errors
/// If the storage fails.
pub fn read_page<R: ShardRead + ?Sized>(
    shard: &R,
    after: ChangeId,
    filter: Option<&ShardVersion>,
    size: PageSize,
) -> Result<Page, R::Error> {
    read(shard, after, filter, filter.unwrap_or(&ShardVersion::new()), size)
}

/// Reads the rows after `after` for a [`Feed`](crate::Feed), whichever of its peers holds them. `known`: the version vector
/// of the page before it, whose sites have been named.
///
/// # Errors
/// If the storage fails.
pub fn read_feed<R: ShardRead + ?Sized>(
    shard: &R,
    after: ChangeId,
    known: &ShardVersion,
    size: PageSize,
) -> Result<Page, R::Error> {
    read(shard, after, None, known, size)
}

fn read<R: ShardRead + ?Sized>(
    shard: &R,
    after: ChangeId,
    filter: Option<&ShardVersion>,
    known: &ShardVersion,
    size: PageSize,
) -> Result<Page, R::Error> {
    let mut page = Page {
        site: shard.origin().site,
        position: after,
        commit_no: shard.commit_no(),
        frontier: shard.state().frontier.clone(),
        ..Page::default()
    };
    let is_altered = shard.alteration()? == Alteration::Present;
    let (mut bytes, mut entries, mut full) = (0, 0, false);
    shard.visit_rows(after, filter, &mut |change_id, row| {
        full = bytes >= size.bytes || page.rows.len() >= size.rows || page.scanned >= MAX_SCANNED;
        if let VisitedRow::Row(entry) = &row {
            entries += entry.row.context().len();
            full |= !page.rows.is_empty() && has_too_many_sites(entries);
        }
        if full {
            return ControlFlow::Break(());
        }
        page.scanned += 1;
        page.position = change_id;
        match row {
            VisitedRow::Covered => {}
            VisitedRow::Row(entry) => {
                bytes += weight(&entry);
                page.take(entry, is_altered.then(|| shard.state()));
            }
            VisitedRow::Unreadable(id) => {
                page.withheld.push(Withheld { id, sites: Vec::new(), code: "ERR_CHECKSUM" });
            }
        }
        ControlFlow::Continue(())
    })?;
    page.names = names(shard, page.rows.iter().flat_map(|entry| sites_of(&entry.row)))?;
    if !full {
        let state = shard.state();
        let news = state.version_vector.beyond(known);
        page.end = Some(PageEnd {
            version_vector: state.version_vector.clone(),
            digest: state.digest,
            tight: state.is_tight(),
            names: names(shard, news.iter().map(|(site, _)| site))?,
        });
    }
    Ok(page)
}

impl Page {
    /// `altered`: the shard, where another program has altered rows of it.
    fn take(&mut self, entry: VectorRow, altered: Option<&ShardState>) {
        match withheld_code(&entry, altered) {
            Some(code) => {
                let sites = sites_of(&entry.row).collect();
                self.withheld.push(Withheld { id: entry.id, sites, code });
            }
            None => self.rows.push(entry),
        }
    }
}

/// Why a row cannot be sent; `None` if it can. `altered`: the shard, where another program has altered rows of it.
pub(super) fn withheld_code(entry: &VectorRow, altered: Option<&ShardState>) -> Option<&'static str> {
    if check_counts(&entry.row).is_err() {
        return Some("ERR_LIMIT");
    }
    let is_sound = entry.row.is_intact() && altered.is_none_or(|shard| has_heard_of_all(shard, &entry.row));
    (!is_sound).then_some("ERR_CHECKSUM")
}

/// Whether all versions of a row were written or received here.
pub(super) fn has_heard_of_all(shard: &ShardState, row: &Row) -> bool {
    row.siblings().iter().all(|version| shard.has_heard_of(version.dot()))
}

/// Whether rows whose contexts have so many entries together may name more sites than a batch lists. A row alone, which
/// passes [`check_counts`], never does.
pub(super) const fn has_too_many_sites(entries: usize) -> bool {
    entries > VersionVector::MAX_SITES
}

pub(super) fn weight(entry: &VectorRow) -> usize {
    entry.weight()
}

pub(super) fn sites_of(row: &Row) -> impl Iterator<Item = SiteId> + '_ {
    row.context().iter().map(|(site, _)| site)
}

pub(super) fn names<R: ShardRead + ?Sized>(
    shard: &R,
    sites: impl Iterator<Item = SiteId>,
) -> Result<BTreeMap<SiteId, NodeName>, R::Error> {
    let mut names = BTreeMap::new();
    let distinct: BTreeSet<SiteId> = sites.collect();
    for site in distinct {
        if let Some(name) = shard.site_name(site)? {
            names.insert(site, name);
        }
    }
    Ok(names)
}

/// Rows that the filter covers still have to be scanned. A page ends after this many rows, so that no read takes long.
pub(super) const MAX_SCANNED: u64 = 16_384;
