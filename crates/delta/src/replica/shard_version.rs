use std::collections::BTreeSet;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use serde::de::Error;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Dot, MAX_SAFE_INTEGER, SiteId, VersionVector, bounded};

/// The version vector of a whole shard, which may have a great many sites.
///
/// A copy costs little: it shares what it was copied from, and holds what has changed since beside it. What one copy
/// differs from another in is found at the cost of the difference, where both stem from one.
#[derive(Clone, Default)]
pub struct ShardVersion {
    base: Arc<VersionVector>,
    /// The entries that are greater than those of the base.
    recent: VersionVector,
}

impl ShardVersion {
    /// The most sites: two version vectors fit a message, with room for names.
    pub const MAX_SITES: usize = 1 << 18;
    /// How many may be there once claims of peers were taken over: the other places are for this node's own sites, so that no
    /// peer can keep it from writing.
    pub const MAX_SITES_OF_PEERS: usize = Self::MAX_SITES - (1 << 14);

    /// A version vector that covers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `dot` to what is covered.
    pub fn add(&mut self, dot: Dot) {
        if self.covers(dot) {
            return;
        }
        self.recent.add(dot);
        if self.recent.len() > MOST_RECENT {
            *self = self.iter().collect();
        }
    }

    /// Adds all that `other` covers: the least upper bound.
    pub fn join(&mut self, other: &Self) {
        let news: Vec<Dot> = other.beyond_in(self).take(MOST_RECENT + 1).collect();
        if news.len() <= MOST_RECENT {
            news.into_iter().for_each(|dot| self.add(dot));
        } else if other.covers_all(self) {
            *self = other.clone();
        } else {
            *self = self.iter().chain(other.iter()).collect();
        }
    }

    /// Like [`ShardVersion::join`], but returns a new value.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.join(other);
        union
    }

    /// Removes these sites.
    pub fn remove_sites(&mut self, sites: &BTreeSet<SiteId>) {
        if sites.iter().any(|site| self.seq(*site) > 0) {
            *self = self.iter().filter(|(site, _)| !sites.contains(site)).collect();
        }
    }

    /// The newest covered number of `site`, or 0.
    #[must_use]
    pub fn seq(&self, site: SiteId) -> u64 {
        match self.recent.seq(site) {
            0 => self.base.seq(site),
            seq => seq,
        }
    }

    /// Whether `dot` is covered.
    #[must_use]
    pub fn covers(&self, dot: Dot) -> bool {
        self.seq(dot.site) >= dot.seq
    }

    /// Whether everything that `other` covers is covered.
    #[must_use]
    pub fn covers_all(&self, other: &Self) -> bool {
        other.beyond_in(self).next().is_none()
    }

    /// Whether everything that a context or a frontier covers is covered.
    #[must_use]
    pub fn covers_vector(&self, other: &VersionVector) -> bool {
        other.iter().all(|(site, seq)| self.seq(site) >= seq)
    }

    /// The entries of which this vector covers more than `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.beyond_in(other).map(|dot| (dot.site, dot.seq)).collect()
    }

    /// The same entries, which share those of `other` if few of them differ: from then on the two are compared quickly.
    #[must_use]
    pub fn sharing(&self, other: &Self) -> Self {
        let mut shared = Self { base: Arc::clone(&other.base), recent: VersionVector::new() };
        let news: Vec<_> = self.differences(&shared).take(MOST_RECENT + 1).collect();
        if news.len() > MOST_RECENT || news.iter().any(|(_, here, there)| here < there) {
            return self.clone();
        }
        shared.recent = news.into_iter().map(|(site, here, _)| (site, here)).collect();
        shared
    }

    /// Each site whose numbers differ, with the number here and the number in `other`: 0 where it is missing. In the
    /// order of sites.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (SiteId, u64, u64)> + 'a {
        let shared = self.shares_base(other);
        let (mut mine, mut theirs) = (self.entries(shared).peekable(), other.entries(shared).peekable());
        let missing = move |site| if shared { self.base.seq(site) } else { 0 };
        std::iter::from_fn(move || {
            loop {
                let found = next_of_both(&mut mine, &mut theirs)?;
                let here = found.1.unwrap_or_else(|| missing(found.0));
                let there = found.2.unwrap_or_else(|| missing(found.0));
                if here != there {
                    return Some((found.0, here, there));
                }
            }
        })
    }

    /// The entries in the order of sites.
    pub fn iter(&self) -> impl Iterator<Item = (SiteId, u64)> + '_ {
        self.entries(false)
    }

    /// How many sites have an entry.
    #[must_use]
    pub fn len(&self) -> usize {
        let new = self.recent.iter().filter(|(site, _)| self.base.seq(*site) == 0);
        self.base.len() + new.count()
    }

    /// Whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_empty() && self.recent.is_empty()
    }

    /// What it takes in memory: what it shares, by a number that is the same for all that share it as long as one of them
    /// lives; how many entries that has; and how many it has of its own.
    pub(crate) fn footprint(&self) -> (usize, usize, usize) {
        (Arc::as_ptr(&self.base).addr(), self.base.len(), self.recent.len())
    }

    pub(crate) fn shares_base(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.base, &other.base)
    }

    fn beyond_in<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Dot> + 'a {
        // A few entries are looked up: walking a long vector for them would take longer.
        let few = !self.shares_base(other) && self.base.len() < other.base.len() / FEW;
        let looked_up = few.then(|| self.iter().filter(|(site, seq)| other.seq(*site) < *seq));
        let walked = (!few).then(|| {
            self.differences(other)
                .filter(|(_, here, there)| here > there)
                .map(|(site, here, _)| (site, here))
        });
        let found = looked_up.into_iter().flatten().chain(walked.into_iter().flatten());
        found.map(|(site, seq)| Dot { site, seq })
    }

    fn entries(&self, only_recent: bool) -> Entries<'_> {
        let base = if only_recent { &[][..] } else { self.base.entries() };
        Entries { base, recent: self.recent.entries() }
    }
}

