//! What shards are, and how they stand.

use vectr_delta::{ChangeId, Digest, ShardId, ShardRead, ShardWrite, SiteId, Strategy, Timestamp};

use crate::storage::catalog::shard_ids;
use crate::storage::snapshot::ReadShard;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// How a shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatistics {
    /// The newest one in the shard; 0 where nothing was ever written.
    pub change_id: ChangeId,
    /// What the shard holds, by site: `name@16hex`, or the 16 digits alone where the node is not named.
    pub version_vector: Vec<(String, u64)>,
    /// How many vectors it shows.
    pub vectors: u64,
    /// 1970 where it never was.
    pub last_sync_at: Timestamp,
}

impl VectrDB {
    /// How many vectors the shard shows.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn count(&self, shard: &ShardId) -> Result<u64, CoreError> {
        self.of_shard(shard, count)
    }

    /// All shards, in the order of ids.
    ///
    /// # Errors
    /// As [`VectrDB::count`].
    pub fn shards(&self) -> Result<Vec<ShardId>, CoreError> {
        self.read(|snapshot| shard_ids(snapshot.connection()))
    }

    /// The fingerprint of the shard's whole content.
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

    /// Sets how the shard shows concurrent versions, and makes the shard where it does not exist. Writes no vector.
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

    /// How the shard stands; an empty status where it does not exist.
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
        look: impl FnOnce(&ReadShard<'_>) -> Result<T, CoreError> + Send + 'static,
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
