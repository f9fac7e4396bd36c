use crate::wire::FEW_SITES;
use crate::{Hello, HoldsVersions, ShardVersion};

/// The version vectors of the two Hellos of a former session with a peer about a shard. Each node remembers them, and tells
/// only what is new since.
#[derive(Clone, Debug)]
pub struct KnownHellos {
    /// Both nonces make it: it is the same on both sides.
    pub(in crate::session) session: u64,
    pub(in crate::session) local: ShardVersion,
    pub(in crate::session) peer: ShardVersion,
}

impl KnownHellos {
    /// Of a session whose handshake is complete. `None` if the peer's build remembers nothing, or there are too few sites to
    /// save anything.
    pub(super) fn of(local: &Hello, peer: &Hello) -> Option<Self> {
        let (ours, theirs) = (&local.version_vector, &peer.version_vector);
        let session = local.nonce ^ peer.nonce;
        let worth_it = ours.len().max(theirs.len()) > FEW_SITES;
        if !peer.reads_since() || !worth_it || session == THIS {
            return None;
        }
        Some(Self { session, local: ours.clone(), peer: theirs.sharing(ours) })
    }
}

impl HoldsVersions for KnownHellos {
    fn visit_versions(&self, visit: &mut dyn FnMut(&ShardVersion)) {
        visit(&self.local);
        visit(&self.peer);
    }
}

/// In place of a former session's number: the session that is under way.
pub(in crate::session) const THIS: u64 = 0;
