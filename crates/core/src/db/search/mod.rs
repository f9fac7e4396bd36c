pub(crate) mod distance;
mod kernel;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use bytes::Bytes;
use rusqlite::types::ValueRef;
use vectr_delta::{DeltaError, Dimensions, Metadata, Operation, ShardId, ShardRead, VectorId};

use crate::db::search::distance::{Metric, Probe, Score};
use crate::storage::rows::StoredRows;
use crate::storage::snapshot::ReadShard;
use crate::{CoreError, VectrDB};

/// A search for the nearest vectors.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Search {
    /// The shard to search.
    pub shard: ShardId,
    /// Finite components, as many as the shard's vectors have.
    pub query: Vec<f32>,
    /// The maximum number of hits.
    pub k: usize,
    /// The measure of distance.
    pub metric: Metric,
    /// The minimum similarity of a hit.
    pub threshold: Option<f64>,
    /// Whether hits carry their vectors.
    pub include_vectors: bool,
    /// Set it from another thread to cancel the search.
    pub cancel: Arc<AtomicBool>,
}

impl Search {
    /// A search for the 10 nearest vectors by cosine.
    #[must_use]
    pub fn new(shard: ShardId, query: Vec<f32>) -> Self {
        Self {
            shard,
            query,
            k: 10,
            metric: Metric::default(),
            threshold: None,
            include_vectors: false,
            cancel: Arc::default(),
        }
    }

    /// Sets the maximum number of hits. Default 10.
    pub const fn k(&mut self, k: usize) -> &mut Self {
        self.k = k;
        self
    }

    /// Sets the metric. Default: cosine.
    pub const fn metric(&mut self, metric: Metric) -> &mut Self {
        self.metric = metric;
        self
    }

    /// Sets the minimum similarity of a hit. Default: none.
    pub const fn threshold(&mut self, threshold: f64) -> &mut Self {
        self.threshold = Some(threshold);
        self
    }

    /// Returns the vectors with the hits. Default: ids and metadata only.
    pub const fn include_vectors(&mut self) -> &mut Self {
        self.include_vectors = true;
        self
    }

    /// Sets the flag that cancels the search from another thread.
    pub fn cancel(&mut self, cancel: Arc<AtomicBool>) -> &mut Self {
        self.cancel = cancel;
        self
    }
}

/// A vector that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Its id.
    pub id: VectorId,
    /// By the metric; smaller is nearer.
    pub distance: f64,
    /// By the metric; greater is nearer.
    pub similarity: f64,
    /// The metadata shown.
    pub metadata: Option<Metadata>,
    /// Little-endian f32 components, if they were asked for.
    pub vector: Option<Bytes>,
}

/// What a search found, the nearest first. It is a slice of hits.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Hits {
    /// The hits.
    pub hits: Vec<Hit>,
    /// The vectors that might have been among the hits but are left out, because what is stored of them does not match its
    /// hash. At most [`Hits::MAX_NAMED`].
    pub damaged: Vec<VectorId>,
}

impl Hits {
    /// The most damaged vectors that are named.
    pub const MAX_NAMED: usize = 100;
}

impl Deref for Hits {
    type Target = [Hit];

