use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    DeltaError, Dot, Metadata, NodeName, Operation, Payload, Row, ShardId, Sibling, SiteId, Timestamp,
    VectorId, VectorRow,
};

use super::same_site_siblings::SameSiteSiblings;
use crate::changes::change::{Change, Changes};
use crate::changes::format::malformed;
use crate::changes::format::open;
use crate::changes::key::{Keys, Meaning, site_of};
use crate::changes::resolution::Heads;

/// The rows of a delta.
#[derive(Clone, Debug)]
pub struct DeltaRows {
    /// The shard of the rows.
    pub shard: ShardId,
    /// The names of sites.
    pub names: BTreeMap<SiteId, NodeName>,
    /// The rows, at most one for each vector.
    pub rows: Vec<VectorRow>,
}

/// Decodes a delta made by a database: for each vector its heads, as one row.
///
/// # Errors
/// See [`decode`](crate::changes::decode). `ERR_ARGUMENT` for keys that name no site, as in hand-made changes;
/// `ERR_LIMIT` for more than 100 versions of a vector; `ERR_PROTOCOL` for a delete with metadata, and if some of
/// several siblings of one site are missing, because the rest would supersede them.
pub fn decode_rows(bytes: &[u8]) -> Result<DeltaRows, DeltaError> {
    let decoded = open(bytes)?;
    let changes = decoded.changes()?;
    let heads = Heads::of(&changes)?;
    let sites = Sites::of(&changes);
    let mut contexts: BTreeMap<&str, Vec<(SiteId, u64)>> = BTreeMap::new();
    for (change, dot) in changes.list.iter().zip(&heads.dots) {
        let context = contexts.entry(change.vector_id).or_default();
        context.push((sites.by_rank(dot.site)?, dot.seq));
        for (key, seq) in changes.history(change) {
            context.push((sites.covered(*key)?, *seq));
        }
    }
    let mut rows = Vec::with_capacity(contexts.len());
    for ((id, context), group) in contexts.into_iter().zip(heads.groups()) {
        if group.len() > Row::MAX_SIBLINGS {
            let (size, limit) = (group.len() as u64, Row::MAX_SIBLINGS as u64);
            return Err(DeltaError::Limit { what: "number of versions of a vector", size, limit });
        }
        let mut siblings = Vec::with_capacity(group.len());
        for index in group {
            let (change, dot) = (&changes.list[*index as usize], heads.dots[*index as usize]);
            siblings.push(sibling_of(change, Dot { site: sites.by_rank(dot.site)?, seq: dot.seq })?);
        }
        for (index, sibling) in group.iter().zip(&siblings) {
            let keys = changes.history(&changes.list[*index as usize]).iter().map(|(key, _)| *key);
            sites.check_complete(keys, sibling.dot().site, &siblings)?;
        }
        let row =
            Row::new(siblings, context.into_iter().collect()).expect("each vector has at least one head");
        rows.push(VectorRow { id: VectorId::new(id)?, row });
    }
    Ok(DeltaRows { shard: ShardId::new(changes.shard)?, rows, names: names_of(&changes)? })
}

impl DeltaRows {
    /// Moves the rows to another shard. Each shard counts the changes of a site separately, so the sites get other
    /// numbers there; moving the rows back restores them.
    #[must_use]
    pub fn moved_to(self, shard: &ShardId) -> Self {
        if self.shard == *shard {
            return self;
        }
        let key = |shard: &ShardId| xxhash_rust::xxh3::xxh3_64(shard.as_bytes());
        let mask = key(&self.shard) ^ key(shard);
        let moved = |site: SiteId| SiteId::new(site.number() ^ mask);
        let rows = self.rows.into_iter().map(|VectorRow { id, row }| {
            let siblings = row.siblings().iter().map(|sibling| {
                let dot = Dot { site: moved(sibling.dot().site), seq: sibling.dot().seq };
                sibling.renumbered(dot, sibling.timestamp())
            });
            let context = row.context().iter().map(|(site, seq)| (moved(site), seq)).collect();
            VectorRow { id, row: Row::new(siblings.collect(), context).expect("as many versions as before") }
        });
        Self {
            shard: shard.clone(),
            rows: rows.collect(),
            names: self.names.into_iter().map(|(site, name)| (moved(site), name)).collect(),
        }
    }

