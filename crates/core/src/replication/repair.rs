//! What a repair reads and writes.

use vectr_delta::{
    Batch, ChangeSpan, IdRange, PageSize, Preference, RangeDigest, Refusal, RemoteApply, Repaired, ShardId,
    ShardRead, ShardSummary, ShardVersion, StoreReply, compare_ranges, read_range, settle_repair,
    split_ranges,
};

use crate::replication::write::Outcome;
use crate::writer::Writer;
use crate::{CoreError, VectrDB};

/// Divides ranges of this node's rows.
pub(super) fn split(db: &VectrDB, shard: &ShardId, ranges: Vec<IdRange>) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let digests = db.read(move |snapshot| split_ranges(&snapshot.shard(&shard)?, &ranges))?;
    Ok(StoreReply::RangeDigests(Box::new(digests)))
}

/// Compares ranges of the peer's rows with this node's.
pub(super) fn compare(
    db: &VectrDB,
    shard: &ShardId,
    theirs: Vec<RangeDigest>,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let counts = db.read(move |snapshot| compare_ranges(&snapshot.shard(&shard)?, &theirs))?;
    Ok(StoreReply::RangeCounts(Box::new(counts)))
}

/// Reads rows of a range.
pub(super) fn read(
    db: &VectrDB,
    shard: &ShardId,
    range: IdRange,
    size: PageSize,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let page = db.read(move |snapshot| read_range(&snapshot.shard(&shard)?, &range, size))?;
    Ok(StoreReply::RangePage(Box::new(page)))
}

/// Joins the peer's rows of a range.
pub(super) fn join(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    rows: &Batch,
    preference: Preference,
) -> Outcome {
    writer.write_shard(shard, |shard| {
        let (wall, after) = (shard.wall(), shard.change_id());
        let applied = remote.join_range(shard, rows, wall, preference)?;
        Ok(StoreReply::RangeJoined {
            remote,
            applied,
            changes: ChangeSpan::between(after, shard.change_id()),
        })
    })
}

/// Ends a repair.
pub(super) fn finish(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    matches: bool,
) -> Outcome {
    let (remote, repaired) = writer.write_shard(shard, |shard| {
        let repaired = remote.finish_repair(shard, matches)?;
        Ok::<_, Refusal<CoreError>>((remote, repaired))
    })?;
    let commit_no = writer.connection.committed().commit_no;
    Ok(StoreReply::RepairFinished { remote, repaired, commit_no })
}

/// Ends a repair that has written nothing.
pub(super) fn finish_unwritten(
    db: &VectrDB,
    shard: &ShardId,
    remote: Box<RemoteApply>,
) -> Result<StoreReply, CoreError> {
    let shard = shard.clone();
    let (summary, commit_no) = db.read(move |snapshot| {
        let shard = snapshot.shard(&shard)?;
        let state = shard.state();
        let summary = ShardSummary {
            version_vector: state.version_vector.clone(),
            digest: state.digest,
            tight: state.is_tight(),
        };
        Ok((summary, shard.commit_no()))
    })?;
    Ok(StoreReply::RepairFinished { remote, repaired: Repaired { summary, damaged: 0 }, commit_no })
}

/// Notes whether the shard remains to be repaired.
pub(super) fn settle(writer: &mut Writer, shard: &ShardId, peer: &ShardVersion) -> Outcome {
    writer.write_shard(shard, |shard| settle_repair(shard, peer))?;
    Ok(StoreReply::RepairSettled)
}