    fn deref(&self) -> &[Hit] {
        &self.hits
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::vec::IntoIter<Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

impl<'h> IntoIterator for &'h Hits {
    type Item = &'h Hit;
    type IntoIter = std::slice::Iter<'h, Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}

impl VectrDB {
    /// Finds the nearest vectors by an exact scan of the shard, nearest first. Vectors that are equally near are in the
    /// order of the bytes of their ids. Scores are computed in f64, and so is what is compared with the threshold.
    ///
    /// Hits are checked against their hashes. A damaged vector is no hit and makes no search fail: [`Hits::damaged`] names
    /// it.
    ///
    /// # Errors
    /// `ERR_DIMENSIONS` and `ERR_VECTOR` for a query that does not fit the shard, `ERR_ABORTED` once cancelled,
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn search(&self, search: &Search) -> Result<Hits, CoreError> {
        let (search, of) = (search.clone(), search.shard.clone());
        let found = self.read(move |snapshot| {
            let shard = snapshot.shard(&search.shard)?;
            check(&search, shard.state().descriptor.dimensions)?;
            match Scan::new(&shard, &search, Verify::Hits).run()? {
                (hits, Displaced(false)) => Ok(hits),
                _ => Ok(Scan::new(&shard, &search, Verify::Candidates).run()?.0),
            }
        })?;
        if !found.damaged.is_empty() {
            self.note_damage(&of);
        }
        Ok(found)
    }
}

fn check(search: &Search, expected: Option<Dimensions>) -> Result<(), CoreError> {
    let found = search.query.len();
    let in_range = u32::try_from(found).map_err(|_| DeltaError::DimensionRange { count: found as u64 })?;
    Dimensions::try_from(in_range)?;
    if let Some(expected) = expected.map(Dimensions::count).filter(|expected| *expected != found) {
        return Err(CoreError::Dimensions { shard: search.shard.clone(), expected, found });
    }
    if let Some(index) = search.query.iter().position(|component| !component.is_finite()) {
        return Err(DeltaError::NotFinite { index }.into());
    }
    Ok(())
}

/// Which rows are checked against their hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verify {
    /// Those that were found, in the end.
    Hits,
    /// Those that are among the best when they are looked at.
    Candidates,
}

/// One look at all rows.
struct Scan<'s> {
    shard: &'s ReadShard<'s>,
    search: &'s Search,
    verify: Verify,
    best: Best<'s>,
    damaged: Vec<VectorId>,
}

impl<'s> Scan<'s> {
    fn new(shard: &'s ReadShard<'s>, search: &'s Search, verify: Verify) -> Self {
        Self { shard, search, verify, best: Best::new(search), damaged: Vec::new() }
    }

    fn run(mut self) -> Result<(Hits, Displaced), CoreError> {
        if self.search.k > 0 {
            self.rows()?;
        }
        let mut displaced = Displaced(false);
        let mut hits = Vec::with_capacity(self.best.heap.len());
        for candidate in std::mem::take(&mut self.best.heap).into_sorted_vec() {
            match self.hit(&candidate)? {
                Some(hit) => hits.push(hit),
                None => {
                    displaced = Displaced(true);
                    self.note_damage(candidate.id);
                }
            }
        }
        Ok((Hits { hits, damaged: self.damaged }, displaced))
    }

