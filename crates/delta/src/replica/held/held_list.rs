use std::collections::BTreeMap;

use crate::{CommitNo, HeldRow, HeldStamp, SiteId, VectorId, VersionVector};

/// A list of held rows in memory, as a session knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldList {
    rows: BTreeMap<VectorId, Entry>,
    /// How many sites the rows have together.
    sites: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    context: VersionVector,
    revision: CommitNo,
}

impl HeldList {
    pub(super) fn insert(&mut self, row: HeldRow) {
        let HeldRow { id, context, revision } = row;
        self.sites += context.len();
        if let Some(old) = self.rows.insert(id, Entry { context, revision }) {
            self.sites -= old.context.len();
        }
    }

    /// Removes a row, and returns its revision.
    pub(super) fn remove(&mut self, id: &VectorId) -> Option<CommitNo> {
        let old = self.rows.remove(id)?;
        self.sites -= old.context.len();
        Some(old.revision)
    }

    /// What may be missing of this vector.
    pub(super) fn context(&self, id: &VectorId) -> Option<&VersionVector> {
        self.rows.get(id).map(|entry| &entry.context)
    }

    /// Whether the row stands here as it did when it was asked for.
    pub(super) fn is_unchanged(&self, asked: &HeldRow) -> bool {
        self.rows.get(&asked.id).is_some_and(|entry| entry.revision == asked.revision)
    }

    /// Whether a list may have this row besides the others, or in place of what it has of the vector.
    pub(super) fn has_room_for(&self, row: &HeldRow) -> bool {
        let before = self.context(&row.id).map_or(0, VersionVector::len);
        let sites = self.sites - before + row.context.len();
        row.context.len() <= HeldRow::MAX_SITES && sites <= HeldRow::MAX_ENTRIES
    }

    pub(super) fn stamp(&self) -> HeldStamp {
        let revisions = self.rows.values().map(|entry| entry.revision);
        HeldStamp { rows: self.rows.len() as u64, revision: revisions.max().unwrap_or_default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &VectorId> {
        self.rows.keys()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = HeldRow> + '_ {
        self.rows.iter().map(|(id, Entry { context, revision })| HeldRow {
            id: id.clone(),
            context: context.clone(),
            revision: *revision,
        })
    }

    /// The sites of all rows; `None` if those of one are unknown.
    pub(super) fn sites(&self) -> Option<impl Iterator<Item = SiteId> + '_> {
        let contexts = || self.rows.values().map(|entry| &entry.context);
        let are_known = !contexts().any(VersionVector::is_empty);
        are_known.then(|| contexts().flat_map(VersionVector::iter).map(|(site, _)| site))
    }
}

impl FromIterator<HeldRow> for HeldList {
    fn from_iter<I: IntoIterator<Item = HeldRow>>(rows: I) -> Self {
        let mut list = Self::default();
        rows.into_iter().for_each(|row| list.insert(row));
        list
    }
}
