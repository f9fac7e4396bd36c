//! How far apart two vectors are.

use super::kernel::{UNDERFLOW, exact, quick, relative_error};

/// The measure of distance between vectors. All of them are computed in f64, one component after the other, from the
/// f32 components of both vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// Similarity is the cosine of the angle, from -1 to 1: exactly 1 for equal vectors, 0 where a vector is zero.
    /// Distance is 1 less it.
    #[default]
    Cosine,
    /// Distance is the length of the difference d; similarity is 1 / (1 + d).
    Euclidean,
    /// Similarity is the inner product; distance is its negative.
    Dot,
}

impl Metric {
    /// The documented name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Euclidean => "euclidean",
            Self::Dot => "dot",
        }
    }

    /// Reads the documented name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cosine, Self::Euclidean, Self::Dot].into_iter().find(|metric| metric.name() == name)
    }
}

/// A query that is compared with many vectors. Vectors are as many little-endian f32 components as the query has.
pub(crate) struct Probe<'q> {
    metric: Metric,
    query: &'q [f32],
    /// The sum of the squares of the query's components.
    square: f64,
    /// What a quick sum may be off by.
    error: f64,
}

/// How near a vector is. The smaller `rank` is the nearer one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// The similarity's negative, or the distance under the Euclidean metric: of distance and similarity, the one that
    /// was not rounded a second time.
    pub(crate) rank: f64,
    pub(crate) distance: f64,
    pub(crate) similarity: f64,
}

impl<'q> Probe<'q> {
    /// `query` is finite.
    pub(crate) fn new(metric: Metric, query: &'q [f32]) -> Self {
        let square = query.iter().fold(0.0, |sum, component| sum + f64::from(*component).powi(2));
        Self { metric, query, square, error: relative_error(query.len()) }
    }

    /// The number of components.
    pub(crate) const fn count(&self) -> usize {
        self.query.len()
    }

    /// The score, finite if the vector is.
    pub(crate) fn score(&self, vector: &[u8]) -> Score {
        let rank = match self.metric {
            Metric::Cosine => 0.0 - self.cosine(vector),
            Metric::Euclidean => exact(self.query, vector, |q, v| (q - v) * (q - v)).sqrt(),
            Metric::Dot => 0.0 - exact(self.query, vector, |q, v| q * v),
        };
        let similarity = self.similarity(rank);
        let distance = match self.metric {
            Metric::Cosine => 1.0 - similarity,
            Metric::Euclidean | Metric::Dot => rank,
        };
        Score { rank, distance, similarity }
    }

    /// A number that the rank of the vector's score is not below; quicker than the score.
    pub(crate) fn rank_floor(&self, vector: &[u8]) -> f64 {
        let floor = match self.metric {
            Metric::Cosine => self.cosine_floor(vector),
            Metric::Euclidean => {
                // All terms are positive, so that their sum is its own magnitude.
                let square = quick(self.query, vector, |q, v| (q - v) * (q - v));
                (square * (1.0 - 2.0 * self.error) - UNDERFLOW).max(0.0).sqrt()
            }
            Metric::Dot => {
                let (product, square) = self.quick_product_and_square(vector);
                // No sum of magnitudes is above the product of the norms.
                let norms = (self.square * (2.0 * square + UNDERFLOW)).sqrt();
                -(product + 2.0 * self.error * norms + UNDERFLOW)
            }
        };
        // What overflows in f32, or is not finite itself, has no floor but the least rank there is.
        match self.metric {
            _ if floor.is_finite() => floor,
            Metric::Euclidean => 0.0,
            Metric::Cosine | Metric::Dot => f64::NEG_INFINITY,
        }
    }

    /// The similarity that belongs to a rank. It never grows as the rank does, so that a floor gives a ceiling.
    pub(crate) fn similarity(&self, rank: f64) -> f64 {
        match self.metric {
            Metric::Cosine | Metric::Dot => 0.0 - rank,
            Metric::Euclidean => 1.0 / (1.0 + rank),
        }
    }

    fn cosine(&self, vector: &[u8]) -> f64 {
        let square = exact(self.query, vector, |_, v| v * v);
        let product = exact(self.query, vector, |q, v| q * v);
        // The root of a number's square is that number, so that equal vectors give exactly 1. Neither factor leaves the
        // range of f64: components of f32 have squares from 1e-90 to 1e82.
        let norms = (self.square * square).sqrt();
        if norms > 0.0 { (product / norms).clamp(-1.0, 1.0) } else { 0.0 }
    }

    fn cosine_floor(&self, vector: &[u8]) -> f64 {
        let (product, square) = self.quick_product_and_square(vector);
        if self.square < LEAST_SQUARE || !(LEAST_SQUARE..f64::INFINITY).contains(&square) {
            return f64::NEG_INFINITY;
        }
        // The product is off by at most the error times both norms, and the vector's norm by half the error.
        -(product / (self.square * square).sqrt() + 2.0 * self.error)
    }