    /// Whether the maker of this delta holds all of a row.
    #[must_use]
    pub fn shows(&self, entry: &VectorRow) -> bool {
        let found = self.rows.binary_search_by(|row| row.id.cmp(&entry.id));
        found.is_ok_and(|at| self.rows[at].row.join(&entry.row) == self.rows[at].row)
    }
}

/// Maps keys to sites.
struct Sites<'c, 'a> {
    keys: &'c Keys<'a>,
    by_rank: Vec<Meaning<'a>>,
}

impl<'c, 'a> Sites<'c, 'a> {
    fn of(changes: &'c Changes<'a>) -> Self {
        let keys = &changes.keys;
        let mut by_rank = Vec::with_capacity(keys.count());
        for index in 0..keys.texts.len() as u32 {
            if keys.rank(index) as usize == by_rank.len() {
                by_rank.push(keys.meaning(index));
            }
        }
        Self { keys, by_rank }
    }

    /// The site that an entry of a history covers.
    fn covered(&self, key: u32) -> Result<SiteId, DeltaError> {
        match self.keys.meaning(key) {
            Meaning::Site(number) => Ok(SiteId::new(number)),
            Meaning::Text(text) => {
                SameSiteSiblings::parse(text).map(|same_site| same_site.site).ok_or_else(|| no_site(text))
            }
        }
    }

    /// Checks that no sibling of this site is missing.
    fn check_complete(
        &self,
        mut history: impl Iterator<Item = u32>,
        site: SiteId,
        siblings: &[Sibling],
    ) -> Result<(), DeltaError> {
        let parted = |key: u32| {
            let same_site =
                SameSiteSiblings::parse(self.keys.text(key)).filter(|same_site| same_site.site == site);
            same_site.is_some_and(|same_site| same_site != SameSiteSiblings::of(siblings, site))
        };
        if history.any(parted) {
            Err(malformed("some of several versions of one site are missing"))
        } else {
            Ok(())
        }
    }

    /// The site of a dot, which names it by the rank of its key.
    fn by_rank(&self, rank: SiteId) -> Result<SiteId, DeltaError> {
        match self.by_rank[rank.number() as usize] {
            Meaning::Site(number) => Ok(SiteId::new(number)),
            Meaning::Text(text) => Err(no_site(text)),
        }
    }
}

fn sibling_of(change: &Change<'_>, dot: Dot) -> Result<Sibling, DeltaError> {
    let timestamp = Timestamp::try_from(change.timestamp)?;
    if change.operation == Operation::Delete {
        if change.metadata.is_some() {
            return Err(malformed("a delete has metadata"));
        }
        return Ok(Sibling::tombstone(dot, timestamp));
    }
    let metadata = change.metadata.map(Metadata::from_checked);
    let payload = Payload::new(Bytes::copy_from_slice(change.vector), metadata)?;
    Ok(Sibling::put(dot, timestamp, change.operation == Operation::Update, payload))
}

/// The names of the sites in dots and histories. A key that is only a source may be any text.
fn names_of(changes: &Changes<'_>) -> Result<BTreeMap<SiteId, NodeName>, DeltaError> {
    let mut names = BTreeMap::new();
    let numbers = changes.list.iter().map(|change| changes.dot_key(change));
    for key in numbers.chain(changes.entries.iter().map(|(key, _)| *key)).collect::<BTreeSet<_>>() {
        let label = changes.keys.text(key);
        let (Some(site), Some((name, _))) = (site_of(label), label.rsplit_once('@')) else { continue };
        if !name.is_empty() {
            names.insert(SiteId::new(site), NodeName::new(name)?);
        }
    }
    Ok(names)
}

fn no_site(key: &str) -> DeltaError {
    let shown: String = key.chars().take(64).collect();
    let reason = format!("its key '{shown}' names no site: a database accepts only deltas made by databases");
    DeltaError::Argument { what: "delta", reason }
}
