use std::fmt;

use vectr_delta::{ChangeId, CommitNo, ShardId, ShardRead, Timestamp};

use crate::db::changelog::selection::{BYTES_AT_ONCE, CHANGES_AT_ONCE, RowSelection};
use crate::{CoreError, Subscription, VectrDB};

/// The changes of a shard behind one of them, in the order of their ids, as they are applied: written here, synced, or
/// taken from a delta.
///
/// A vector that is changed again before it was read comes once, with its last change. What was read survives a power
/// cut, so that whoever keeps [`ChangeFeed::position`] can go on behind it after a restart.
pub struct ChangeFeed {
    db: VectrDB,
    shard: ShardId,
    position: ChangeId,
}

impl VectrDB {
    /// The changes of a shard behind `since`; `None`: those to come. The shard need not exist. Does not block.
    ///
    /// # Errors
    /// `ERR_NOT_HELD` if the database has no change as new as `since`: the file is another one, or an older copy.
    /// `ERR_CLOSED`.
    pub fn changes(&self, shard: &ShardId, since: Option<ChangeId>) -> Result<ChangeFeed, CoreError> {
        self.check_open()?;
        self.inner.access.look();
        let newest = self.inner.notifier.change_id();
        let position = since.unwrap_or(newest);
        if position > newest {
            return Err(CoreError::ChangeNotHeld { since: position, newest });
        }
        Ok(ChangeFeed { db: self.clone(), shard: shard.clone(), position })
    }
}

impl ChangeFeed {
    /// The next changes, as a delta of at most 256 rows, each with its change id; `None` if there are none yet. After an
    /// error it may be called again: nothing is left out.
    ///
    /// # Errors
    /// `ERR_STORAGE` for a row whose stored bytes do not match their hash, `ERR_LIMIT` for one that has more than a delta
    /// holds, once all before it were read: the message has its change id. `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, CoreError> {
        let (id, after) = (self.shard.clone(), self.position);
        let (delta, position, commit_no): (_, _, CommitNo) = self.db.read(move |snapshot| {
            let shard = snapshot.shard(&id)?;
            let selection = RowSelection {
                after,
                to: ChangeId::MAX,
                most: CHANGES_AT_ONCE,
                bytes: BYTES_AT_ONCE,
                answered: None,
            };
            let found = selection.select(&shard)?;
            if let Some(unfit) = found.first_is_unfit() {
                let source = Box::new(unfit.error(&shard));
                return Err(CoreError::UnreadableChange { change_id: unfit.change_id, source });
            }
            let Some(last) = found.rows.last() else { return Ok((None, after, shard.commit_no())) };
            let delta = found.encode(&shard, Timestamp::default())?;
            Ok((Some(delta), last.change_id, shard.commit_no()))
        })?;
        if delta.is_some() {
            self.db.await_seen(commit_no)?;
            self.position = position;
        }
        Ok(delta)
    }

    /// Calls `listener` after each transaction that may have brought a change, on a thread of the database: it must be quick,
    /// and must not call the database.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) -> Subscription {
        let following = self.db.inner.access.follow();
        let listener = move |_| {
            let _until_unsubscribed = &following;
            listener();
        };
        self.db.inner.notifier.subscribe_to_shard(self.shard.clone(), Box::new(listener))
    }

    /// The last change that was read, or the one that the feed began behind.
    #[must_use]
    pub const fn position(&self) -> ChangeId {
        self.position
    }
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeFeed of {} behind {}", self.shard, self.position)
    }
}