    fn quick_product_and_square(&self, vector: &[u8]) -> (f64, f64) {
        // Two passes over a vector in the nearest cache are quicker than one with twice the accumulators.
        (quick(self.query, vector, |q, v| q * v), quick(self.query, vector, |_, v| v * v))
    }
}

/// Beside the square of such a norm, [`UNDERFLOW`] is no more than the error of the sums in f64.
const LEAST_SQUARE: f64 = 1.0 / (1_u64 << 60) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(vector: &[f32]) -> Vec<u8> {
        vector.iter().flat_map(|component| component.to_le_bytes()).collect()
    }

    fn score(metric: Metric, query: &[f32], vector: &[f32]) -> Score {
        let (probe, vector) = (Probe::new(metric, query), bytes(vector));
        let score = probe.score(&vector);
        assert!(probe.rank_floor(&vector) <= score.rank, "{metric:?} of {query:?}: {score:?}");
        score
    }

    #[test]
    fn each_metric_is_what_it_says() {
        let cosine = score(Metric::Cosine, &[1.0, 0.0], &[3.0, 4.0]);
        assert_eq!((cosine.similarity, cosine.distance), (0.6, 0.4));
        let euclidean = score(Metric::Euclidean, &[0.0, 0.0], &[3.0, 4.0]);
        assert_eq!((euclidean.similarity, euclidean.distance), (1.0 / 6.0, 5.0));
        let dot = score(Metric::Dot, &[1.0, 2.0], &[3.0, 4.0]);
        assert_eq!((dot.similarity, dot.distance), (11.0, -11.0));
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        for (query, vector) in [([1.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [1.0, 0.0]), ([0.0, 0.0], [0.0, -0.0])]
        {
            assert_eq!(score(Metric::Cosine, &query, &vector).similarity, 0.0);
        }
    }

    #[test]
    fn nothing_is_a_negative_zero() {
        for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
            for vector in [[0.0, 1.0], [-0.0, -1.0], [0.0, -0.0]] {
                let Score { rank, distance, similarity } = score(metric, &[-1.0, 0.0], &vector);
                for number in [rank, distance, similarity] {
                    assert!(number != 0.0 || number.is_sign_positive(), "{metric:?} of {vector:?}");
                }
            }
        }
    }

    #[test]
    fn vectors_of_one_direction_are_exactly_alike_at_any_scale() {
        let direction: Vec<f32> = (0..384).map(|i| ((i * 37 % 101) as f32 * 0.013).sin()).collect();
        for (one, other) in [(1.0, 1.0), (2.0, 0.25), (2.0_f32.powi(126), 2.0_f32.powi(-100))] {
            let scaled = |by: f32| -> Vec<f32> { direction.iter().map(|component| component * by).collect() };
            assert_eq!(score(Metric::Cosine, &scaled(one), &scaled(other)).similarity, 1.0, "{one} {other}");
        }
        let tiny = f32::from_bits(1);
        assert_eq!(score(Metric::Cosine, &[tiny, tiny], &[f32::MAX, f32::MAX]).similarity, 1.0);
    }

    #[test]
    fn blocks_and_tail_are_both_counted() {
        for length in [1, 15, 16, 17, 384, 385] {
            let vector: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            assert_eq!(score(Metric::Dot, &vector, &vector).similarity, expected);
            let probe = Probe::new(Metric::Dot, &vector);
            let floor = probe.rank_floor(&bytes(&vector));
            assert!((-floor - expected).abs() <= expected * 1e-4 + 1e-30, "{length}: {floor}");
        }
    }

    #[test]
    fn a_floor_is_below_the_rank_and_near_it() {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        for round in 0..20_000 {
            let length = [1, 2, 16, 31, 384, 1000][round % 6];
            // Exponents around one value, which is anything from subnormal to almost infinite.
            let middle = random() % 255;
            let mut component = || {
                let exponent = (middle + random() % 5).min(254);
                f32::from_bits(exponent << 23 | random() & 0x8000_0000 | random() & 0x7f_ffff)
            };
            let query: Vec<f32> = (0..length).map(|_| component()).collect();
            let vector: Vec<f32> = (0..length).map(|_| component()).collect();
            for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
                let scored = score(metric, &query, &vector);
                assert!(scored.rank.is_finite());
                if metric == Metric::Cosine && (110..140).contains(&middle) {
                    let floor = Probe::new(metric, &query).rank_floor(&bytes(&vector));
                    assert!(scored.rank - floor < 1e-3, "{floor} of {scored:?}");
                }
            }
        }
    }
}
