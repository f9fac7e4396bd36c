//! Merging concurrent versions. The versions are live and given in the order in which they win.

use std::borrow::Cow;

use super::payload::components;
use crate::json;
use crate::sort::sort_by;

/// The mean of vectors of equal length, little-endian f32; empty ones do not count. Sums in f64 in the given order, divides
/// once and rounds to f32 once, which gives the same bits on every platform.
pub(crate) fn mean(vectors: &[&[u8]]) -> Vec<u8> {
    if let [one, other] = vectors
        && one.len() == other.len()
        && let Some(bytes) = mean_of_two(one, other)
    {
        return bytes;
    }
    let lengths = || vectors.iter().map(|vector| vector.len());
    let count = lengths().filter(|length| *length > 0).count() as f64;
    let mut bytes = vec![0; lengths().max().unwrap_or_default()];
    for (block, place) in bytes.chunks_mut(BLOCK * size_of::<f32>()).enumerate() {
        // -0.0 is the identity of addition, for -0.0 as well.
        let mut sums = [-0.0_f64; BLOCK];
        let start = block * BLOCK * size_of::<f32>();
        for vector in vectors {
            let part = vector.get(start..start + place.len()).unwrap_or_default();
            for (sum, component) in sums.iter_mut().zip(components(part)) {
                *sum += f64::from(component);
            }
        }
        for (place, sum) in place.as_chunks_mut().0.iter_mut().zip(sums) {
            *place = ((sum / count) as f32).to_le_bytes();
        }
    }
    bytes
}

/// The mean of two vectors, by far the most frequent case, in one pass in f32. `None` if a sum overflows f32.
///
/// The bits are those of a sum in f64: as f64 has more than twice the digits of f32, that sum rounded to f32 is the sum
/// in f32 (Figueroa 1995), and halving rounds only numbers so small that their sum was exact.
fn mean_of_two(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let mut all_finite = true;
    let pairs = components(one).zip(components(other));
    let quads = pairs.map(|(one, other)| {
        let half = (one + other) * 0.5;
        all_finite &= half.is_finite();
        half.to_le_bytes()
    });
    let quads: Vec<[u8; 4]> = quads.collect();
    all_finite.then(|| quads.into_flattened())
}

/// Components summed at a time, so that their sums fit in the L1 cache.
const BLOCK: usize = 64;

/// Merges JSON objects key by key; each key is taken from the latest object that has it. `None` if there are no
/// objects.
///
/// Values are copied as text, so that numbers keep their form. The keys of the result are sorted.
pub(crate) fn merged_metadata<'t>(texts: impl Iterator<Item = &'t str>) -> Option<String> {
    let mut members = Vec::with_capacity(16);
    let mut length = 2;
    for text in texts {
        length += text.len() + 1;
        // Metadata is a JSON object by construction; other text adds no keys.
        json::add_members(&mut members, text);
    }
    if length == 2 {
        return None;
    }
    // The last of equal keys wins: that of the latest version, and within it the one that JSON.parse keeps.
    sort_by(&mut members, |one, other| one.0.cmp(&other.0));
    members.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
    let mut text = String::with_capacity(length);
    for (key, value) in &members {
        text.push(if text.is_empty() { '{' } else { ',' });
        match key {
            // A key read without escapes needs none.
            Cow::Borrowed(key) => text.extend(["\"", key, "\":"]),
            Cow::Owned(key) => {
                json::write_string(&mut text, key);
                text.push(':');
            }
        }
        text.push_str(value);
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_two_has_the_bits_of_a_sum_in_f64() {
        let mut numbers =
            vec![0.0, f32::MIN_POSITIVE, f32::MAX, 1.0, 1.0 - f32::EPSILON / 2.0, f32::from_bits(1)];
        let mut state = 1_u64;
        numbers.extend((0..500).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Close exponents, so that sums round in many ways; the least ones among them.
            let exponent = [0, 1, 2, 25, 254][(state >> 60) as usize % 5] + (state >> 56 & 3) as u32;
            f32::from_bits(exponent.min(254) << 23 | (state >> 32) as u32 & 0x7f_ffff)
        }));
        numbers.extend(numbers.clone().iter().map(|number| -number));
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        for other in &numbers {
            let others = other.to_le_bytes().repeat(numbers.len());
            let expected = numbers.iter().map(|one| ((f64::from(*one) + f64::from(*other)) / 2.0) as f32);
            let expected: Vec<u8> = expected.flat_map(f32::to_le_bytes).collect();
            assert!(mean(&[&bytes, &others]) == expected, "with {other:e}");
            let one_by_one = bytes.chunks(4).flat_map(|one| mean(&[one, &others[..4]]));
            assert!(one_by_one.eq(expected), "with {other:e}");
        }
    }
}
