//! The state of a whole database, for people and for monitoring.

use std::path::{Path, PathBuf};

use vectr_delta::{ChangeId, Digest, Dimensions, NodeName, ShardId, ShardRead, SiteId, Strategy, Timestamp};

use crate::db::peers::{PeerLag, lags};
use crate::db::status::count;
use crate::file::location::log_of;
use crate::storage::catalog::shard_ids;
use crate::storage::snapshot::{ReadShard, Snapshot};
use crate::{CoreError, VectrDB};

/// The state of a database, from one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// The file. `None` in memory.
    pub path: Option<PathBuf>,
    /// Bytes of the file and of its write-ahead log; 0 in memory.
    pub bytes: u64,
    /// Bytes of the write-ahead log alone.
    pub log_bytes: u64,
    /// The node's name.
    pub node: Option<NodeName>,
    /// The database's site.
    pub site: SiteId,
    /// Shard used by calls that do not name one. It need not exist.
    pub default_shard: ShardId,
    /// All shards, ordered by id.
    pub shards: Vec<ShardOverview>,
}

/// The state of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardOverview {
    /// The shard.
    pub shard: ShardId,
    /// The number of vectors that it shows.
    pub vectors: u64,
    /// The dimensions of its vectors; `None` before the first.
    pub dimensions: Option<Dimensions>,
    /// How it shows concurrent versions.
    pub strategy: Strategy,
    /// The number of vectors with concurrent versions.
    pub concurrent: u64,
    /// How many of those wait to be resolved: all under the strategy *manual*, else none.
    pub unresolved: u64,
    /// Its newest change id; 0 if there is none.
    pub change_id: ChangeId,
    /// The digest of its whole content.
    pub digest: Digest,
    /// When it was last synced successfully; 1970 if never.
    pub last_sync_at: Timestamp,
    /// The peers that it was synced with, the most recent first.
    pub peers: Vec<PeerLag>,
}

/// What a database takes on the disk, and who keeps it so.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StorageStatistics {
    /// Bytes of the file; 0 in memory.
    pub file_bytes: u64,
    /// Bytes of the write-ahead log; 0 in memory.
    pub log_bytes: u64,
    /// [`Config::log_limit`](crate::Config::log_limit); 0 in memory.
    pub log_limit: u64,
    /// Queries and iterations that hold a snapshot now, and with it the log.
    pub readers_held: usize,
    /// How many of them were cut off since the database was opened, because the log had reached its limit.
    pub readers_cut_off: u64,
    /// Why nothing more becomes durable, if that is so: what to tell of a failed sync to the disk.
    pub fault: Option<String>,
}

impl VectrDB {
    /// What the database takes on the disk. Waits for nothing.
    #[must_use]
    pub fn storage_statistics(&self) -> StorageStatistics {
        let Some(readers) = self.inner.access.readers() else { return StorageStatistics::default() };
        let log = &readers.log;
        StorageStatistics {
            file_bytes: self.path().map_or(0, size),
            log_bytes: log.file_bytes(),
            log_limit: log.limit,
            readers_held: log.held.count(),
            readers_cut_off: log.held.count_cut_off(),
            fault: log.trust.needs_rewrite().err().map(|error| error.to_string()),
        }
    }

    /// The state of this database, as [`Inspection::overview`](crate::Inspection::overview) reads it from a file.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn overview(&self) -> Result<Overview, CoreError> {
        let path = self.path().map(Path::to_owned);
        // Of a life that has yet to commit, the file does not know the site.
        let site = (!self.is_read_only()).then(|| self.site());
        self.read(move |snapshot| {
            let found = overview(snapshot, path.clone())?;
            Ok(Overview { site: site.unwrap_or(found.site), ..found })
        })
    }
}

pub(crate) fn overview(snapshot: &Snapshot<'_>, path: Option<PathBuf>) -> Result<Overview, CoreError> {
    let counters = snapshot.counters();
    let shards = shard_ids(snapshot.connection())?;
    Ok(Overview {
        bytes: path.as_deref().map_or(0, |path| size(path) + size(&log_of(path))),
        log_bytes: path.as_deref().map_or(0, |path| size(&log_of(path))),
        path,
        node: counters.origin.node.clone(),
        site: counters.origin.site,
        default_shard: counters.default_shard.clone(),
        shards: shards.iter().map(|id| shard_overview(snapshot, id)).collect::<Result<_, _>>()?,
    })
}

fn shard_overview(snapshot: &Snapshot<'_>, id: &ShardId) -> Result<ShardOverview, CoreError> {
    let shard = snapshot.shard(id)?;
    let state = shard.state();
    let concurrent = count_concurrent(snapshot, &shard)?;
    Ok(ShardOverview {
        shard: id.clone(),
        vectors: count(&shard)?,
        dimensions: state.descriptor.dimensions,
        strategy: state.strategy,
        concurrent,
        unresolved: if state.strategy == Strategy::Manual { concurrent } else { 0 },
        change_id: shard.rows().newest_change()?,
        digest: state.digest,
        last_sync_at: shard.last_sync_at(),
        peers: lags(snapshot.connection(), &shard)?,
    })
}

fn count_concurrent(snapshot: &Snapshot<'_>, shard: &ReadShard<'_>) -> Result<u64, CoreError> {
    // Versions that differ in nothing but their number are no conflict.
    let sql = "SELECT count(*) FROM row WHERE shard = ?1 AND versions > 1 AND EXISTS (SELECT 1 FROM sibling WHERE \
               sibling.row = row.n AND (sibling.timestamp <> row.timestamp OR sibling.hash IS NOT row.hash))";
    let mut statement = snapshot.connection().prepare_cached(sql)?;
    let found: i64 = statement.query_row([shard.rows().shard], |row| row.get(0))?;
    Ok(found.unsigned_abs())
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}
