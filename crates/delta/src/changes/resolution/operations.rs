use crate::sort::sort;
use crate::{DeltaError, Operation, Strategy};

use super::merge::MergedContent;
use super::resolve::{MERGED, winner};
use super::tie_break::{content, payload_hash};
use crate::changes::change::{Change, Changes};
use crate::changes::flat::{Flat, FlatRef};
use crate::changes::key::Keys;
use crate::changes::parse::{MetadataRule, argument, parse};

/// The resolution of operations without causal history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolution {
    /// As in [`Verdict`](crate::changes::Verdict): for each vector the winner, and the one or two latest operations.
    pub groups: Vec<u32>,
    /// The merged operation of each group whose winner is [`MERGED`], in the order of the groups.
    pub merged: Flat,
}

/// Resolves operations without causal history. On each side a later operation on a vector supersedes the earlier ones;
/// then the last ones of both sides are compared. Equal operations are no conflict; otherwise timestamp, payload hash
/// and operation decide, in this order, and never which side is local. Dots and histories are ignored.
///
/// The first `local_count` changes are the local ones. Metadata may be any JSON value; only objects are merged.
///
/// # Errors
/// `ERR_MANUAL_RESOLUTION` for conflicts under manual; `ERR_ARGUMENT` for a flat form that is invalid or lacks its
/// vectors; `ERR_LIMIT`, `ERR_DIMENSIONS` and `ERR_VECTOR` as in [`encode`](crate::changes::encode).
pub fn resolve_operations(
    flat: FlatRef<'_>,
    local_count: u32,
    strategy: Strategy,
) -> Result<Resolution, DeltaError> {
    let changes = parse(flat, MetadataRule::Values)?.with_vectors()?;
    if local_count as usize > changes.list.len() {
        return Err(argument(
            "localCount",
            format!("{local_count} is more than the {} operations", changes.list.len()),
        ));
    }
    let hashes: Vec<u128> = changes.list.iter().map(payload_hash).collect();
    let rank = |index: u32| content(hashes[index as usize], &changes.list[index as usize]);
    let mut order: Vec<u32> = (0..changes.list.len() as u32).collect();
    sort(&mut order, &|one, two| {
        let id = |index: u32| changes.list[index as usize].vector_id;
        id(one).cmp(id(two)).then_with(|| precedence(rank(one)).cmp(&precedence(rank(two))))
    });
    let mut resolution = Resolution::default();
    let mut merged = Vec::new();
    let mut conflicts = 0;
    for group in order
        .chunk_by(|one, two| changes.list[*one as usize].vector_id == changes.list[*two as usize].vector_id)
    {
        let last_of = |is_local: bool| {
            group.iter().copied().enumerate().rfind(|(_, index)| (*index < local_count) == is_local)
        };
        let mut latest: Vec<(usize, u32)> = [last_of(true), last_of(false)].into_iter().flatten().collect();
        if let [(_, one), (_, two)] = *latest {
            if rank(one) == rank(two) {
                latest.truncate(1);
            } else {
                conflicts += 1;
                if latest[0] > latest[1] {
                    latest.reverse();
                }
            }
        }
        let latest: Vec<u32> = latest.into_iter().map(|(_, index)| index).collect();
        let winner = winner(strategy, &changes, &latest);
        resolution.groups.extend([winner, latest.len() as u32]);
        resolution.groups.extend_from_slice(&latest);
        if winner == MERGED {
            let versions: Vec<&Change<'_>> =
                latest.iter().map(|index| &changes.list[*index as usize]).collect();
            merged.push((latest[latest.len() - 1], merge(&versions)?));
        }
    }
    if strategy == Strategy::Manual && conflicts > 0 {
        return Err(DeltaError::ManualResolution { conflicts });
    }
    resolution.merged = flat_of(&changes, &merged)?;
    Ok(resolution)
}

/// Orders by timestamp first, then by the rest of the content.
const fn precedence((hash, timestamp, operation): (u128, u64, Operation)) -> (u64, u128, Operation) {
    (timestamp, hash, operation)
}

/// Merges operations in the order in which they win. Metadata that is not an object cannot be merged; the latest is
/// kept.
fn merge(versions: &[&Change<'_>]) -> Result<MergedContent, DeltaError> {
    let mut merged = MergedContent::of(versions)?;
    let mut given = versions.iter().filter_map(|version| version.metadata);
    if !given.clone().all(|text| text.trim_start().starts_with('{')) {
        merged.metadata = given.next_back().map(str::to_owned);
    }
    Ok(merged)
}

fn flat_of(changes: &Changes<'_>, merged: &[(u32, MergedContent)]) -> Result<Flat, DeltaError> {
    let list = merged.iter().map(|(newest, content)| Change {
        operation: Operation::Update,
        dot: None,
        entries: 0..0,
        dimensions: content.dimensions(),
        vector: &content.vector,
        metadata: content.metadata.as_deref(),
        ..changes.list[*newest as usize].clone()
    });
    let keys = Keys::default();
    let merged = Changes { keys, entries: Vec::new(), list: list.collect(), ..*changes };
    Ok(merged.canonicalize(&changes.keys.texts)?.to_flat())
}
