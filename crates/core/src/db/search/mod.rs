pub(crate) mod distance;
mod kernel;

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use bytes::Bytes;
use vectr_delta::{DeltaError, Dimensions, Metadata, ShardId, ShardRead, VectorId, View};

use crate::db::search::distance::{Metric, Probe, Score};
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

impl VectrDB {
    /// Finds the nearest vectors by an exact scan of the shard, nearest first. Vectors that are equally near are in the
    /// order of the bytes of their ids. Scores are computed in f64, and so is what is compared with the threshold.
    ///
    /// # Errors
    /// `ERR_DIMENSIONS` and `ERR_VECTOR` for a query that does not fit the shard, `ERR_ABORTED` once cancelled,
    /// `ERR_STORAGE`, `ERR_CLOSED`; in memory `ERR_BUSY` too.
    pub fn search(&self, search: &Search) -> Result<Vec<Hit>, CoreError> {
        let search = search.clone();
        self.read(move |snapshot| {
            let shard = snapshot.shard(&search.shard)?;
            check(&search, shard.state().descriptor.dimensions)?;
            let nearest = scan(&shard, &search)?;
            nearest.into_iter().map(|candidate| hit(&shard, candidate, search.include_vectors)).collect()
        })
    }
}

fn check(search: &Search, expected: Option<Dimensions>) -> Result<(), CoreError> {
    let found = search.query.len();
    let in_range = u32::try_from(found).map_err(|_| DeltaError::DimensionRange { count: found as u64 })?;
    Dimensions::try_from(in_range)?;
    if let Some(expected) = expected.map(Dimensions::count).filter(|expected| *expected != found) {
        return Err(DeltaError::Dimensions { expected, found }.into());
    }
    if let Some(index) = search.query.iter().position(|component| !component.is_finite()) {
        return Err(DeltaError::NotFinite { index }.into());
    }
    Ok(())
}

/// The best candidates, best first.
fn scan(shard: &ReadShard<'_>, search: &Search) -> Result<Vec<Candidate>, CoreError> {
    let mut best = Best::new(search);
    if search.k == 0 {
        return Ok(Vec::new());
    }
    let rows = shard.rows();
    let bytes = search.query.len() * size_of::<f32>();
    let mut statement = rows.connection.prepare_cached(SCAN)?;
    let mut scan = statement.query([rows.shard])?;
    let mut seen = 0_u32;
    while let Some(row) = scan.next()? {
        seen = seen.wrapping_add(1);
        if seen.is_multiple_of(256) && search.cancel.load(Memory::Relaxed) {
            return Err(CoreError::Aborted);
        }
        let shown = match row.get::<_, i64>(1)? {
            1 => None,
            _ => match shard.state().strategy.view(&rows.by_rowid(row.get(0)?)?.entry.row) {
                Some(view) => Some(view),
                None => continue,
            },
        };
        let vector = match &shown {
            Some(view) => view.vector.as_ref(),
            None => row.get_ref(3)?.as_blob().unwrap_or_default(),
        };
        // A tombstone has none. A merge that found other dimensions cannot be compared, nor can damaged bytes.
        if vector.len() != bytes {
            continue;
        }
        if let Some(score) = best.score(vector) {
            let id = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            best.take(Candidate { score, id: VectorId::new(id)?, n: row.get(0)?, shown });
        }
    }
    Ok(best.heap.into_sorted_vec())
}

fn hit(shard: &ReadShard<'_>, candidate: Candidate, include_vectors: bool) -> Result<Hit, CoreError> {
    let Candidate { score, id, n, shown } = candidate;
    let view = match shown {
        Some(view) => Some(view),
        None => shard.state().strategy.view(&shard.rows().by_rowid(n)?.entry.row),
    };
    let (metadata, vector) = view.map_or((None, None), |view| (view.metadata, Some(view.vector)));
    let Score { distance, similarity, .. } = score;
    Ok(Hit { id, distance, similarity, metadata, vector: vector.filter(|_| include_vectors) })
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

    /// The score of a vector; `None` if the vector is not among the best.
    fn score(&self, vector: &[u8]) -> Option<Score> {
        let worst = self.heap.peek().filter(|_| self.heap.len() >= self.k).map(|worst| worst.score.rank);
        if worst.is_some() || self.threshold > f64::NEG_INFINITY {
            let floor = self.probe.rank_floor(vector);
            if worst.is_some_and(|worst| floor > worst) || self.probe.similarity(floor) < self.threshold {
                return None;
            }
        }
        let score = self.probe.score(vector);
        // A component that is not finite is damage: no write accepts one.
        let is_near = score.rank.is_finite() && worst.is_none_or(|worst| score.rank <= worst);
        (is_near && score.similarity >= self.threshold).then_some(score)
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
    /// Where several versions stand.
    shown: Option<View>,
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
const SCAN: &str =
    "SELECT n, versions, id, vector FROM row INDEXED BY row_change WHERE shard = ?1 ORDER BY change_id";
