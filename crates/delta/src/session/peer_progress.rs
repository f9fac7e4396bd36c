use crate::{ChangeId, ChangelogId, Fingerprint, Hello, NodeName, VersionVector};

/// What a peer is known to hold of a shard, by its own word, and safe from a power cut there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    /// Whose certificate it has shown.
    pub peer: Fingerprint,
    /// What its node is called.
    pub node: NodeName,
    /// The life of this node's change ids that `position` belongs to.
    pub changelog: ChangelogId,
    /// It has the changes of this node up to here. 0 where it said nothing of the kind, or holds some of them back.
    pub position: ChangeId,
    /// It holds these changes.
    pub version_vector: VersionVector,
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
