//! The pages that an iteration reads.

use std::collections::VecDeque;

use bytes::Bytes;
use vectr_delta::{Metadata, ShardId, Strategy, Timestamp, VectorId, VectorRow};

use crate::CoreError;
use crate::storage::catalog::StoredShard;
use crate::storage::reader_pool::Reader;
use crate::storage::rows::StoredRows;

/// A vector of an iteration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListedVector {
    /// Its id.
    pub id: VectorId,
    /// Little-endian f32 components, if they were asked for.
    pub vector: Option<Bytes>,
    /// The metadata shown.
    pub metadata: Option<Metadata>,
    /// The stamp of the version shown.
    pub timestamp: Timestamp,
}

/// What is left of an iteration. Closing the database closes it.
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

impl Listing {
    /// Starts at the first vector, in a read transaction of `reader`.
    pub(crate) fn of_file(reader: Reader, shard: &ShardId, include_vectors: bool) -> Result<Self, CoreError> {
        Ok(Self::File(Box::new(Position::at_start(reader, shard, include_vectors)?)))
    }

    pub(crate) fn of_rows(rows: Vec<VectorRow>, strategy: Strategy, include_vectors: bool) -> Self {
        Self::Memory(rows.into_iter().filter_map(|row| list(row, strategy, include_vectors)).collect())
    }

    /// At most `limit` vectors; none at the end.
    pub(crate) fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        match self {
            Self::File(position) => position.next_page(limit),
            Self::Memory(rest) => {
                let count = limit.min(rest.len());
                Ok(rest.drain(..count).collect())
            }
            Self::Closed => Err(CoreError::Closed),
        }
    }

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
