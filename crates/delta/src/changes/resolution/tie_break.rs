use std::cmp::Ordering;

use crate::Operation;

use crate::changes::change::{Change, Changes};
use crate::changes::hash::Hash;

/// Keeps one of several changes with the same dot. Duplicate dots with different contents come only from a copied file:
/// every node keeps the greatest by payload hash, timestamp and operation, and of equal ones that with the smallest
/// change id.
pub(crate) struct TieBreak<'c, 'a> {
    changes: &'c Changes<'a>,
    pub(crate) index: u32,
    /// Computed when the first different change is added.
    hash: Option<u128>,
}

impl<'c, 'a> TieBreak<'c, 'a> {
    pub(crate) const fn new(changes: &'c Changes<'a>, index: u32) -> Self {
        Self { changes, index, hash: None }
    }

    pub(crate) fn add(&mut self, index: u32) {
        let (mine, theirs) = (&self.changes.list[self.index as usize], &self.changes.list[index as usize]);
        let by_rest = self.changes.order_of_duplicates(mine, theirs);
        if is_same(mine, theirs) {
            if by_rest == Ordering::Greater {
                self.index = index;
            }
            return;
        }
        let my_hash = *self.hash.get_or_insert_with(|| payload_hash(mine));
        let their_hash = payload_hash(theirs);
        let order = content(my_hash, mine).cmp(&content(their_hash, theirs)).then(by_rest.reverse());
        if order == Ordering::Less {
            (self.index, self.hash) = (index, Some(their_hash));
        }
    }
}

/// Whether two changes have the same content and timestamp.
pub(crate) fn is_same(one: &Change<'_>, two: &Change<'_>) -> bool {
    one.timestamp == two.timestamp
        && one.operation == two.operation
        && one.metadata == two.metadata
        && one.vector == two.vector
}

/// What changes with the same dot are compared by.
pub(crate) const fn content(hash: u128, change: &Change<'_>) -> (u128, u64, Operation) {
    (hash, change.timestamp, change.operation)
}

/// The hash of a payload, as in rows; 0 for a delete without metadata.
pub(crate) fn payload_hash(change: &Change<'_>) -> u128 {
    if !change.is_live() && change.metadata.is_none() {
        return 0;
    }
    let mut hash = Hash::new();
    hash.add(&(change.vector.len() as u64).to_le_bytes());
    hash.add(change.vector);
    if let Some(metadata) = change.metadata {
        hash.add(&[1]);
        hash.add(metadata.as_bytes());
    }
    hash.value()
}