    fn rows(&mut self) -> Result<(), CoreError> {
        let rows = self.shard.rows();
        let mut statement = rows.connection.prepare_cached(SCAN)?;
        let mut scan = statement.query([rows.shard])?;
        let mut seen = 0_u32;
        while let Some(row) = scan.next()? {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(256) && self.search.cancel.load(Memory::Relaxed) {
                return Err(CoreError::Aborted);
            }
            if self.look_at(rows, row)? == Looked::Damaged
                && let Some(id) = id_of(row)
            {
                self.note_damage(id);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, rows: StoredRows<'_>, row: &rusqlite::Row<'_>) -> Result<Looked, CoreError> {
        let shown = match row.get_ref(VERSIONS)? {
            ValueRef::Integer(1) => None,
            _ => {
                let Some(stored) = rows.intact_by_rowid(row.get(N)?)? else { return Ok(Looked::Damaged) };
                let Some(view) = self.shard.state().strategy.view(&stored.entry.row) else {
                    return Ok(Looked::Seen);
                };
                Some(view.vector)
            }
        };
        let vector = match (&shown, row.get_ref(VECTOR)?) {
            (Some(shown), _) => shown.as_ref(),
            (None, ValueRef::Blob(stored)) => stored,
            (None, _) => &[],
        };
        if vector.len() != self.best.bytes() {
            // A tombstone has none, and a merge that found other dimensions shows one that cannot be compared.
            let lawful =
                shown.is_some() || row.get_ref(OPERATION)? == ValueRef::Integer(Operation::Delete as i64);
            return if lawful { Ok(Looked::Seen) } else { self.verified(row.get(N)?) };
        }
        let score = match self.best.score(vector) {
            Scored::Far => return Ok(Looked::Seen),
            Scored::NotFinite => return self.verified(row.get(N)?),
            Scored::Near(score) => score,
        };
        let n = row.get(N)?;
        if self.verify == Verify::Candidates && self.verified(n)? == Looked::Damaged {
            return Ok(Looked::Damaged);
        }
        let Some(id) = id_of(row) else { return Ok(Looked::Damaged) };
        self.best.take(Candidate { score, id, n });
        Ok(Looked::Seen)
    }

    fn verified(&self, n: i64) -> Result<Looked, CoreError> {
        let intact = self.shard.rows().intact_by_rowid(n)?.is_some();
        Ok(if intact { Looked::Seen } else { Looked::Damaged })
    }

    /// `None` if the row is damaged.
    fn hit(&self, candidate: &Candidate) -> Result<Option<Hit>, CoreError> {
        let Some(stored) = self.shard.rows().intact_by_rowid(candidate.n)? else { return Ok(None) };
        let Some(view) = self.shard.state().strategy.view(&stored.entry.row) else { return Ok(None) };
        let Score { distance, similarity, .. } = candidate.score;
        Ok(Some(Hit {
            id: candidate.id.clone(),
            distance,
            similarity,
            metadata: view.metadata,
            vector: self.search.include_vectors.then_some(view.vector),
        }))
    }

    fn note_damage(&mut self, id: VectorId) {
        if self.damaged.len() < Hits::MAX_NAMED {
            self.damaged.push(id);
        }
    }
}

/// `None` for what is no id: it can be left out, but not named.
fn id_of(row: &rusqlite::Row<'_>) -> Option<VectorId> {
    VectorId::new(row.get_ref(ID).ok()?.as_str().ok()?).ok()
}

/// Whether damaged vectors took the places of others.
struct Displaced(bool);

#[derive(PartialEq, Eq)]
enum Looked {
    Seen,
    Damaged,
}

/// How near a vector is.
enum Scored {
    Near(Score),
    /// Not among the best.
    Far,
    /// A component is not finite, which no write accepts.
    NotFinite,
}

/// The k best so far, the worst of them on top.
struct Best<'s> {
    k: usize,
    probe: Probe<'s>,
    threshold: f64,
    heap: BinaryHeap<Candidate>,
}

impl<'s> Best<'s> {
    fn new(search: &'s Search) -> Self {
        Self {
            k: search.k,
            probe: Probe::new(search.metric, &search.query),
            threshold: search.threshold.unwrap_or(f64::NEG_INFINITY),
            heap: BinaryHeap::new(),
        }
    }

    /// The bytes that a vector has.
    const fn bytes(&self) -> usize {
        self.probe.count() * size_of::<f32>()
    }

    fn score(&self, vector: &[u8]) -> Scored {
        let worst = self.heap.peek().filter(|_| self.heap.len() >= self.k).map(|worst| worst.score.rank);
        if worst.is_some() || self.threshold > f64::NEG_INFINITY {
            let floor = self.probe.rank_floor(vector);
            if worst.is_some_and(|worst| floor > worst) || self.probe.similarity(floor) < self.threshold {
                return Scored::Far;
            }
        }
        let score = self.probe.score(vector);
        if !score.rank.is_finite() {
            return Scored::NotFinite;
        }
        let is_near = worst.is_none_or(|worst| score.rank <= worst) && score.similarity >= self.threshold;
        if is_near { Scored::Near(score) } else { Scored::Far }
    }

    fn take(&mut self, candidate: Candidate) {
        self.heap.push(candidate);
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }
}

struct Candidate {
    score: Score,
    id: VectorId,
    n: i64,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.rank.total_cmp(&other.score.rank).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

// In the order of the changelog, which is mostly that of the file.
const SCAN: &str = "SELECT n, versions, operation, id, vector FROM row INDEXED BY row_change WHERE shard = ?1 \
     ORDER BY change_id";
const N: usize = 0;
const VERSIONS: usize = 1;
const OPERATION: usize = 2;
const ID: usize = 3;
const VECTOR: usize = 4;
