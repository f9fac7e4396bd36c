use crate::{DeltaError, Metadata, Payload, Row, ShardState, Sibling, VersionVector};

/// What every node asks of a whole row before it stores it, whether a peer sent the row, a delta holds it, or it is
/// written here: a row that is stored against these rules would be refused by every peer from then on.
///
/// The clock is not part of it: how far ahead a stamp is depends on who looks.
///
/// # Errors
/// `ERR_LIMIT` for too many versions, or too many sites in the context; `ERR_DIMENSIONS`, `ERR_VECTOR`; `ERR_ARGUMENT`
/// for metadata that is none.
pub(super) fn check_content(state: &ShardState, row: &Row) -> Result<(), DeltaError> {
    check_counts(row)?;
    let mut dimensions = state.descriptor.dimensions;
    for payload in row.siblings().iter().filter_map(Sibling::payload) {
        let (expected, found) = (*dimensions.get_or_insert(payload.dimensions()), payload.dimensions());
        if expected != found {
            return Err(DeltaError::Dimensions { expected: expected.count(), found: found.count() });
        }
        Payload::check(payload.vector())?;
        if let Some(metadata) = payload.metadata() {
            Metadata::check(metadata.as_str())?;
        }
    }
    Ok(())
}

/// The part of [`check_content`] that joining two rows can break.
///
/// # Errors
/// `ERR_LIMIT`.
pub(super) fn check_counts(row: &Row) -> Result<(), DeltaError> {
    check_count("number of versions of a vector", row.siblings().len(), Row::MAX_SIBLINGS)?;
    check_count("number of sites that changed a vector", row.context().len(), VersionVector::MAX_SITES)
}

fn check_count(what: &'static str, size: usize, limit: usize) -> Result<(), DeltaError> {
    if size <= limit {
        return Ok(());
    }
    Err(DeltaError::Limit { what, size: size as u64, limit: limit as u64 })
}
