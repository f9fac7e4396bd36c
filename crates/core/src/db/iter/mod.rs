pub(crate) mod listing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vectr_delta::{ShardId, ShardRead, VectorId};

use crate::db::iter::listing::{ListedVector, Listing, View};
use crate::{CoreError, VectrDB};

/// The vectors of a shard from one snapshot, ordered by id. While it is open, the write-ahead log keeps all later
/// changes, up to [`Config::log_limit`](crate::Config::log_limit).
pub struct Iteration {
    listing: Listing,
    closed: Arc<AtomicBool>,
}

impl VectrDB {
    /// Iterates over all vectors that the shard shows, from one snapshot.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn iterate(&self, shard: &ShardId, include_vectors: bool) -> Result<Iteration, CoreError> {
        self.iterate_after(shard, include_vectors, None)
    }

    /// As [`VectrDB::iterate`], over the vectors whose ids come after `after`: from the last one of an iteration that
    /// was cut off, on a new snapshot.
    ///
    /// # Errors
    /// As [`VectrDB::iterate`].
    pub fn iterate_after(
        &self,
        shard: &ShardId,
        include_vectors: bool,
        after: Option<&VectorId>,
    ) -> Result<Iteration, CoreError> {
        self.check_open()?;
        let listing = match self.inner.access.readers() {
            Some(readers) => {
                let following = self.inner.access.follow();
                let readers = Arc::clone(readers);
                let begun = Listing::of_file(readers, shard, include_vectors, after.cloned(), following);
                begun.map_err(|error| self.with_path(error))?
            }
            None => {
                let (shard, after) = (shard.clone(), after.cloned());
                self.read(move |snapshot| {
                    let read = snapshot.shard(&shard)?;
                    let rows = read.rows().page_by_id(after.as_ref(), usize::MAX)?;
                    Ok(Listing::of_rows(
                        rows,
                        View::new(shard.clone(), read.state().strategy, include_vectors),
                    ))
                })?
            }
        };
        Ok(Iteration { listing, closed: Arc::clone(&self.inner.closed) })
    }
}

impl Iteration {
    /// The next vectors, at most `limit`; empty at the end.
    ///
    /// # Errors
    /// `ERR_BUSY` if the iteration was cut off because its snapshot kept the write-ahead log from being emptied:
    /// iterate again after the last id. `ERR_STORAGE`; `ERR_CLOSED` after the database was closed. Vectors that no longer
    /// match their hashes are left out. After all others, where the end would be, one [`CoreError::DamagedVectors`] names
    /// them, so that nobody takes what is left for the whole.
    pub fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(CoreError::Closed);
        }
        self.listing.next_page(limit)
    }
}

impl fmt::Debug for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iteration")
    }
}
