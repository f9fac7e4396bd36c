//! Many vectors cross in a few arrays: an object costs microseconds to cross, an element of an array a fraction of one.

use bytes::Bytes;
use napi::bindgen_prelude::{Float32Array, Float64Array};
use napi_derive::napi;
use vectr_core::{Entry, Hit, ListedVector};
use vectr_delta::{Metadata, Payload, Timestamp, components};

use crate::failure::Failure;

/// One vector.
#[napi(object, object_from_js = false)]
pub struct EntryRecord {
    /// The components.
    pub vector: Float32Array,
    /// JSON text.
    pub metadata: Option<String>,
    /// Microseconds since the Unix epoch.
    pub timestamp: i64,
    /// Whether someone has to choose between versions.
    pub conflicted: bool,
}

/// Vectors of one shard, a column a field.
#[napi(object, object_from_js = false)]
pub struct EntryColumns {
    /// The ids, in their order.
    pub ids: Vec<String>,
    /// JSON texts.
    pub metadata: Vec<Option<String>>,
    /// Microseconds since the Unix epoch.
    pub timestamps: Float64Array,
    /// All components, vector after vector.
    pub vectors: Option<Float32Array>,
}

/// What a search found, the nearest first, a column a field.
#[napi(object, object_from_js = false)]
pub struct HitColumns {
    /// The ids.
    pub ids: Vec<String>,
    /// By the metric.
    pub distances: Float64Array,
    /// By the metric.
    pub similarities: Float64Array,
    /// JSON texts.
    pub metadata: Vec<Option<String>>,
    /// All components, vector after vector.
    pub vectors: Option<Float32Array>,
}

impl From<Entry> for EntryRecord {
    fn from(entry: Entry) -> Self {
        Self {
            vector: Float32Array::new(components(&entry.vector).collect()),
            metadata: text(entry.metadata.as_ref()),
            timestamp: number(entry.timestamp.as_micros()),
            conflicted: entry.conflicted,
        }
    }
}

impl EntryColumns {
    pub(crate) fn of(items: &[ListedVector], include_vectors: bool) -> Self {
        Self {
            ids: items.iter().map(|item| item.id.to_string()).collect(),
            metadata: items.iter().map(|item| text(item.metadata.as_ref())).collect(),
            timestamps: Float64Array::new(items.iter().map(|item| micros(item.timestamp)).collect()),
            vectors: include_vectors.then(|| contiguous(items.iter().map(|item| item.vector.as_ref()))),
        }
    }
}

impl HitColumns {
    pub(crate) fn of(hits: &[Hit], include_vectors: bool) -> Self {
        Self {
            ids: hits.iter().map(|hit| hit.id.to_string()).collect(),
            distances: Float64Array::new(hits.iter().map(|hit| hit.distance).collect()),
            similarities: Float64Array::new(hits.iter().map(|hit| hit.similarity).collect()),
            metadata: hits.iter().map(|hit| text(hit.metadata.as_ref())).collect(),
            vectors: include_vectors.then(|| contiguous(hits.iter().map(|hit| hit.vector.as_ref()))),
        }
    }
}

/// A copy of the components, little-endian: JavaScript may change its array while the call runs.
pub(crate) fn copy(components: &[f32]) -> Bytes {
    let mut bytes = vec![0; size_of_val(components)];
    for (place, component) in bytes.chunks_exact_mut(size_of::<f32>()).zip(components) {
        place.copy_from_slice(&component.to_le_bytes());
    }
    bytes.into()
}

pub(crate) fn payload(vector: Bytes, metadata: Option<&str>) -> Result<Payload, Failure> {
    Ok(Payload::new(vector, metadata.map(Metadata::new).transpose()?)?)
}

/// Counts and stamps are bounded by what JavaScript holds exactly.
pub(crate) const fn number(value: u64) -> i64 {
    value as i64
}

pub(crate) fn text(metadata: Option<&Metadata>) -> Option<String> {
    metadata.map(|metadata| metadata.as_str().to_owned())
}

fn micros(timestamp: Timestamp) -> f64 {
    timestamp.as_micros() as f64
}

fn contiguous<'a>(vectors: impl Iterator<Item = Option<&'a Bytes>>) -> Float32Array {
    Float32Array::new(vectors.flatten().flat_map(|vector| components(vector)).collect())
}
