use super::acceptance::check_content;
use crate::{
    DeltaError, Dimensions, Dot, MAX_CLOCK_SKEW, MAX_SAFE_INTEGER, Payload, Row, ShardVersion, ShardWrite,
    Sibling, Timestamp, VectorId, replace_row,
};

/// A local write to a vector.
#[derive(Clone, Debug)]
pub enum LocalWrite {
    /// Inserts or updates the vector.
    Put(Payload),
    /// Deletes the vector, leaving a tombstone.
    Delete,
}

/// Writes a version that supersedes all versions of `old`, the current row. `wall` is this node's clock.
///
/// The first vector sets the shard's dimensions.
///
/// # Errors
/// What a peer would refuse of the row that results is refused here: `ERR_DIMENSIONS`, `ERR_VECTOR`, `ERR_ARGUMENT` for
/// metadata that is none, `ERR_LIMIT` for a vector that too many sites have changed. After any error the transaction
/// must be rolled back.
pub fn write_local<W: ShardWrite + ?Sized>(
    shard: &mut W,
    id: &VectorId,
    old: Option<&Row>,
    write: LocalWrite,
    wall: Timestamp,
) -> Result<Row, W::Error> {
    if let LocalWrite::Put(payload) = &write {
        fit_dimensions(shard, payload.dimensions())?;
    }
    let sibling = next_version(shard, old.map(Row::siblings).unwrap_or_default().iter(), write, wall)?;
    let context = old.map_or_else(|| shard.state().frontier.clone(), |row| row.context().clone());
    let new = Row::of_write(sibling, context);
    check_content(shard.state(), &new)?;
    replace_row(shard, id, old, &new)?;
    Ok(new)
}

/// Writes a version that supersedes those versions of `row`, the current row, whose dots are in `shown`, and no others.
/// At least one of them must still be in the row. `wall` is this node's clock.
///
/// # Errors
/// As [`write_local`]; the versions that remain are part of the row.
pub fn write_resolution<W: ShardWrite + ?Sized>(
    shard: &mut W,
    id: &VectorId,
    row: &Row,
    shown: &[Dot],
    write: LocalWrite,
    wall: Timestamp,
) -> Result<Row, W::Error> {
    if let LocalWrite::Put(payload) = &write {
        fit_dimensions(shard, payload.dimensions())?;
    }
    let superseded = row.siblings().iter().filter(|sibling| shown.contains(&sibling.dot()));
    let sibling = next_version(shard, superseded, write, wall)?;
    let new = row.with_replaced(shown, sibling);
    check_content(shard.state(), &new)?;
    replace_row(shard, id, Some(row), &new)?;
    Ok(new)
}

/// Makes this site's next version, which supersedes the given ones.
fn next_version<'s, W: ShardWrite + ?Sized>(
    shard: &mut W,
    superseded: impl Iterator<Item = &'s Sibling> + Clone,
    write: LocalWrite,
    wall: Timestamp,
) -> Result<Sibling, DeltaError> {
    let over = superseded.clone().any(Sibling::is_live);
    let newest = superseded.map(Sibling::timestamp).max();
    let near = newest.filter(|newest| newest.since(wall) <= MAX_CLOCK_SKEW);
    let last = Timestamp::of_write(wall, shard.last_stamp(), near);
    // A stamp far ahead is followed by this write, as this clock may well be behind, but by no other.
    let stamp = last.max(newest.map_or(last, Timestamp::next));
    let dot = next_dot(shard)?;
    shard.set_last_stamp(last);
    Ok(match write {
        LocalWrite::Put(payload) => Sibling::put(dot, stamp, over, payload),
        LocalWrite::Delete => Sibling::tombstone(dot, stamp),
    })
}

/// Allocates this site's next dot and adds it to the version vector.
pub(crate) fn next_dot<W: ShardWrite + ?Sized>(shard: &mut W) -> Result<Dot, DeltaError> {
    let site = shard.origin().site;
    let version_vector = &shard.state().version_vector;
    let seq = version_vector.seq(site) + 1;
    if seq == 1 && version_vector.len() >= ShardVersion::MAX_SITES {
        let (size, limit) = (version_vector.len() as u64 + 1, ShardVersion::MAX_SITES as u64);
        return Err(DeltaError::Limit { what: "number of sites that changed a shard", size, limit });
    }
    if seq > MAX_SAFE_INTEGER {
        return Err(DeltaError::Number { what: "change number", value: seq });
    }
    let dot = Dot { site, seq };
    shard.state_mut().version_vector.add(dot);
    Ok(dot)
}

fn fit_dimensions<W: ShardWrite + ?Sized>(shard: &mut W, found: Dimensions) -> Result<(), DeltaError> {
    match shard.state().descriptor.dimensions {
        None => shard.state_mut().descriptor.dimensions = Some(found),
        Some(expected) if expected != found => {
            return Err(DeltaError::Dimensions { expected: expected.count(), found: found.count() });
        }
        Some(_) => {}
    }
    Ok(())
}
