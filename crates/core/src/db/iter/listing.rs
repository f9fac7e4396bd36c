//! The pages that an iteration reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use vectr_delta::{Metadata, Row, ShardId, Strategy, Timestamp, VectorId};

use crate::CoreError;
use crate::storage::catalog::shard_number;
use crate::storage::held_readers::Hold;
use crate::storage::reader::Reader;
use crate::storage::reader_pool::{PROGRESS_STEPS, ReaderPool};
use crate::storage::rows::StoredRows;
use crate::writer::follower::Following;

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

/// What is left of an iteration.
pub(crate) enum Listing {
    /// A read transaction of its own.
    File(Box<Position>),
    /// In memory everything is read at once.
    Memory(VecDeque<ListedVector>, View),
}

pub(crate) struct Position {
    readers: Arc<ReaderPool>,
    hold: Arc<Hold>,
    /// `None` once the last page was read.
    shard: Option<i64>,
    after: Option<VectorId>,
    view: View,
    /// Cuts it off if it keeps the log too long, where no writer does.
    _following: Option<Arc<Following>>,
}

/// What is shown of rows, and which of them could not be.
pub(crate) struct View {
    shard: ShardId,
    strategy: Strategy,
    include_vectors: bool,
    /// The first damaged vectors, and the number of all.
    damaged: (Vec<VectorId>, u64),
}

impl Listing {
    /// Starts behind the vector `after`, or at the first, in a read transaction of its own.
    pub(crate) fn of_file(
        readers: Arc<ReaderPool>,
        shard: &ShardId,
        include_vectors: bool,
        after: Option<VectorId>,
        following: Option<Arc<Following>>,
    ) -> Result<Self, CoreError> {
        let position = Position::begin(readers, shard, include_vectors, after)?;
        Ok(Self::File(Box::new(Position { _following: following, ..position })))
    }

    pub(crate) fn of_rows(rows: Vec<(VectorId, Option<Row>)>, mut view: View) -> Self {
        let listed = rows.into_iter().filter_map(|(id, row)| view.show(id, row)).collect();
        Self::Memory(listed, view)
    }

    /// At most `limit` vectors; none at the end. If vectors were damaged, the end is an error first, which names them.
    pub(crate) fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        let (page, view) = match self {
            Self::File(position) => (position.next_page(limit)?, &mut position.view),
            Self::Memory(rest, view) => {
                let count = limit.min(rest.len());
                (rest.drain(..count).collect(), view)
            }
        };
        if page.is_empty() && limit > 0 {
            view.report_damage()?;
        }
        Ok(page)
    }
}

impl Position {
    fn begin(
        readers: Arc<ReaderPool>,
        shard: &ShardId,
        include_vectors: bool,
        after: Option<VectorId>,
    ) -> Result<Self, CoreError> {
        let hold = readers.log.held.hold()?;
        let (number, strategy) = {
            let _page = readers.page()?;
            let (reader, found) = readers.open_with(|reader| {
                let end = hold.outside_end();
                reader.connection.progress_handler(PROGRESS_STEPS, Some(move || end.has_come()))?;
                // Ends with the connection, which is closed when the iteration is dropped.
                reader.connection.execute_batch("BEGIN")?;
                shard_number(&reader.connection, shard)
            })?;
            hold.put_back(reader);
            found.map_or((None, Strategy::default()), |(number, strategy)| (Some(number), strategy))
        };
        let view = View::new(shard.clone(), strategy, include_vectors);
        Ok(Self { readers, hold, shard: number, after, view, _following: None })
    }

    fn next_page(&mut self, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        if self.shard.is_none() {
            return Ok(Vec::new());
        }
        let readers = Arc::clone(&self.readers);
        let _page = readers.page()?;
        let reader = self.hold.take(WHAT, &self.way_out())?;
        let way_out = self.way_out();
        let page = self.read(&reader, limit);
        if reader.has_failed(page.as_ref().err()) {
            let reason = format!("the file was written, and no lock kept its snapshot: {way_out}");
            return Err(CoreError::Busy { what: WHAT.to_owned(), reason });
        }
        let is_over = self.shard.is_none();
        if is_over {
            drop(reader);
        } else {
            self.hold.put_back(reader);
        }
        match page {
            // What was read of a snapshot before its end is whole.
            Ok(page) => Ok(page),
            Err(error) => {
                let error = self.hold.outside_end().check(WHAT, &self.way_out()).err().unwrap_or(error);
                Err(error.with_path(Some(&readers.path)))
            }
        }
    }

    fn read(&mut self, reader: &Reader, limit: usize) -> Result<Vec<ListedVector>, CoreError> {
        let mut page = Vec::new();
        let (mut shard, mut after) = (self.shard, self.after.clone());
        while let Some(number) = shard.filter(|_| page.len() < limit) {
            let rows = StoredRows { connection: &reader.connection, sites: &reader.sites, shard: number };
            let wanted = limit - page.len();
            let found = rows.page_by_id(after.as_ref(), wanted)?;
            if found.len() < wanted {
                shard = None;
            }
            after = found.last().map(|(id, _)| id.clone()).or(after);
            page.extend(found.into_iter().filter_map(|(id, row)| self.view.show(id, row)));
        }
        (self.shard, self.after) = (shard, after);
        Ok(page)
    }

    fn way_out(&self) -> String {
        match &self.after {
            Some(id) => format!("iterate again after '{id}'"),
            None => "iterate again".to_owned(),
        }
    }
}

impl View {
    pub(crate) const fn new(shard: ShardId, strategy: Strategy, include_vectors: bool) -> Self {
        Self { shard, strategy, include_vectors, damaged: (Vec::new(), 0) }
    }

    fn show(&mut self, id: VectorId, row: Option<Row>) -> Option<ListedVector> {
        let Some(row) = row else {
            self.note_damage(id);
            return None;
        };
        let view = self.strategy.view(&row)?;
        Some(ListedVector {
            id,
            vector: self.include_vectors.then_some(view.vector),
            metadata: view.metadata,
            timestamp: view.timestamp,
        })
    }

    fn note_damage(&mut self, id: VectorId) {
        let (named, count) = &mut self.damaged;
        *count += 1;
        if named.len() < MOST_NAMED {
            named.push(id);
        }
    }

    /// Once: after that there is nothing left to report.
    fn report_damage(&mut self) -> Result<(), CoreError> {
        match std::mem::take(&mut self.damaged) {
            (_, 0) => Ok(()),
            (ids, count) => Err(CoreError::DamagedVectors { shard: self.shard.clone(), ids, count }),
        }
    }
}

const WHAT: &str = "the iteration";
const MOST_NAMED: usize = 10;
