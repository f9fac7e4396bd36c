pub(crate) mod listing;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use vectr_delta::{ShardId, ShardRead};

use crate::db::iter::listing::{ListedVector, Listing};
use crate::{CoreError, VectrDB};

/// The vectors of a shard from one snapshot, ordered by id. While it is open, the write-ahead log keeps all later
/// changes.
pub struct Iteration {
    listing: Arc<Mutex<Listing>>,
}

impl VectrDB {
    /// Iterates over all vectors that the shard shows, from one snapshot.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn iterate(&self, shard: &ShardId, include_vectors: bool) -> Result<Iteration, CoreError> {
        self.check_open()?;
        let listing = match &self.inner.readers {
            Some(readers) => {
                let reader = readers.open().map_err(|error| self.with_path(error))?;
                Listing::of_file(reader, shard, include_vectors)?
            }
            None => {
                let shard = shard.clone();
                self.read(move |snapshot| {
                    let shard = snapshot.shard(&shard)?;
                    let rows = shard.rows().page_by_id(None, usize::MAX)?;
                    Ok(Listing::of_rows(rows, shard.state().strategy, include_vectors))
                })?
            }
        };
        let listing = Arc::new(Mutex::new(listing));
        let mut iterations = self.inner.iterations.lock().unwrap_or_else(PoisonError::into_inner);
        iterations.retain(|iteration| iteration.strong_count() > 0);
        iterations.push(Arc::downgrade(&listing));
        drop(iterations);
        // A concurrent close may have run before the iteration was registered.
        self.check_open()?;
        Ok(Iteration { listing })
    }
}

impl Iteration {
    /// The next vectors, at most `limit`; empty at the end.
    ///
    /// # Errors
    /// `ERR_STORAGE`; `ERR_CLOSED` after the database was closed.
    pub fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner).next_page(limit)
    }
}

impl fmt::Debug for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iteration")
    }
}
