use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use vectr_delta::{Metadata, ShardId, ShardRead, Strategy, Timestamp, VectorId, VectorRow};

use crate::storage::catalog::StoredShard;
use crate::storage::reader_pool::Reader;
use crate::storage::rows::StoredRows;
use crate::{CoreError, VectrDB};

/// A vector in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedVector {
    /// Its id.
    pub id: VectorId,
    /// Little-endian f32 components, where they were asked for.
    pub vector: Option<Bytes>,
    /// The metadata shown.
    pub metadata: Option<Metadata>,
    /// The stamp of the version shown.
    pub timestamp: Timestamp,
}

/// The vectors of a shard as they stood at one moment, in the order of ids. While it lives, the file's log keeps what
/// has changed since.
pub struct Iteration {
    listing: Arc<Mutex<Listing>>,
}

/// What an iteration holds; the database closes it when it is closed itself.
pub(crate) enum Listing {
    /// A read transaction of its own.
    File(Box<Position>),
    /// In memory everything is read at once.
    Memory(VecDeque<ListedVector>),
    Closed,
}

pub(crate) struct Position {
    reader: Reader,
    /// `None` once the last page was read.
    shard: Option<i64>,
    strategy: Strategy,
    include_vectors: bool,
    after: Option<VectorId>,
}

impl VectrDB {
    /// Every vector that the shard shows, from one moment.
    ///
    /// # Errors
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn iterate(&self, shard: &ShardId, include_vectors: bool) -> Result<Iteration, CoreError> {
        self.check_open()?;
        let listing = match &self.inner.readers {
            Some(readers) => {
                let reader = readers.open().map_err(|error| self.with_path(error))?;
                Listing::File(Box::new(Position::at_start(reader, shard, include_vectors)?))
            }
            None => {
                let shard = shard.clone();
                Listing::Memory(self.read(move |snapshot| {
                    let shard = snapshot.shard(&shard)?;
                    let strategy = shard.state().strategy;
                    let rows = shard.rows().page_by_id(None, usize::MAX)?;
                    Ok(rows.into_iter().filter_map(|row| list(row, strategy, include_vectors)).collect())
                })?)
            }
        };
        let listing = Arc::new(Mutex::new(listing));
        let mut iterations = self.inner.iterations.lock().unwrap_or_else(PoisonError::into_inner);
        iterations.retain(|iteration| iteration.strong_count() > 0);
        iterations.push(Arc::downgrade(&listing));
        drop(iterations);
        // A close that came in between has not seen it.
        self.check_open()?;
        Ok(Iteration { listing })
    }
}

impl Iteration {
    /// The next vectors, at most `limit`. None: that was all.
    ///
    /// # Errors
    /// `ERR_STORAGE`; `ERR_CLOSED` after the database was closed.
    pub fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        match &mut *self.listing.lock().unwrap_or_else(PoisonError::into_inner) {
            Listing::File(position) => position.next_page(limit),
            Listing::Memory(rest) => {
                let count = limit.min(rest.len());
                Ok(rest.drain(..count).collect())
            }
            Listing::Closed => Err(CoreError::Closed),
        }
    }
}

impl fmt::Debug for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iteration")
    }
}

impl Listing {
    pub(crate) fn close(&mut self) {
        *self = Self::Closed;
    }
}

impl Position {
    fn at_start(reader: Reader, shard: &ShardId, include_vectors: bool) -> Result<Self, CoreError> {
        // Ends with the connection, which is closed when the iteration is dropped.
        reader.connection.execute_batch("BEGIN")?;
        let stored = StoredShard::load(&reader.connection, shard)?;
        let strategy = stored.as_ref().map(|stored| stored.state.strategy).unwrap_or_default();
        let shard = stored.map(|stored| stored.n);
        Ok(Self { reader, shard, strategy, include_vectors, after: None })
    }

    fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        let mut page = Vec::new();
        while let Some(shard) = self.shard.filter(|_| page.len() < limit) {
            let rows = StoredRows { connection: &self.reader.connection, sites: &self.reader.sites, shard };
            let wanted = limit - page.len();
            let found = rows.page_by_id(self.after.as_ref(), wanted)?;
            if found.len() < wanted {
                self.shard = None;
            }
            self.after = found.last().map(|row| row.id.clone()).or(self.after.take());
            page.extend(found.into_iter().filter_map(|row| list(row, self.strategy, self.include_vectors)));
        }
        Ok(page)
    }
}

fn list(row: VectorRow, strategy: Strategy, include_vectors: bool) -> Option<ListedVector> {
    let view = strategy.view(&row.row)?;
    Some(ListedVector {
        id: row.id,
        vector: include_vectors.then_some(view.vector),
        metadata: view.metadata,
        timestamp: view.timestamp,
    })
}
