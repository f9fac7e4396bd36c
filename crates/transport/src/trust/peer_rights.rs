use rustls::pki_types::UnixTime;
use vectr_delta::{Fingerprint, ShardId};

use super::credentials::Credentials;
use super::handle::Trust;
use super::rights::Access;

/// What one peer may do, evaluated at each query.
#[derive(Debug, Clone)]
pub struct PeerRights {
    trust: Trust,
    peer: Credentials,
}

impl PeerRights {
    pub(crate) const fn new(trust: Trust, peer: Credentials) -> Self {
        Self { trust, peer }
    }

    /// What the peer may currently do with a shard.
    #[must_use]
    pub fn access(&self, shard: &ShardId) -> Access {
        self.trust.read(|rules| rules.access(&self.peer, shard, UnixTime::now()))
    }

    /// The peer's fingerprint.
    #[must_use]
    pub const fn peer(&self) -> Fingerprint {
        self.peer.fingerprint()
    }
}
