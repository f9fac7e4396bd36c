//! A hub, and five honest peers of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::attack::{Target, fingerprint};
use crate::clients::Certificate;
use crate::evidence;
use crate::hub::Hub;
use crate::peers::Peer;

/// How the hub, and its peers, know whom to let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trusted {
    BySecret,
    ByPin,
}

pub(crate) struct Scene {
    pub(crate) hub: Hub,
    pub(crate) peers: Vec<Peer>,
    pub(crate) runtime: Runtime,
    trusted: Trusted,
    /// That of the hostile member, where pins decide.
    member: Arc<Certificate>,
    _folder: TempDir,
}

impl Scene {
    /// All hold the same in the end.
    pub(crate) fn start(trusted: Trusted) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let member = Arc::new(Certificate::new());
        let certificates = (0..PEERS).map(|number| Peer::certificate(folder.path(), number));
        let pins: Vec<_> = certificates.chain([fingerprint(&member)]).collect();
        let hub = Hub::start(folder.path(), trusted, pins);
        let peers: Vec<Peer> = {
            let _entered = runtime.enter();
            (0..PEERS).map(|number| Peer::new(folder.path(), number, trusted, hub.fingerprint)).collect()
        };
        peers[0].fill(ROWS);
        let mut scene = Self { hub, peers, runtime, trusted, member, _folder: folder };
        scene.settle();
        scene
    }

    /// What a client needs to know.
    pub(crate) fn target(&self) -> Target {
        Target::new(self.hub.remote, self.trusted, &self.member)
    }

    /// A fixed amount of honest work: each peer writes twenty vectors and syncs once, all at the same time.
    pub(crate) fn round(&mut self) -> Duration {
        let (begun, hub, runtime) = (Instant::now(), self.hub.remote.to_string(), &self.runtime);
        thread::scope(|scope| {
            for peer in &mut self.peers {
                let hub = &hub;
                scope.spawn(move || {
                    peer.write(20);
                    runtime.block_on(peer.sync(hub));
                });
            }
        });
        begun.elapsed()
    }

    /// Everything is synced, at the first attempt; a peer that comes anew is let in; then all six hold the same, the hub's
    /// file is sound, and nothing in it or in another one is of any client.
    pub(crate) fn settle(&mut self) {
        self.hub.check_alive();
        let hub = self.hub.remote.to_string();
        for _ in 0..2 {
            for peer in &self.peers {
                let result = self.runtime.block_on(peer.sync(&hub));
                assert_eq!(result.attempts, 1, "a sync had to be repeated");
            }
        }
        let newcomer = &mut self.peers[0];
        self.runtime.block_on(async {
            newcomer.restart().await;
            newcomer.sync(&hub).await;
        });
        let digest = self.hub.verified();
        for peer in &self.peers {
            assert_eq!(peer.digest(), digest, "{}", peer.file().display());
        }
        evidence::check(&self.hub, &self.peers);
    }

    /// Closes all, and fails unless each of them ends well.
    pub(crate) fn end(mut self) {
        for peer in &self.peers {
            self.runtime.block_on(peer.close());
        }
        self.hub.end();
    }
}

/// Of the cluster.
pub(crate) const SECRET: &str = "the secret of the cluster";

const PEERS: usize = 5;
/// Of one peer, before anybody else writes: 12 MB of vectors, more than a session may hold of them.
const ROWS: usize = 8_000;
