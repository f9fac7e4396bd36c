use crate::{ChangeId, ChangelogId, Fingerprint, Hello, NodeName, ShardVersion};

/// What a peer has confirmed to hold durably of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// The fingerprint of the peer's certificate.
    pub peer: Fingerprint,
    /// The name of the peer's node.
    pub node: NodeName,
    /// The changelog of this node that `position` refers to.
    pub changelog: ChangelogId,
    /// The peer has this node's changes up to here. 0 if it has confirmed none, or holds some of them back.
    pub position: ChangeId,
    /// The changes that the peer holds.
    pub version_vector: ShardVersion,
}

impl PeerProgress {
    pub(super) fn new(peer: Fingerprint, local: &Hello, remote: &Hello) -> Self {
        Self {
            peer,
            node: remote.node.clone(),
            changelog: local.changelog,
            position: 0,
            version_vector: remote.version_vector.clone(),
        }
    }
}
