//! Requests to a database's storage port, with replies of the kind asked for.

use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    Batch, ChangeId, Fingerprint, Hello, HelloOffer, Page, PageSize, RemoteApply, ShardId, ShardVersion,
    StoreReply, StoreRequest,
};

use crate::BenchError;

/// Reads a Hello for a peer.
///
/// # Errors
/// Where storage fails.
pub fn read_hello(
    db: &VectrDB,
    shard: &ShardId,
    peer: Fingerprint,
    offer: HelloOffer,
) -> Result<Hello, BenchError> {
    match serve_blocking(db, shard, StoreRequest::ReadHello { peer, offer }) {
        StoreReply::Hello { hello, .. } => Ok(*hello),
        other => Err(unexpected(&other)),
    }
}

/// Takes a peer's Hello over.
///
/// # Errors
/// Where the peer is refused, or storage fails.
pub fn meet(db: &VectrDB, shard: &ShardId, hello: &Hello) -> Result<(), BenchError> {
    match serve_blocking(db, shard, StoreRequest::AcceptHello(Box::new(hello.clone()))) {
        StoreReply::HelloAccepted => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// Reads a page for a peer that holds nothing.
///
/// # Errors
/// Where storage fails.
pub fn read_page(db: &VectrDB, shard: &ShardId, after: ChangeId) -> Result<Page, BenchError> {
    let (filter, size) = (Some(ShardVersion::new()), PageSize::default());
    match serve_blocking(db, shard, StoreRequest::ReadPage { after, filter, size, counts: false }) {
        StoreReply::Page(page) => Ok(*page),
        other => Err(unexpected(&other)),
    }
}

/// Joins batches of a peer, in one transaction.
///
/// # Errors
/// Where the rows are refused, or storage fails.
pub fn apply(
    db: &VectrDB,
    shard: &ShardId,
    remote: Box<RemoteApply>,
    batches: Vec<Batch>,
) -> Result<Box<RemoteApply>, BenchError> {
    match serve_blocking(db, shard, StoreRequest::Apply { remote, batches }) {
        StoreReply::Applied { remote, .. } => Ok(remote),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(reply: &StoreReply) -> BenchError {
    format!("storage answers {reply:?}").into()
}
