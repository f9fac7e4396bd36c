use crate::{Fingerprint, HelloOffer, PageSize, ShardId};

/// How a session is set up.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The fingerprint of the certificate that the peer presented.
    pub peer: Fingerprint,
    /// The shard to sync.
    pub shard: ShardId,
    /// What this node's Hello says besides the shard's state.
    pub offer: HelloOffer,
    /// How large a page may get.
    pub page: PageSize,
    /// Whether to store how far the peer's changelog was read.
    pub keeps_cursor: bool,
}
