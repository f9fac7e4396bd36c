//! What a peer says, written in one transaction each. A refusal rolls it back.

use vectr_delta::{
    Applied, Batch, ChangeSpan, DeltaError, End, HeldAnswer, HeldRow, Hello, Refusal, RemoteApply, ShardId,
    ShardRead, SiteId, SiteReset, StoreReply,
};

use crate::CoreError;
use crate::writer::Writer;

pub(super) type Outcome = Result<StoreReply, Refusal<CoreError>>;

/// Takes over what the peer says of the shard; creates the shard if it does not exist. Begins a new life instead if the
/// peer's clock shows that this node's was ahead and has been corrected.
pub(super) fn meet(writer: &mut Writer, shard: &ShardId, hello: &Hello) -> Outcome {
    if writer.reset_site_after_clock_correction(hello.clock)? {
        return Ok(StoreReply::SiteReset);
    }
    let met = writer.write_shard(shard, |shard| RemoteApply::accept_hello(shard, hello));
    met.map_err(|refusal| match refusal {
        Refusal::Shard(DeltaError::Dimensions { expected: ours, found: theirs }) => {
            Refusal::Store(CoreError::PeerDimensions { shard: shard.clone(), ours, theirs })
        }
        other => other,
    })?;
    Ok(StoreReply::HelloAccepted)
}

/// Joins the rows of `batches`.
pub(super) fn apply(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    batches: &[Batch],
) -> Outcome {
    writer.write_shard(shard, |shard| {
        let (wall, after) = (shard.wall(), shard.change_id());
        let applied = remote.apply(shard, batches, wall)?;
        Ok(StoreReply::Applied { remote, applied, changes: ChangeSpan::between(after, shard.change_id()) })
    })
}

/// Joins what the peer answers about rows that are held back.
pub(super) fn join_answer(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    asked: &[HeldRow],
    answer: &HeldAnswer,
) -> Outcome {
    writer.write_shard(shard, |shard| {
        let (wall, after) = (shard.wall(), shard.change_id());
        let applied = remote.join_answer(shard, asked, answer, wall)?;
        let changes = ChangeSpan::between(after, shard.change_id());
        Ok(StoreReply::AnswerJoined { remote, applied, changes })
    })
}

/// Joins the rows of the last `batches`, and takes over the peer's version vector.
pub(super) fn end(
    writer: &mut Writer,
    shard: &ShardId,
    mut remote: Box<RemoteApply>,
    batches: &[Batch],
    end: &End,
) -> Outcome {
    writer.connection.refresh()?;
    let before = writer.connection.committed().commit_no;
    let (learnt, applied, changes, ended) = writer.write_shard(shard, |shard| {
        let (known, after) = (shard.state().version_vector.clone(), shard.change_id());
        let applied = if batches.is_empty() {
            Applied::default()
        } else {
            let wall = shard.wall();
            remote.apply(shard, batches, wall)?
        };
        let ended = remote.end(shard, end)?;
        let changes = ChangeSpan::between(after, shard.change_id());
        Ok::<_, Refusal<CoreError>>((ended.version_vector != known, applied, changes, ended))
    })?;
    // Losing a cursor costs a second look and nothing else, so the peer need not wait for it to become durable.
    let moved_only_the_cursor = !learnt && applied.changed == 0;
    let commit_no = if moved_only_the_cursor { before } else { writer.connection.committed().commit_no };
    Ok(StoreReply::Ended { remote, applied, changes, ended, commit_no })
}

/// Takes a new site and writes this node's versions again, unless `forked` has been left already.
pub(super) fn reset_site(writer: &mut Writer, forked: SiteId) -> Outcome {
    writer.reset_site(SiteReset::Forked, forked)?;
    Ok(StoreReply::SiteReset)
}
