use vectr_core::replication::serve_blocking;
use vectr_core::{CoreError, VectrDB};
use vectr_delta::{Fingerprint, Hello, ShardId, StoreReply, StoreRequest, Strategy};

use crate::limits::bounds::LIMIT;
use crate::limits::peer_limits::PeerLimits;

/// A shard that may not exist, in a session that a peer has opened. Nothing is made before the peer's Hello is accepted,
/// which takes the right to write.
#[derive(Default)]
pub(crate) struct NewShard {
    may_be_missing: bool,
}

impl NewShard {
    /// This node's Hello reads as that of a shard that does not exist.
    pub(crate) const fn note_missing(&mut self) {
        self.may_be_missing = true;
    }

    pub(crate) const fn may_be_missing(&self) -> bool {
        self.may_be_missing
    }

    /// Accepts the Hello of a peer that may write. A shard that does not exist is made for it, with the configured
    /// strategy, unless the peer has made too many. Blocks on storage.
    pub(crate) fn accept_hello(
        db: &VectrDB,
        shard: &ShardId,
        peer: Option<Fingerprint>,
        limits: &PeerLimits,
        strategy: Option<Strategy>,
        hello: Box<Hello>,
    ) -> StoreReply {
        match make(db, shard, peer, limits, strategy) {
            Ok(Ok(())) => serve_blocking(db, shard, StoreRequest::AcceptHello(hello)),
            Ok(Err(reason)) => StoreReply::Failed { code: LIMIT.into(), reason, retry: false },
            Err(error) => StoreReply::Failed {
                code: error.code().into(),
                reason: error.to_string(),
                retry: error.is_transient(),
            },
        }
    }
}

fn make(
    db: &VectrDB,
    shard: &ShardId,
    peer: Option<Fingerprint>,
    limits: &PeerLimits,
    strategy: Option<Strategy>,
) -> Result<Result<(), String>, CoreError> {
    if db.has_shard(shard)? {
        return Ok(Ok(()));
    }
    if let Some(Err(reason)) =
        peer.map(|peer| db.shards().map(|all| limits.take_shard(peer, shard, all.len()))).transpose()?
    {
        return Ok(Err(reason));
    }
    match strategy {
        Some(strategy) => db.set_strategy(shard, strategy).map(Ok),
        None => Ok(Ok(())),
    }
}
