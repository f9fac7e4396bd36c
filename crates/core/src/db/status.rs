//! What shards there are, and their statistics.

use vectr_delta::{ChangeId, Digest, ShardId, ShardRead, ShardWrite, SiteId, Strategy, Timestamp};

use crate::storage::catalog::{shard_ids, shard_number};
use crate::storage::snapshot::ReadShard;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Statistics of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStatistics {
    /// The newest change id in the shard; 0 if nothing was ever written.
    pub change_id: ChangeId,
    /// What the shard holds, by site: `name@16hex`, or the 16 digits alone if the node has no name.
    pub version_vector: Vec<(String, u64)>,
    /// The number of vectors shown.
    pub vectors: u64,
    /// When the shard was last synced; 1970 if never.
    pub last_sync_at: Timestamp,
}

impl VectrDB {
    /// The number of vectors that the shard shows.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn count(&self, shard: &ShardId) -> Result<u64, CoreError> {
        self.of_shard(shard, count)
    }

    /// All shards, ordered by id.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn shards(&self) -> Result<Vec<ShardId>, CoreError> {
        self.read(|snapshot| shard_ids(snapshot.connection()))
    }

    /// Whether the database has this shard: something was written to it, or a peer that may write has synced it.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn has_shard(&self, shard: &ShardId) -> Result<bool, CoreError> {
        let shard = shard.clone();
        self.read(move |snapshot| Ok(shard_number(snapshot.connection(), &shard)?.is_some()))
    }

    /// The digest of the shard's whole content.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn digest(&self, shard: &ShardId) -> Result<Digest, CoreError> {
        self.of_shard(shard, |shard| Ok(shard.state().digest))
    }

    /// How the shard shows concurrent versions.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn strategy(&self, shard: &ShardId) -> Result<Strategy, CoreError> {
        self.of_shard(shard, |shard| Ok(shard.state().strategy))
    }

    /// Sets how the shard shows concurrent versions; creates the shard if it does not exist. Writes no vector.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn set_strategy(&self, shard: &ShardId, strategy: Strategy) -> Result<(), CoreError> {
        let shard = shard.clone();
        self.call(JobKind::Autocommit, move |writer| {
            writer.write_shard(&shard, |shard| {
                if shard.state().strategy != strategy {
                    shard.state_mut().strategy = strategy;
                }
                Ok(())
            })
        })
    }

    /// The statistics of a shard; all empty if it does not exist.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn shard_statistics(&self, shard: &ShardId) -> Result<ShardStatistics, CoreError> {
        self.of_shard(shard, |shard| {
            let entries = shard.state().version_vector.iter();
            let named = entries.map(|(site, seq)| Ok((named_site(shard, site)?, seq)));
            Ok(ShardStatistics {
                change_id: shard.rows().newest_change()?,
                version_vector: named.collect::<Result<_, CoreError>>()?,
                vectors: count(shard)?,
                last_sync_at: shard.last_sync_at(),
            })
        })
    }

    fn of_shard<T: Send + 'static>(
        &self,
        shard: &ShardId,
        look: impl Fn(&ReadShard<'_>) -> Result<T, CoreError> + Send + 'static,
    ) -> Result<T, CoreError> {
        let shard = shard.clone();
        self.read(move |snapshot| look(&snapshot.shard(&shard)?))
    }
}

/// The digest counts every row with a live version; a strategy may still show a tombstone.
pub(crate) fn count(shard: &ReadShard<'_>) -> Result<u64, CoreError> {
    let strategy = shard.state().strategy;
    let mut hidden = 0;
    shard.rows().visit_concurrent(|stored| {
        let row = &stored.entry.row;
        hidden += u64::from(row.is_live() && strategy.view(row).is_none());
        Ok(())
    })?;
    Ok(shard.state().digest.rows().saturating_sub(hidden))
}

fn named_site(shard: &ReadShard<'_>, site: SiteId) -> Result<String, CoreError> {
    Ok(shard.site_name(site)?.map_or_else(|| site.to_string(), |name| format!("{name}@{site}")))
}
