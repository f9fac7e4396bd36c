use std::ops::ControlFlow;

use crate::{Alteration, Digest, IdRange, ShardRead, ShardWrite, VectorId};

/// All rows of a shard, hashed again in one transaction: a repair takes this over in a later one, so that nobody has to wait
/// for the reading.
#[derive(Clone, Debug)]
pub struct CountedRows {
    /// The digest that the rows have, and the one that the shard kept.
    digest: Digest,
    kept: Digest,
    damaged: DamagedRows,
    alterations: u64,
}

/// The rows that do not match their hashes, or cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamagedRows {
    /// How many there are.
    pub count: u64,
    /// Some of them, at most [`DamagedRows::MAX_NAMED`].
    pub named: Vec<VectorId>,
}

impl DamagedRows {
    /// The most damaged rows that are named.
    pub const MAX_NAMED: usize = 16;
}

/// Reads all rows of a shard, and computes their digest.
///
/// # Errors
/// If the storage fails.
pub fn count_rows<R: ShardRead + ?Sized>(shard: &R) -> Result<CountedRows, R::Error> {
    let (mut digest, mut damaged) = (Digest::default(), DamagedRows::default());
    shard.visit_range(&IdRange::default(), &mut |entry| {
        if entry.as_ref().is_none_or(|entry| !entry.row.is_intact()) {
            damaged.count += 1;
        }
        let Some(entry) = entry else { return ControlFlow::Continue(()) };
        digest.add(shard.shard(), &entry.id, &entry.row);
        if !entry.row.is_intact() && damaged.named.len() < DamagedRows::MAX_NAMED {
            damaged.named.push(entry.id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(CountedRows { digest, kept: shard.state().digest, damaged, alterations: shard.alterations()? })
}

/// Has the shard keep the digest that its rows have. Reads them, unless `counted` still holds: the changes since then, which
/// the kept digest has followed, change both digests alike. Returns the rows that were damaged when they were read.
pub(super) fn recount<W: ShardWrite + ?Sized>(
    shard: &mut W,
    counted: Option<&CountedRows>,
) -> Result<DamagedRows, W::Error> {
    let alterations = shard.alterations()?;
    let CountedRows { mut digest, kept, damaged, .. } =
        match counted.filter(|counted| counted.alterations == alterations) {
            Some(counted) => counted.clone(),
            None => count_rows(shard)?,
        };
    digest.absorb(&shard.state().digest);
    digest.withdraw(&kept);
    if shard.state().digest != digest {
        shard.state_mut().digest = digest;
        // What others have counted says nothing of this digest.
        shard.set_alteration(Alteration::Present)?;
        shard.count_alteration()?;
    }
    Ok(damaged)
}
