//! Honest peers, which write and sync all the time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::{Fingerprint, Metadata, NodeName, Payload, SiteId, VectorId};
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};
use vectr_tests::{DIMENSIONS, Embeddings, Random};
use vectr_transport::{Identity, TlsConfig, TlsSecret};

use crate::hub::shard;
use crate::scene::{SECRET, Trusted};

/// One node with a file of its own.
pub(crate) struct Peer {
    name: String,
    file: PathBuf,
    network: NetworkConfig,
    pub(crate) db: VectrDB,
    pub(crate) engine: SyncEngine,
    random: Random,
    written: u64,
    /// All lives of its database.
    pub(crate) sites: BTreeSet<SiteId>,
}

impl Peer {
    /// The certificate of the peer with this number, made if it is new.
    pub(crate) fn certificate(folder: &Path, number: usize) -> Fingerprint {
        Identity::load_or_create(&folder.join(format!("peer-{number}.key"))).unwrap().fingerprint()
    }

    pub(crate) fn new(folder: &Path, number: usize, trusted: Trusted, hub: Fingerprint) -> Self {
        let mut tls = TlsConfig::default();
        match trusted {
            Trusted::BySecret => tls.secrets(vec![TlsSecret { name: "secret", text: SECRET.to_owned() }]),
            Trusted::ByPin => tls.pins([hub]),
        };
        let mut network = NetworkConfig::default();
        network.identity(folder.join(format!("peer-{number}.key"))).tls(tls);
        let (name, file) = (format!("peer-{number}"), folder.join(format!("peer-{number}.db")));
        let (db, engine) = open(&name, &file, &network);
        let sites = [db.site()].into();
        Self { name, file, network, db, engine, random: Random::new(number as u64), written: 0, sites }
    }

    /// Writes this many real embeddings.
    pub(crate) fn fill(&self, rows: usize) {
        let (embeddings, transaction) = (Embeddings::load(), self.db.begin().unwrap());
        for index in 0..rows {
            let (id, payload) = embeddings.entry(index);
            let at = Target { shard: &shard(), transaction: Some(transaction) };
            self.db.upsert(at, &id.unwrap(), payload).unwrap();
        }
        self.db.commit(transaction).unwrap();
    }

    /// Writes `count` vectors, of a few hundred ids of its own; every eighth write is a delete.
    pub(crate) fn write(&mut self, count: u64) {
        let (shard, transaction) = (shard(), self.db.begin().unwrap());
        for _ in 0..count {
            let at = Target { shard: &shard, transaction: Some(transaction) };
            let id = VectorId::new(&format!("{}-{}", self.name, self.random.below(IDS))).unwrap();
            self.written += 1;
            if self.random.below(8) == 0 {
                self.db.delete(at, &id).unwrap();
                continue;
            }
            let components: Vec<f32> =
                (0..DIMENSIONS).map(|_| self.random.below(2_000) as f32 / 1_000.0 - 1.0).collect();
            let metadata = Metadata::new(&format!(r#"{{"write":{}}}"#, self.written)).unwrap();
            self.db.upsert(at, &id, Payload::from_components(&components, Some(metadata)).unwrap()).unwrap();
        }
        self.db.commit(transaction).unwrap();
        self.sites.insert(self.db.site());
    }

    /// Fails unless the sync succeeds.
    pub(crate) async fn sync(&self, hub: &str) -> SyncResult {
        let result = self.engine.sync(&shard(), hub, SyncOptions::default()).await.unwrap();
        assert_eq!(result.failure, None, "{}", self.name);
        result
    }

    /// Closes everything and begins anew, with new connections.
    pub(crate) async fn restart(&mut self) {
        self.close().await;
        (self.db, self.engine) = open(&self.name, &self.file, &self.network);
        self.sites.insert(self.db.site());
    }

    pub(crate) async fn close(&self) {
        self.engine.close().await;
        self.db.close().unwrap();
    }

    pub(crate) fn digest(&self) -> String {
        self.db.digest(&shard()).unwrap().to_string()
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

fn open(name: &str, file: &Path, network: &NetworkConfig) -> (VectrDB, SyncEngine) {
    let mut config = Config::default();
    config.path(file).shard(shard());
    let db = VectrDB::new(config).unwrap();
    let name = NodeName::new(name).unwrap();
    let engine = SyncEngine::new(db.clone(), name, SyncConfig::default(), network.clone()).unwrap();
    (db, engine)
}

const IDS: u64 = 300;
