use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use vectr_delta::changes::{DeltaBudget, DeltaRows, StoredChange, encode_rows};
use vectr_delta::{ChangeId, NodeName, ShardRead, SiteId, Timestamp, VectorId, VectorRow, VisitedRow};

use crate::CoreError;
use crate::storage::snapshot::ReadShard;

/// The most rows of one part of the changes of a shard.
pub(super) const CHANGES_AT_ONCE: usize = 256;
/// About the most bytes of it.
pub(super) const BYTES_AT_ONCE: usize = 1 << 20;

/// The rows to select.
pub(super) struct RowSelection<'a> {
    pub(super) after: ChangeId,
    pub(super) to: ChangeId,
    pub(super) most: usize,
    /// The last row passes this, if it comes to that.
    pub(super) bytes: usize,
    pub(super) answered: Option<&'a DeltaRows>,
}

pub(super) struct SelectedRows {
    pub(super) rows: Vec<StoredChange>,
    /// The first row that did not fit.
    pub(super) left: Option<ChangeId>,
    /// The row behind them that ended the selection, which can be no change.
    unfit: Option<Unfit>,
}

pub(super) struct Unfit {
    pub(super) change_id: ChangeId,
    id: VectorId,
    why: Why,
}

enum Why {
    Damaged,
    /// It has more than a delta holds, by itself.
    Large,
}

impl RowSelection<'_> {
    pub(super) fn select(&self, shard: &ReadShard<'_>) -> Result<SelectedRows, CoreError> {
        let mut found = SelectedRows { rows: Vec::new(), left: None, unfit: None };
        let (mut space, mut bytes) = (DeltaBudget::default(), 0);
        shard.visit_rows(self.after, None, &mut |change_id, row| {
            if change_id > self.to {
                return ControlFlow::Break(());
            }
            let entry = match row {
                VisitedRow::Covered => return ControlFlow::Continue(()),
                VisitedRow::Row(entry) if self.is_known(&entry) => return ControlFlow::Continue(()),
                VisitedRow::Row(entry) if entry.row.is_intact() => entry,
                VisitedRow::Row(VectorRow { id, .. }) | VisitedRow::Unreadable(id) => {
                    found.unfit = Some(Unfit { change_id, id, why: Why::Damaged });
                    return ControlFlow::Break(());
                }
            };
            if found.rows.len() == self.most || bytes >= self.bytes || !space.take(&entry) {
                if found.rows.is_empty() && self.most > 0 {
                    found.unfit = Some(Unfit { change_id, id: entry.id, why: Why::Large });
                }
                found.left = Some(change_id);
                return ControlFlow::Break(());
            }
            bytes += entry.weight();
            found.rows.push(StoredChange { change_id, entry });
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn is_known(&self, entry: &VectorRow) -> bool {
        self.answered.is_some_and(|delta| delta.shows(entry))
    }
}

impl SelectedRows {
    /// These rows, unless one that can be no change follows them.
    pub(super) fn sound(self, shard: &ReadShard<'_>) -> Result<Self, CoreError> {
        match &self.unfit {
            Some(unfit) => Err(unfit.error(shard)),
            None => Ok(self),
        }
    }

    /// The row that can be no change, if there is none before it.
    pub(super) fn first_is_unfit(&self) -> Option<&Unfit> {
        self.unfit.as_ref().filter(|_| self.rows.is_empty())
    }

    pub(super) fn encode(&self, shard: &ReadShard<'_>, timestamp: Timestamp) -> Result<Vec<u8>, CoreError> {
        let mut names: BTreeMap<SiteId, Option<NodeName>> = BTreeMap::new();
        for (site, _) in self.rows.iter().flat_map(|stored| stored.entry.row.context().iter()) {
            if let Entry::Vacant(unasked) = names.entry(site) {
                unasked.insert(shard.site_name(site)?);
            }
        }
        let names = names.into_iter().filter_map(|(site, name)| Some((site, name?))).collect();
        Ok(encode_rows(shard.shard(), &self.rows, &names, timestamp)?)
    }
}

impl Unfit {
    pub(super) fn error(&self, shard: &ReadShard<'_>) -> CoreError {
        let (shard, id) = (shard.shard(), &self.id);
        match self.why {
            Why::Damaged => CoreError::damaged_vector(shard, id),
            Why::Large => CoreError::DeltaRowSize { shard: shard.clone(), id: id.clone() },
        }
    }
}
