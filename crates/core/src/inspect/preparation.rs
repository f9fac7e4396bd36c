//! Preparing a file for repair by a sync.

use vectr_delta::{ShardId, check_rows};

use crate::storage::catalog::shard_ids;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// What was found and done in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedShard {
    /// The shard.
    pub shard: ShardId,
    /// The rows that do not match their hashes or cannot be read.
    pub damaged: u64,
    /// Whether the digest was that of other rows, and was computed from the rows anew.
    pub corrected: bool,
}

impl VectrDB {
    /// Reads all rows, computes the digest of each shard from them where it is another one, and notes the shards whose rows
    /// are damaged or were lost: their next sync fetches from the peer what it has of them. Returns all shards, ordered by
    /// id. No row is changed.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn prepare_repair(&self) -> Result<Vec<PreparedShard>, CoreError> {
        let shards = self.read(|snapshot| shard_ids(snapshot.connection()))?;
        shards.into_iter().map(|shard| self.prepare_shard(shard)).collect()
    }

    fn prepare_shard(&self, shard: ShardId) -> Result<PreparedShard, CoreError> {
        let of = shard.clone();
        let (damaged, corrected) =
            self.call(JobKind::Autocommit, move |writer| writer.write_shard(&of, |shard| check_rows(shard)))?;
        Ok(PreparedShard { shard, damaged, corrected })
    }
}
