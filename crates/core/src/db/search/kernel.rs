//! Sums over the components of two vectors: quick ones in f32 with a bound on their error, and exact ones in f64.
//!
//! `vector` is always as many little-endian f32 components as `query` has.

/// Sums in f64, one component after the other: the same bits on every platform.
pub(super) fn exact(query: &[f32], vector: &[u8], term: impl Fn(f64, f64) -> f64) -> f64 {
    let components = vectr_delta::components(vector);
    query.iter().zip(components).fold(0.0, |sum, (q, v)| sum + term(f64::from(*q), f64::from(v)))
}

/// Sums `term` over all components in `LANES` accumulators, which the compiler keeps in vector registers.
///
/// With the terms' true values t, the result is off by no more than `relative_error(n)` times the sum of |t|, and
/// [`UNDERFLOW`]; unless it is infinite or no number. A term may round three times.
pub(super) fn quick(query: &[f32], vector: &[u8], term: impl Fn(f32, f32) -> f32) -> f64 {
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
    f64::from(lanes.iter().sum::<f32>() + tail)
}

/// What [`quick`] may be off by, in relation to the magnitude of its terms, and [`exact`] along with it.
///
/// Each rounding is off by at most 2^-24 of its result, and a term passes at most m roundings: three of its own, one for
/// each block, and those of adding up lanes and tail. Then the bound is m u / (1 - m u) (Higham, Accuracy and Stability
/// of Numerical Algorithms, 2002, section 4.2), where m u is below 2^-11 for 65,536 components. The last summand covers
/// the sums in f64.
pub(super) fn relative_error(count: usize) -> f64 {
    let roundings = (count / LANES + LANES + 8) as f64;
    1.01 * roundings * f64::from(f32::EPSILON) / 2.0 + 2.0_f64.powi(-32)
}

/// What [`quick`] may lose to numbers too small for f32, generously: 2^18 roundings, each off by less than 2^-126.
pub(super) const UNDERFLOW: f64 = 1.0 / (1_u128 << 108) as f64;

const LANES: usize = 16;
