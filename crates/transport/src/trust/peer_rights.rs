use rustls::pki_types::UnixTime;
use vectr_delta::{Fingerprint, ShardId};

use super::credentials::Credentials;
use super::handle::Trust;
use super::rights::Access;

/// What one peer may do, as of whenever it is asked.
#[derive(Debug, Clone)]
pub struct PeerRights {
    trust: Trust,
    peer: Credentials,
}

impl PeerRights {
    pub(crate) const fn new(trust: Trust, peer: Credentials) -> Self {
        Self { trust, peer }
    }

    /// What the peer may do with a shard now.
    #[must_use]
    pub fn access(&self, shard: &ShardId) -> Access {
        self.trust.read(|rules| rules.access(&self.peer, shard, UnixTime::now()))
    }

    /// Whose rights these are.
    #[must_use]
    pub const fn peer(&self) -> Fingerprint {
        self.peer.fingerprint()
    }
}
