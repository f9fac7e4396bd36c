use std::cmp::Ordering;
use std::ops::Range;

use crate::sort::sort_by;
use crate::{DeltaError, Dot, Operation, SiteId};

use crate::changes::key::Keys;

/// One change. Borrows its texts and its vector.
#[derive(Clone, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) vector_id: &'a str,
    pub(crate) id: u64,
    pub(crate) timestamp: u64,
    pub(crate) operation: Operation,
    /// Index of the key that names its source.
    pub(crate) source: u32,
    /// Its dot, if it has an explicit one: the key's index and the sequence number.
    pub(crate) dot: Option<(u32, u64)>,
    /// Its range of [`Changes::entries`].
    pub(crate) entries: Range<u32>,
    /// 0 if there is no vector.
    pub(crate) dimensions: u32,
    /// Empty if there is none, or if vectors were omitted.
    pub(crate) vector: &'a [u8],
    pub(crate) metadata: Option<&'a str>,
}

impl Change<'_> {
    pub(crate) fn is_live(&self) -> bool {
        self.operation != Operation::Delete
    }
}

/// Validated changes of one shard. The keys are sorted, and so are the entries of each change.
pub(crate) struct Changes<'a> {
    pub(crate) shard: &'a str,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The delta's timestamp; 0 means that of the newest change.
    pub(crate) timestamp: u64,
    pub(crate) keys: Keys<'a>,
    /// Key index and sequence number, of all changes.
    pub(crate) entries: Vec<(u32, u64)>,
    pub(crate) list: Vec<Change<'a>>,
    /// Whether there are vectors that were omitted.
    pub(crate) omits_vectors: bool,
    /// Whether keys and entries were given in order, and every key is used.
    pub(crate) was_canonical: bool,
}

impl<'a> Changes<'a> {
    /// Sorts the keys, drops unused ones, and updates all indices of keys.
    ///
    /// Before, the keys in `list` and `entries` are indices into `given`.
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
                let reason = format!("the key '{}' is given twice", self.keys.text(pair[0].0));
                return Err(DeltaError::Argument { what: "versionVector", reason });
            }
        }
        Ok(())
    }

    /// The causal history of a change: key indices and sequence numbers.
    pub(crate) fn history(&self, change: &Change<'_>) -> &[(u32, u64)] {
        &self.entries[change.entries.start as usize..change.entries.end as usize]
    }

    /// The dot of each change; its site is the rank of its key.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a change without a dot.
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
            "change {index} of vector '{}' has no dot: give it one, or an entry for its sourceNode '{source}' in its \
             versionVector",
            change.vector_id
        );
        DeltaError::Argument { what: "change", reason }
    }

    fn dot(&self, change: &Change<'_>) -> Option<Dot> {
        let (key, seq) = change.dot.or_else(|| {
            let rank = self.keys.rank(change.source);
            // Two names of one site are adjacent; the greater number is the site's.
            let own = self.history(change).iter().filter(|(key, _)| self.keys.rank(*key) == rank);
            own.copied().max_by_key(|(_, seq)| *seq).filter(|(_, seq)| *seq > 0)
        })?;
        Some(Dot { site: SiteId::new(u64::from(self.keys.rank(key))), seq })
    }

    /// The key of a change's dot.
    pub(crate) fn dot_key(&self, change: &Change<'_>) -> u32 {
        change.dot.map_or(change.source, |(key, _)| key)
    }

    /// Orders changes with the same dot and content by their other fields.
    pub(crate) fn order_of_duplicates(&self, one: &Change<'_>, two: &Change<'_>) -> Ordering {
        (one.id, one.source, one.dot)
            .cmp(&(two.id, two.source, two.dot))
            .then_with(|| self.history(one).cmp(self.history(two)))
    }

    /// The delta's timestamp.
    pub(crate) fn stamp(&self) -> u64 {
        match self.timestamp {
            0 => self.list.iter().map(|change| change.timestamp).max().unwrap_or_default(),
            given => given,
        }
    }

    /// Refuses changes whose vectors were omitted.
    pub(crate) fn with_vectors(self) -> Result<Self, DeltaError> {
        if self.omits_vectors {
            let reason = "the dimensions are given, but not the components".to_owned();
            return Err(DeltaError::Argument { what: "vectors", reason });
        }
        Ok(self)
    }
}
