//! What several concurrent versions merge to. Versions come live, and in the order in which they win.

use std::borrow::Cow;

use crate::json;
use crate::order::sort_by;
use crate::payload::components;

/// The mean of vectors of one length, little-endian f32: sums in f64 in the given order, divides once and rounds once to
/// f32, which gives the same bits on every platform.
pub(crate) fn mean(vectors: &[&[u8]]) -> Vec<u8> {
    if let [one, other] = vectors {
        return halfway(one, other);
    }
    let count = vectors.len() as f64;
    let mut bytes = vec![0; vectors.first().map_or(0, |first| first.len())];
    for (block, place) in bytes.chunks_mut(BLOCK * size_of::<f32>()).enumerate() {
        // Adding to -0.0 changes no number, not even -0.0.
        let mut sums = [-0.0_f64; BLOCK];
        let start = block * BLOCK * size_of::<f32>();
        for vector in vectors {
            let part = &vector[start..start + place.len()];
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

/// The mean of two, by far the most frequent: in one pass. Halving gives the very bits that dividing by two gives.
fn halfway(one: &[u8], other: &[u8]) -> Vec<u8> {
    let pairs = components(one).zip(components(other));
    let half = |(a, b)| ((f64::from(a) + f64::from(b)) * 0.5) as f32;
    let quads: Vec<[u8; 4]> = pairs.map(|pair| half(pair).to_le_bytes()).collect();
    quads.into_flattened()
}

/// Components summed at a time: their sums fit in the nearest cache.
const BLOCK: usize = 64;

/// One JSON object of several: key by key from the latest that has the key. `None` where there is none.
///
/// Values are taken over as text, so that no number is written anew. Keys come out sorted.
pub(crate) fn merged_metadata<'t>(texts: impl Iterator<Item = &'t str>) -> Option<String> {
    let mut members = Vec::with_capacity(16);
    let mut length = 2;
    for text in texts {
        length += text.len() + 1;
        // Metadata is one JSON object by construction: what is none has no keys.
        members.extend(json::members(text).unwrap_or_default());
    }
    if length == 2 {
        return None;
    }
    // Of equal keys the last one stands: the latest version's, and in it the one that JSON.parse takes.
    members.reverse();
    sort_by(&mut members, &|one, other| one.0.cmp(&other.0));
    members.dedup_by(|later, kept| later.0 == kept.0);
    let mut text = String::with_capacity(length);
    for (key, value) in &members {
        text.push(if text.is_empty() { '{' } else { ',' });
        match key {
            // Read without an escape, so written without one.
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
