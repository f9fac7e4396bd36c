use std::collections::HashMap;
use std::hash::Hash;

/// How many of something each has, and whether anybody has more than a share.
pub(super) struct Tally<K> {
    counts: HashMap<K, usize>,
    share: usize,
    /// How many have more than the share.
    heavy: usize,
}

impl<K: Eq + Hash + Copy> Tally<K> {
    pub(super) fn new(share: usize) -> Self {
        Self { counts: HashMap::new(), share, heavy: 0 }
    }

    pub(super) fn add(&mut self, key: K) {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        if *count == self.share + 1 {
            self.heavy += 1;
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        let Some(count) = self.counts.get_mut(key) else { return };
        if *count == self.share + 1 {
            self.heavy -= 1;
        }
        *count -= 1;
        if *count == 0 {
            self.counts.remove(key);
        }
    }

    pub(super) const fn is_any_heavy(&self) -> bool {
        self.heavy > 0
    }

    /// Whether somebody else has more than the share.
    pub(super) fn is_heavy_beside(&self, key: &K) -> bool {
        self.heavy > usize::from(self.count(key) > self.share)
    }

    /// Whether one more is no more than the share.
    pub(super) fn is_within_share(&self, key: &K) -> bool {
        self.count(key) < self.share
    }

    /// Who has most, if that is more than the share, and more than `key` would have with one of them.
    pub(super) fn heaviest_beside(&self, key: &K) -> Option<K> {
        if !self.is_heavy_beside(key) {
            return None;
        }
        let (heaviest, most) = self.counts.iter().max_by_key(|(_, count)| **count)?;
        (*most > self.share.max(self.count(key) + 1)).then_some(*heaviest)
    }

    fn count(&self, key: &K) -> usize {
        self.counts.get(key).copied().unwrap_or_default()
    }
}
