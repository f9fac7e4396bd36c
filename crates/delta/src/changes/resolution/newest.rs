use crate::DeltaError;

use super::heads::Heads;
use crate::changes::flat::FlatRef;
use crate::changes::parse::{MetadataRule, parse};

/// The indices, in the given order, of the changes that no other change of the same delta supersedes. Changes with the
/// same dot are kept or dropped together. Neither vectors nor metadata are read.
///
/// # Errors
/// See [`resolve`](crate::changes::resolve).
pub fn newest(numbers: &[f64], text: &str) -> Result<Vec<u32>, DeltaError> {
    let mut changes = parse(FlatRef { numbers, text, vectors: &[] }, MetadataRule::Compared)?;
    // Contents are not available for comparison, even if no change has a vector.
    changes.omits_vectors = true;
    let heads = Heads::of(&changes)?;
    let mut stays = vec![false; changes.list.len()];
    for index in heads.groups().flatten() {
        stays[*index as usize] = true;
    }
    for pair in heads.duplicate_dots.chunks_exact(2) {
        stays[pair[1] as usize] = stays[pair[0] as usize];
    }
    Ok((0..).zip(stays).filter_map(|(index, stays): (u32, bool)| stays.then_some(index)).collect())
}
