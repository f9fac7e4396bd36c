//! How far apart two vectors are.

/// The measure of distance between vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// Similarity is the cosine of the angle, 0 where a vector is zero; distance is 1 less it.
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

/// A query that is compared with many vectors.
pub(crate) struct Probe<'q> {
    metric: Metric,
    query: &'q [f32],
    norm: f64,
}

/// Smaller distances come first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) distance: f64,
    pub(crate) similarity: f64,
}

impl<'q> Probe<'q> {
    /// `query` is finite.
    pub(crate) fn new(metric: Metric, query: &'q [f32]) -> Self {
        let norm = query.iter().map(|component| f64::from(*component).powi(2)).sum::<f64>().sqrt();
        Self { metric, query, norm }
    }

    /// `vector` is as many little-endian f32 components as the query has.
    pub(crate) fn score(&self, vector: &[u8]) -> Score {
        match self.metric {
            Metric::Cosine => {
                let (product, square) = self.product_and_square(vector);
                let norms = self.norm * square.sqrt();
                let similarity = if norms > 0.0 { product / norms } else { 0.0 };
                Score { distance: 1.0 - similarity, similarity }
            }
            Metric::Euclidean => {
                let distance = settle([sum(self.query, vector, squared_difference)], || {
                    [exact(self.query, vector, |q, v| (q - v) * (q - v))]
                })[0]
                    .sqrt();
                Score { distance, similarity: 1.0 / (1.0 + distance) }
            }
            Metric::Dot => {
                let [similarity] = settle([sum(self.query, vector, |q, v| q * v)], || {
                    [exact(self.query, vector, |q, v| q * v)]
                });
                Score { distance: -similarity, similarity }
            }
        }
    }

    fn product_and_square(&self, vector: &[u8]) -> (f64, f64) {
        // Two passes over a vector in the nearest cache are quicker than one with twice the accumulators.
        let quick = [sum(self.query, vector, |q, v| q * v), sum(self.query, vector, |_, v| v * v)];
        let [product, square] = settle(quick, || {
            [exact(self.query, vector, |q, v| q * v), exact(self.query, vector, |_, v| v * v)]
        });
        // A product near zero is fine; a square that has lost its digits is not.
        if square < f64::from(f32::MIN_POSITIVE) * 1e8 {
            let square = exact(self.query, vector, |_, v| v * v);
            return (exact(self.query, vector, |q, v| q * v), square);
        }
        (product, square)
    }
}

/// Sums in f32 are quick, and good unless they overflow.
fn settle<const N: usize>(quick: [f32; N], exact: impl FnOnce() -> [f64; N]) -> [f64; N] {
    if quick.iter().all(|sum| sum.is_finite()) { quick.map(f64::from) } else { exact() }
}

fn squared_difference(query: f32, component: f32) -> f32 {
    (query - component) * (query - component)
}

/// Sums `term` over all components in `LANES` accumulators, which the compiler keeps in vector registers.
fn sum(query: &[f32], vector: &[u8], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (quads, _) = vector.as_chunks::<4>();
    let (blocks, rest) = quads.as_chunks::<LANES>();
    let (query_blocks, query_rest) = query.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for (q, v) in query_blocks.iter().zip(blocks) {
        for lane in 0..LANES {
            lanes[lane] += term(q[lane], f32::from_le_bytes(v[lane]));
        }
    }
    let tail: f32 = query_rest.iter().zip(rest).map(|(q, v)| term(*q, f32::from_le_bytes(*v))).sum();
    lanes.iter().sum::<f32>() + tail
}

fn exact(query: &[f32], vector: &[u8], term: impl Fn(f64, f64) -> f64) -> f64 {
    let components = vectr_delta::components(vector);
    query.iter().zip(components).map(|(q, v)| term(f64::from(*q), f64::from(v))).sum()
}

const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn score(metric: Metric, query: &[f32], vector: &[f32]) -> Score {
        let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
        Probe::new(metric, query).score(&bytes)
    }

    #[test]
    fn each_metric_is_what_it_says() {
        let cosine = score(Metric::Cosine, &[1.0, 0.0], &[3.0, 4.0]);
        assert!((cosine.similarity - 0.6).abs() < 1e-6 && (cosine.distance - 0.4).abs() < 1e-6);
        assert_eq!(
            score(Metric::Euclidean, &[0.0, 0.0], &[3.0, 4.0]),
            Score { distance: 5.0, similarity: 1.0 / 6.0 }
        );
        assert_eq!(score(Metric::Dot, &[1.0, 2.0], &[3.0, 4.0]), Score { distance: -11.0, similarity: 11.0 });
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        assert_eq!(score(Metric::Cosine, &[1.0, 0.0], &[0.0, 0.0]).similarity, 0.0);
        assert_eq!(score(Metric::Cosine, &[0.0, 0.0], &[1.0, 0.0]).similarity, 0.0);
    }

    #[test]
    fn very_large_and_very_small_components_keep_their_angle() {
        for scale in [1e38_f32, 1e-38, 1e-22] {
            let found = score(Metric::Cosine, &[scale, 0.0], &[scale, scale]).similarity;
            assert!((found - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-3, "{scale}: {found}");
        }
        assert!(score(Metric::Dot, &[3e38; 40], &[3e38; 40]).similarity > 1e77);
        assert!(score(Metric::Euclidean, &[3e38; 3], &[-3e38; 3]).distance > 1e38);
    }

    #[test]
    fn blocks_and_tail_are_both_counted() {
        for length in [1, 15, 16, 17, 384, 385] {
            let vector: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            assert!(
                (score(Metric::Dot, &vector, &vector).similarity / expected.max(1e-9) - 1.0).abs() < 1e-5
                    || length == 1
            );
        }
    }
}
