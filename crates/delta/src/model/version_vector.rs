use std::cmp::Ordering;
use std::fmt;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sort::sort_by;
use crate::{MAX_SAFE_INTEGER, SiteId, bounded};

/// Identifies one change: the site that made it, and its sequence number among that site's changes of the shard.
///
/// A dot is given out once. Dots are ordered by site, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// The site that made the change.
    pub site: SiteId,
    /// 1 for a site's first change in the shard.
    pub seq: u64,
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.site, self.seq)
    }
}

/// How two version vectors compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Both have the same entries.
    Equal,
    /// The first is covered by the second, and they differ.
    Before,
    /// The first covers the second, and they differ.
    After,
    /// Neither covers the other.
    Concurrent,
}

/// For each site the newest sequence number that is covered, 0 for a missing site.
///
/// Sorted by site and without zeros, so that equal vectors are equal values.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct VersionVector(Vec<(SiteId, u64)>);

impl VersionVector {
    /// The most entries accepted from a peer.
    pub const MAX_SITES: usize = 32_768;

    /// A version vector that covers nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A version vector that covers `dot` and the earlier changes of its site.
    #[must_use]
    pub fn of(dot: Dot) -> Self {
        Self(vec![(dot.site, dot.seq)])
    }

    /// Adds `dot` to what is covered.
    pub fn add(&mut self, dot: Dot) {
        if dot.seq == 0 {
            return;
        }
        match self.position(dot.site) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(dot.seq),
            Err(at) => self.0.insert(at, (dot.site, dot.seq)),
        }
    }

    /// Adds all that `other` covers: the least upper bound.
    pub fn join(&mut self, other: &Self) {
        if other.0.len() > FEW {
            // Adding a peer's long vector entry by entry would take quadratic time.
            self.0.extend_from_slice(&other.0);
            self.normalize();
            return;
        }
        for &(site, seq) in &other.0 {
            self.add(Dot { site, seq });
        }
    }

    /// Like [`VersionVector::join`], but returns a new value.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut union = Self(Vec::with_capacity(self.0.len() + other.0.len()));
        union.0.extend_from_slice(&self.0);
        union.join(other);
        union
    }

    /// Removes the sites for which `keep` returns false.
    pub fn retain_sites(&mut self, keep: impl Fn(SiteId) -> bool) {
        self.0.retain(|(site, _)| keep(*site));
    }

    /// The newest covered number of `site`, or 0.
    #[must_use]
    pub fn seq(&self, site: SiteId) -> u64 {
        self.position(site).map_or(0, |at| self.0[at].1)
    }

    /// Whether `dot` is covered.
    #[must_use]
    pub fn covers(&self, dot: Dot) -> bool {
        self.seq(dot.site) >= dot.seq
    }

    /// Whether everything that `other` covers is covered.
    #[must_use]
    pub fn covers_all(&self, other: &Self) -> bool {
        other.0.iter().all(|&(site, seq)| self.seq(site) >= seq)
    }

    /// How this vector compares to `other`.
    #[must_use]
    pub fn relation(&self, other: &Self) -> Relation {
        match (self.covers_all(other), other.covers_all(self)) {
            (true, true) => Relation::Equal,
            (true, false) => Relation::After,
            (false, true) => Relation::Before,
            (false, false) => Relation::Concurrent,
        }
    }

    /// The entries in the order of sites.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SiteId, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn entries(&self) -> &[(SiteId, u64)] {
        &self.0
    }

    /// How many sites have an entry.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorts entries by site, drops zeros and keeps the greatest number of each site.
    fn normalize(&mut self) {
        self.0.retain(|(_, seq)| *seq > 0);
        sort_by(&mut self.0, Ord::cmp);
        self.0.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
    }

    fn position(&self, site: SiteId) -> Result<usize, usize> {
        match self.0.as_slice() {
            // Most contexts have one entry and need no search.
            [(only, _)] => match only.cmp(&site) {
                Ordering::Equal => Ok(0),
                Ordering::Less => Err(1),
                Ordering::Greater => Err(0),
            },
            entries => entries.binary_search_by_key(&site, |(site, _)| *site),
        }
    }
}

impl FromIterator<(SiteId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (SiteId, u64)>>(entries: I) -> Self {
        let mut vector = Self(entries.into_iter().collect());
        vector.normalize();
        vector
    }
}

impl Serialize for VersionVector {
    /// A flat list: site, number, site, number, in the order of sites.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len() * 2))?;
        for (site, seq) in &self.0 {
            list.serialize_element(&site.number())?;
            list.serialize_element(seq)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for VersionVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const MAX: usize = VersionVector::MAX_SITES * 2;
        let flat: Vec<u64> = bounded::list::<_, _, MAX>(deserializer)?;
        let entries: Vec<(SiteId, u64)> =
            flat.chunks_exact(2).map(|pair| (SiteId::new(pair[0]), pair[1])).collect();
        let sorted = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let lawful = entries.iter().all(|(_, seq)| (1..=MAX_SAFE_INTEGER).contains(seq));
        if !flat.len().is_multiple_of(2) || !sorted || !lawful {
            return Err(serde::de::Error::custom("a version vector is out of order or range"));
        }
        Ok(Self(entries))
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Up to this many entries, adding them one by one is cheaper.
const FEW: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(entries: &[(u64, u64)]) -> VersionVector {
        entries.iter().map(|&(site, seq)| (SiteId::new(site), seq)).collect()
    }

    #[test]
    fn relation_tells_all_four_cases() {
        let (a, b) = (vector(&[(1, 2), (2, 1)]), vector(&[(1, 2)]));
        assert_eq!(a.relation(&b), Relation::After);
        assert_eq!(b.relation(&a), Relation::Before);
        assert_eq!(a.relation(&a), Relation::Equal);
        assert_eq!(vector(&[(1, 3)]).relation(&vector(&[(2, 1)])), Relation::Concurrent);
    }

    #[test]
    fn long_vectors_join_like_short_ones() {
        let long = |step: u64| (0..200).map(|i| (SiteId::new(i * step), i % 7)).collect::<VersionVector>();
        let (a, b) = (long(2), long(3));
        let mut joined = a.clone();
        joined.join(&b);
        let mut added = a.clone();
        b.iter().for_each(|(site, seq)| added.add(Dot { site, seq }));
        assert_eq!(joined, added);
    }

    #[test]
    fn zeros_and_the_order_of_entries_do_not_matter() {
        assert_eq!(vector(&[(2, 1), (1, 0), (1, 5), (1, 3)]), vector(&[(1, 5), (2, 1)]));
    }
}
