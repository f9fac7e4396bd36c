use std::ops::ControlFlow;

use vectr_delta::{Applied, Batch, Ended, Held, ShardVersion, Sibling, StoreReply, StoreRequest, Timestamp};

/// Answers what would write to a shard for a peer that may only read it: nothing is taken in, neither its rows nor what
/// it claims of itself, and the peer hears so. What only reads goes on.
pub(crate) fn withhold(request: StoreRequest, clock: Timestamp) -> ControlFlow<StoreReply, StoreRequest> {
    let reply = match request {
        StoreRequest::AcceptHello(_) => StoreReply::HelloAccepted,
        StoreRequest::Apply { remote, batches } => {
            StoreReply::Applied { remote, applied: refused(&batches, clock), changes: None }
        }
        // Its version vector would claim changes that were never taken in. Ours is not confirmed either: nothing of
        // the peer's became durable here.
        StoreRequest::End { remote, batches, .. } => StoreReply::Ended {
            remote,
            applied: refused(&batches, clock),
            changes: None,
            ended: Ended {
                version_vector: ShardVersion::default(),
                digests_differ: false,
                deferred: false,
                further_sites: 0,
            },
            commit_no: 0,
        },
        StoreRequest::JoinAnswer { remote, answer, .. } => {
            let rows = std::slice::from_ref(&answer.rows);
            StoreReply::AnswerJoined { remote, applied: refused(rows, clock), changes: None }
        }
        StoreRequest::JoinRange { remote, rows, .. } => {
            StoreReply::RangeJoined { remote, applied: refused(&[rows], clock), changes: None }
        }
        // A repair that joins nothing leaves the shard as much in need of one as before.
        StoreRequest::SettleRepair(_) => StoreReply::RepairSettled,
        request => return ControlFlow::Continue(request),
    };
    ControlFlow::Break(reply)
}

fn refused(batches: &[Batch], clock: Timestamp) -> Applied {
    let mut applied = Applied::default();
    for batch in batches {
        applied.received += batch.rows.len() as u64;
        applied.held.extend(held(batch, clock));
    }
    applied
}

fn held(batch: &Batch, clock: Timestamp) -> Option<Held> {
    let stamps = batch.rows.iter().flat_map(|entry| entry.row.siblings()).map(Sibling::timestamp);
    let newest = stamps.max()?;
    let shown = batch.rows.iter().take(Held::MAX_SHOWN).map(|entry| entry.id.clone()).collect();
    Some(Held { code: FORBIDDEN.into(), rows: batch.rows.len() as u64, shown, newest, clock })
}

/// The code of what a peer has no right to.
pub(crate) const FORBIDDEN: &str = "ERR_FORBIDDEN";
