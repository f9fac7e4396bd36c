use std::collections::BTreeMap;
use std::fmt;

use crate::ShardVersion;

/// Values that hold version vectors, as many as a number of entries allows: those that were put first make room for others.
/// Entries that several version vectors share are in memory once, and count once.
pub struct RecentVersions<K, V> {
    most: usize,
    values: BTreeMap<K, (u64, V)>,
    /// By when they were put.
    order: BTreeMap<u64, K>,
    next: u64,
    /// Entries that are shared: by how many version vectors, and how many they are.
    shared: BTreeMap<usize, (usize, usize)>,
    entries: usize,
}

/// What [`RecentVersions`] keeps.
pub trait HoldsVersions {
    /// Calls `visit` with each version vector, the same ones each time.
    fn visit_versions(&self, visit: &mut dyn FnMut(&ShardVersion));
}

impl<K: Ord + Clone, V: HoldsVersions> RecentVersions<K, V> {
    /// Keeps version vectors of `most` entries, and the value put last in any case.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            values: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            shared: BTreeMap::new(),
            entries: 0,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Keeps a value in place of the former one of its key.
    pub fn put(&mut self, key: K, value: V) {
        self.take(&key);
        value.visit_versions(&mut |version| self.count(version));
        self.order.insert(self.next, key.clone());
        self.values.insert(key, (self.next, value));
        self.next += 1;
        while self.entries > self.most && self.values.len() > 1 {
            let Some((_, oldest)) = self.order.first_key_value() else { return };
            let oldest = oldest.clone();
            self.take(&oldest);
        }
    }

    /// Removes the value of a key.
    pub fn take(&mut self, key: &K) -> Option<V> {
        let (order, value) = self.values.remove(key)?;
        self.order.remove(&order);
        value.visit_versions(&mut |version| self.discount(version));
        Some(value)
    }

    fn count(&mut self, version: &ShardVersion) {
        let (base, entries, own) = version.footprint();
        self.entries += own;
        let (users, _) = self.shared.entry(base).or_insert((0, entries));
        *users += 1;
        if *users == 1 {
            self.entries += entries;
        }
    }

    fn discount(&mut self, version: &ShardVersion) {
        let (base, entries, own) = version.footprint();
        self.entries -= own;
        let Some((users, _)) = self.shared.get_mut(&base) else { return };
        *users -= 1;
        if *users == 0 {
            self.shared.remove(&base);
            self.entries -= entries;
        }
    }
}

impl<K, V> fmt::Debug for RecentVersions<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentVersions")
            .field("values", &self.values.len())
            .field("entries", &self.entries)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SiteId;

    impl HoldsVersions for ShardVersion {
        fn visit_versions(&self, visit: &mut dyn FnMut(&ShardVersion)) {
            visit(self);
        }
    }

    fn version(sites: u64, seq: u64) -> ShardVersion {
        (1..=sites).map(|site| (SiteId::new(site), seq)).collect()
    }

    #[test]
    fn the_oldest_make_room() {
        let mut recent = RecentVersions::new(100);
        for key in 0..10 {
            recent.put(key, version(20, key + 1));
        }
        let kept: Vec<u64> = (0..10).filter(|key| recent.get(key).is_some()).collect();
        assert_eq!(kept, [5, 6, 7, 8, 9]);
        // It is the youngest now.
        recent.put(5, version(20, 50));
        recent.put(11, version(20, 11));
        assert!(recent.get(&5).is_some() && recent.get(&6).is_none());
        assert_eq!(recent.take(&5), Some(version(20, 50)));
        recent.put(12, version(1_000, 1));
        assert_eq!((recent.get(&12).is_some(), recent.values.len()), (true, 1));
    }

    #[test]
    fn what_is_shared_counts_once() {
        let mut recent = RecentVersions::new(100);
        let base = version(90, 1);
        for key in 0..10_u64 {
            let mut copy = base.clone();
            copy.add(crate::Dot { site: SiteId::new(key + 1), seq: 9 });
            recent.put(key, copy);
        }
        assert_eq!((recent.values.len(), recent.entries), (10, 100));
        for key in 0..10 {
            recent.take(&key);
        }
        assert_eq!((recent.entries, recent.shared.len()), (0, 0));
    }
}