/// The entries of a base and of what is more recent.
struct Entries<'a> {
    base: &'a [(SiteId, u64)],
    recent: &'a [(SiteId, u64)],
}

impl Iterator for Entries<'_> {
    type Item = (SiteId, u64);

    fn next(&mut self) -> Option<Self::Item> {
        match (self.base.split_first(), self.recent.split_first()) {
            (Some((entry, rest)), newer) if newer.is_none_or(|(newer, _)| entry.0 < newer.0) => {
                self.base = rest;
                Some(*entry)
            }
            (older, Some((entry, rest))) => {
                if let Some((_, behind)) = older.filter(|(older, _)| older.0 == entry.0) {
                    self.base = behind;
                }
                self.recent = rest;
                Some(*entry)
            }
            (_, None) => None,
        }
    }
}

/// The next site of either, with its number in each that has it.
fn next_of_both(
    mine: &mut Peekable<Entries<'_>>,
    theirs: &mut Peekable<Entries<'_>>,
) -> Option<(SiteId, Option<u64>, Option<u64>)> {
    let site = match (mine.peek(), theirs.peek()) {
        (Some(one), Some(other)) => one.0.min(other.0),
        (one, other) => one.or(other)?.0,
    };
    let of_site = |entry: &(SiteId, u64)| entry.0 == site;
    let (here, there) = (mine.next_if(of_site), theirs.next_if(of_site));
    Some((site, here.map(|entry| entry.1), there.map(|entry| entry.1)))
}

impl PartialEq for ShardVersion {
    fn eq(&self, other: &Self) -> bool {
        self.differences(other).next().is_none()
    }
}

impl Eq for ShardVersion {}

impl From<VersionVector> for ShardVersion {
    fn from(vector: VersionVector) -> Self {
        Arc::new(vector).into()
    }
}

impl From<Arc<VersionVector>> for ShardVersion {
    fn from(vector: Arc<VersionVector>) -> Self {
        Self { base: vector, recent: VersionVector::new() }
    }
}

impl FromIterator<(SiteId, u64)> for ShardVersion {
    fn from_iter<I: IntoIterator<Item = (SiteId, u64)>>(entries: I) -> Self {
        VersionVector::from_iter(entries).into()
    }
}

impl Serialize for ShardVersion {
    /// A flat list: site, number, site, number, in the order of sites.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len() * 2))?;
        for (site, seq) in self.iter() {
            list.serialize_element(&site.number())?;
            list.serialize_element(&seq)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for ShardVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_vector(deserializer).map(Self::from)
    }
}

/// For `#[serde(deserialize_with)]`: a version vector that may have as many sites as a shard.
pub(crate) fn deserialize_vector<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<VersionVector, D::Error> {
    let flat: Vec<u64> = bounded::list::<_, _, { 2 * ShardVersion::MAX_SITES }>(deserializer)?;
    let pairs = flat.chunks_exact(2);
    let paired = pairs.remainder().is_empty();
    let sorted = pairs.clone().is_sorted_by(|one, two| one[0] < two[0]);
    let lawful = pairs.clone().all(|pair| (1..=MAX_SAFE_INTEGER).contains(&pair[1]));
    if !paired || !sorted || !lawful {
        return Err(Error::custom("a version vector is out of order or range"));
    }
    Ok(pairs.map(|pair| (SiteId::new(pair[0]), pair[1])).collect())
}

impl fmt::Debug for ShardVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// With more recent entries than this, they and the base become a new base.
const MOST_RECENT: usize = 128;

/// Up to this fraction of another vector's entries are looked up in it one by one.
const FEW: usize = 16;
