use crate::wire::FEW_SITES;
use crate::{Hello, ShardVersion};

/// The version vectors of the two Hellos of a former session with a peer about a shard. Each node remembers them, and tells
/// only what is new since.
#[derive(Clone, Debug)]
pub struct KnownHellos {
    /// Both nonces make it: it is the same on both sides.
    pub(super) session: u64,
    pub(super) local: ShardVersion,
    pub(super) peer: ShardVersion,
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

    /// How many entries they take in memory.
    #[must_use]
    pub fn entries(&self) -> usize {
        if self.peer.shares_base(&self.local) { self.local.len() } else { self.local.len() + self.peer.len() }
    }
}

/// In place of a former session's number: the session that is under way.
pub(super) const THIS: u64 = 0;
