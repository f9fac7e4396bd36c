use std::cmp::Ordering;

use xxhash_rust::xxh3::Xxh3Default;

use crate::{DeltaError, Operation};

use super::change::{Change, Changes};
use super::flat::FlatRef;
use super::parse::{Metadatas, parse};

/// Of several changes with one number but different contents, which come only from a copied file, the index of the one
/// that stays everywhere: the greatest by payload hash, timestamp and operation; of equal ones that with the smallest
/// change id.
///
/// # Errors
/// `ERR_ARGUMENT` for no changes, for changes without their vectors and for a flat form that is none; `ERR_LIMIT`,
/// `ERR_DIMENSIONS` and `ERR_VECTOR` as everywhere.
pub fn greater(flat: FlatRef<'_>) -> Result<u32, DeltaError> {
    let changes = parse(flat, Metadatas::Compared)?.with_vectors()?;
    let mut indices = 0..changes.list.len() as u32;
    let first = indices
        .next()
        .ok_or_else(|| DeltaError::Argument { what: "changes", reason: "give at least one".to_owned() })?;
    let mut kept = Kept::new(&changes, first);
    for index in indices {
        kept.meet(index);
    }
    Ok(kept.index)
}

/// The one that stays of the changes with one number that were met so far.
pub(super) struct Kept<'c, 'a> {
    changes: &'c Changes<'a>,
    pub(super) index: u32,
    /// Computed once something different was met.
    hash: Option<u128>,
}

impl<'c, 'a> Kept<'c, 'a> {
    pub(super) const fn new(changes: &'c Changes<'a>, index: u32) -> Self {
        Self { changes, index, hash: None }
    }

    pub(super) fn meet(&mut self, index: u32) {
        let (mine, theirs) = (&self.changes.list[self.index as usize], &self.changes.list[index as usize]);
        let twins = self.changes.order_of_twins(mine, theirs);
        if is_same(mine, theirs) {
            if twins == Ordering::Greater {
                self.index = index;
            }
            return;
        }
        let my_hash = *self.hash.get_or_insert_with(|| payload_hash(mine));
        let their_hash = payload_hash(theirs);
        let order = content(my_hash, mine).cmp(&content(their_hash, theirs)).then(twins.reverse());
        if order == Ordering::Less {
            (self.index, self.hash) = (index, Some(their_hash));
        }
    }
}

/// Whether two changes put the same bytes at the same time.
pub(super) fn is_same(one: &Change<'_>, two: &Change<'_>) -> bool {
    one.timestamp == two.timestamp
        && one.operation == two.operation
        && one.metadata == two.metadata
        && one.vector == two.vector
}

/// What changes with one number are compared by.
pub(super) const fn content(hash: u128, change: &Change<'_>) -> (u128, u64, Operation) {
    (hash, change.timestamp, change.operation)
}

/// The hash of a payload as rows have it; 0 for a delete that carries nothing.
pub(super) fn payload_hash(change: &Change<'_>) -> u128 {
    if !change.is_live() && change.metadata.is_none() {
        return 0;
    }
    let mut hasher = Xxh3Default::new();
    hasher.update(&(change.vector.len() as u64).to_le_bytes());
    hasher.update(change.vector);
    if let Some(metadata) = change.metadata {
        hasher.update(&[1]);
        hasher.update(metadata.as_bytes());
    }
    hasher.digest128()
}

/// A hash as 32 hexadecimal digits.
pub(super) fn hex(hash: u128, out: &mut String) {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.to_be_bytes()) {
        (pair[0], pair[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
    out.push_str(std::str::from_utf8(&digits).expect("digits are ASCII"));
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
