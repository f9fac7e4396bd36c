use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::{Fingerprint, ShardId, SiteId};

use crate::limits::bounds::{
    MAX_RESETS, MAX_RESETS_BY_ALL, MAX_RESTARTS, MAX_SHARDS, RESET_PERIOD, RESET_PERIOD_BY_ALL,
    RESTART_PERIOD,
};
use crate::limits::rates::Rates;

/// The limits of one engine that remember what peers have caused.
pub(crate) struct PeerLimits {
    restarts: Rates<(ShardId, Fingerprint)>,
    resets: Rates<Fingerprint>,
    resets_by_all: Rates<()>,
    shards: Rates<Fingerprint>,
    max_shards_per_peer: u32,
}

impl PeerLimits {
    pub(crate) fn new(max_shards_per_peer: u32) -> Self {
        Self {
            restarts: Rates::new(MAX_RESTARTS, RESTART_PERIOD),
            resets: Rates::new(MAX_RESETS, RESET_PERIOD),
            resets_by_all: Rates::new(MAX_RESETS_BY_ALL, RESET_PERIOD_BY_ALL),
            // Never given back, as long as the engine lives.
            shards: Rates::new(max_shards_per_peer, Duration::MAX),
            max_shards_per_peer,
        }
    }

    /// Counts a session that ended so that another one begins at once. False: there were too many. Sessions that lasted
    /// cannot be too many: with rows that are held back, a live one begins anew each minute.
    pub(crate) fn take_restart(&self, shard: &ShardId, peer: Fingerprint, lasted: Duration) -> bool {
        lasted >= RESTART_PERIOD || self.restarts.take((shard.clone(), peer), Instant::now())
    }

    /// Whether a session of this shard that begins now and ends so would be one too many.
    pub(crate) fn allows_session(&self, shard: &ShardId, peer: Fingerprint) -> bool {
        self.restarts.has_left(&(shard.clone(), peer), Instant::now())
    }

    /// Counts a new site that what the peer claims makes this node take. The reason to refuse it, if there were too many.
    pub(crate) fn take_reset(&self, peer: Fingerprint, site: SiteId) -> Result<(), String> {
        let now = Instant::now();
        if self.resets.take(peer, now) && self.resets_by_all.take((), now) {
            return Ok(());
        }
        Err(format!(
            "peer {peer} claims changes of site {site} that this node did not make, and peers have made it take {MAX_RESETS} \
             new sites each or {MAX_RESETS_BY_ALL} in all lately: it takes one again within 15 minutes. See whether several nodes run \
             from copies of one file or of one machine's memory"
        ))
    }

    /// Counts a shard that a session of the peer makes, besides the `there` that the database has. The reason to refuse
    /// it, if there were too many.
    pub(crate) fn take_shard(&self, peer: Fingerprint, shard: &ShardId, there: usize) -> Result<(), String> {
        if there >= MAX_SHARDS {
            return Err(format!(
                "this database has {there} shards, and peers make none above {MAX_SHARDS}: shard '{shard}' has to be made \
                 on this node"
            ));
        }
        if self.shards.take(peer, Instant::now()) {
            return Ok(());
        }
        Err(format!(
            "peer {peer} has made {} shards here since this engine was opened: make shard '{shard}' on this node, or raise \
             maxShardsPerPeer",
            self.max_shards_per_peer
        ))
    }
}
