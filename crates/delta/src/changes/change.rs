use std::cmp::Ordering;
use std::ops::Range;

use crate::sort::sort_by;
use crate::{DeltaError, Dot, Operation, SiteId};

use crate::changes::key::Keys;

/// One change, its texts and its vector borrowed.
#[derive(Clone, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) vector_id: &'a str,
    pub(crate) id: u64,
    pub(crate) timestamp: u64,
    pub(crate) operation: Operation,
    /// Index of the key that names who made it.
    pub(crate) source: u32,
    /// Its own number, where it brings one: the key's index and the number.
    pub(crate) dot: Option<(u32, u64)>,
    /// Its part of [`Changes::entries`].
    pub(crate) entries: Range<u32>,
    /// 0 where there is no vector.
    pub(crate) dimensions: u32,
    /// Empty where there is none, or where vectors were left out.
    pub(crate) vector: &'a [u8],
    pub(crate) metadata: Option<&'a str>,
}

impl Change<'_> {
    pub(crate) fn is_live(&self) -> bool {
        self.operation != Operation::Delete
    }
}

/// Changes of one shard, checked: keys in order, the entries of each change in the order of keys.
pub(crate) struct Changes<'a> {
    pub(crate) shard: &'a str,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Of the whole; 0 stands for the newest change's.
    pub(crate) timestamp: u64,
    pub(crate) keys: Keys<'a>,
    /// Key and number, of all changes.
    pub(crate) entries: Vec<(u32, u64)>,
    pub(crate) list: Vec<Change<'a>>,
    /// Whether vectors were left out although there are some.
    pub(crate) omits_vectors: bool,
    /// Whether keys and entries came in order, and no key without use.
    pub(crate) was_canonical: bool,
}

impl<'a> Changes<'a> {
    /// Brings keys into order, leaves out those that nothing uses, and renames them everywhere.
    ///
    /// The keys in `list` and `entries` are indices into `given`.
    pub(crate) fn canonicalize(mut self, given: &[&'a str]) -> Result<Self, DeltaError> {
        let mut is_used = vec![false; given.len()];
        for change in &self.list {
            is_used[change.source as usize] = true;
            if let Some((key, _)) = change.dot {
                is_used[key as usize] = true;
            }
        }
        for (key, _) in &self.entries {
            is_used[*key as usize] = true;
        }
        let mut renamed = vec![0; given.len()];
        let mut used = Vec::with_capacity(given.len());
        for (index, key) in given.iter().enumerate().filter(|(index, _)| is_used[*index]) {
            renamed[index] = used.len() as u32;
            used.push(*key);
        }
        let (keys, places) = Keys::new(&used);
        self.was_canonical = used.len() == given.len() && places.is_sorted_by(|one, two| one < two);
        for index in &mut renamed {
            *index = places.get(*index as usize).copied().unwrap_or_default();
        }
        self.keys = keys;
        self.rename(&renamed)?;
        Ok(self)
    }

    fn rename(&mut self, renamed: &[u32]) -> Result<(), DeltaError> {
        for (key, _) in &mut self.entries {
            *key = renamed[*key as usize];
        }
        for change in &mut self.list {
            change.source = renamed[change.source as usize];
            if let Some((key, _)) = &mut change.dot {
                *key = renamed[*key as usize];
            }
            let entries = &mut self.entries[change.entries.start as usize..change.entries.end as usize];
            if !entries.is_sorted() {
                self.was_canonical = false;
                sort_by(entries, Ord::cmp);
            }
            if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let reason = format!("the key '{}' stands twice", self.keys.text(pair[0].0));
                return Err(DeltaError::Argument { what: "versionVector", reason });
            }
        }
        Ok(())
    }

    /// The causal history of a change: keys and numbers.
    pub(crate) fn history(&self, change: &Change<'_>) -> &[(u32, u64)] {
        &self.entries[change.entries.start as usize..change.entries.end as usize]
    }

    /// The own number of each change, its site being the rank of its key.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a change that has none.
    pub(crate) fn dots(&self) -> Result<Vec<Dot>, DeltaError> {
        let mut dots = Vec::with_capacity(self.list.len());
        for (index, change) in self.list.iter().enumerate() {
            dots.push(self.dot(change).ok_or_else(|| self.without_number(index, change))?);
        }
        Ok(dots)
    }

    fn without_number(&self, index: usize, change: &Change<'_>) -> DeltaError {
        let source = self.keys.text(change.source);
        let reason = format!(
            "change {index} of vector '{}' has no number of its own: give it a dot, or an entry for its sourceNode \
             '{source}' in its versionVector",
            change.vector_id
        );
        DeltaError::Argument { what: "change", reason }
    }

    fn dot(&self, change: &Change<'_>) -> Option<Dot> {
        let (key, seq) = change.dot.or_else(|| {
            let rank = self.keys.rank(change.source);
            // Two names of one site stand side by side: the greater number is the site's.
            let own = self.history(change).iter().filter(|(key, _)| self.keys.rank(*key) == rank);
            own.copied().max_by_key(|(_, seq)| *seq).filter(|(_, seq)| *seq > 0)
        })?;
        Some(Dot { site: SiteId::new(u64::from(self.keys.rank(key))), seq })
    }

    /// The key of a change's own number.
    pub(crate) fn dot_key(&self, change: &Change<'_>) -> u32 {
        change.dot.map_or(change.source, |(key, _)| key)
    }

    /// An order of changes with one number and equal content, by what else they say.
    pub(crate) fn order_of_duplicates(&self, one: &Change<'_>, two: &Change<'_>) -> Ordering {
        (one.id, one.source, one.dot)
            .cmp(&(two.id, two.source, two.dot))
            .then_with(|| self.history(one).cmp(self.history(two)))
    }

    /// The stamp of the whole.
    pub(crate) fn stamp(&self) -> u64 {
        match self.timestamp {
            0 => self.list.iter().map(|change| change.timestamp).max().unwrap_or_default(),
            given => given,
        }
    }

    /// Refuses changes whose vectors were left out.
    pub(crate) fn with_vectors(self) -> Result<Self, DeltaError> {
        if self.omits_vectors {
            let reason = "dimensions are given, but no components".to_owned();
            return Err(DeltaError::Argument { what: "vectors", reason });
        }
        Ok(self)
    }
}
