use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vectr_core::{Config, CoreError, Overview, StorageStatistics, VectrDB};
use vectr_delta::{Fingerprint, NodeName};
use vectr_sync::{NetworkConfig, ServerStatistics, SyncConfig, SyncServer};

use crate::error::CliError;

/// The served databases.
pub(crate) struct Service {
    server: SyncServer,
    databases: Vec<VectrDB>,
    draining: AtomicBool,
}

impl Service {
    /// Opens the files. Answers nothing before `listen`.
    pub(crate) fn open(
        files: &[PathBuf],
        node: Option<&NodeName>,
        network: NetworkConfig,
    ) -> Result<Self, CliError> {
        let open = |file: &PathBuf| VectrDB::new(Config::file(file));
        let databases: Vec<VectrDB> = files.iter().map(open).collect::<Result<_, _>>()?;
        let server = SyncServer::new(databases.clone(), node, SyncConfig::default(), network)?;
        Ok(Self { server, databases, draining: AtomicBool::new(false) })
    }

    pub(crate) async fn listen(&self, address: &str) -> Result<String, CliError> {
        Ok(self.server.listen(address).await?.to_string())
    }

    /// Drains, then closes everything. Returns how many sessions were cut off.
    pub(crate) async fn drain(&self, within: Duration) -> Result<usize, CliError> {
        self.draining.store(true, Ordering::Relaxed);
        let cut = self.server.drain(within).await;
        // One that fails must not keep the others open.
        let closed: Vec<_> = self.databases.iter().map(VectrDB::close).collect();
        closed.into_iter().collect::<Result<(), _>>()?;
        Ok(cut)
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.server.fingerprint()
    }

    pub(crate) fn statistics(&self) -> ServerStatistics {
        self.server.statistics()
    }

    /// The overview of each database. Blocks on storage.
    pub(crate) fn overviews(&self) -> Result<Vec<Overview>, CoreError> {
        self.databases.iter().map(VectrDB::overview).collect()
    }

    /// What each database takes on the disk, in the order of the overviews.
    pub(crate) fn storage(&self) -> Vec<StorageStatistics> {
        self.databases.iter().map(VectrDB::storage_statistics).collect()
    }

    /// The reason why syncs are not answered; `None` if they are. Blocks on storage.
    pub(crate) fn unready_reason(&self) -> Option<String> {
        if self.is_draining() {
            return Some("draining".to_owned());
        }
        if let Some(fault) = self.server.socket_faults().current {
            return Some(fault);
        }
        let read = |db: &VectrDB| db.shards().err();
        self.databases.iter().find_map(read).map(|error| format!("{}: {error}", error.code()))
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The label of a database in metrics: its file name, which is unique in its folder.
    pub(crate) fn name_of(overview: &Overview) -> String {
        let name = overview.path.as_deref().and_then(Path::file_name);
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
