use bytes::Bytes;
use napi_derive::napi;
use vectr_core::{Hit, Hits};

use crate::columns::HitColumns;
use crate::parts::Parts;

/// What a search found, to be taken in parts.
#[napi]
pub struct NativeHits {
    hits: Parts<Hit>,
    damaged: Vec<String>,
    include_vectors: bool,
}

#[napi]
impl NativeHits {
    pub(crate) fn new(hits: Hits, include_vectors: bool) -> Self {
        let damaged = hits.damaged.iter().map(ToString::to_string).collect();
        Self { hits: Parts::new(hits.hits), damaged, include_vectors }
    }

    /// The ids of damaged vectors that are left out.
    #[napi(getter)]
    #[must_use]
    pub fn damaged(&self) -> Vec<String> {
        self.damaged.clone()
    }

    /// The next ones, about as many as a part may have.
    #[napi]
    #[must_use]
    pub fn take(&self) -> HitColumns {
        HitColumns::of(&self.hits.take(MOST_BYTES, size), self.include_vectors)
    }

    /// How many have not been taken.
    #[napi(getter)]
    #[must_use]
    pub fn left(&self) -> u32 {
        self.hits.left()
    }

    /// Drops what has not been taken.
    #[napi]
    pub fn free(&self) {
        self.hits.free();
    }
}

/// What is copied of a hit when it crosses, and what it weighs beside that.
fn size(hit: &Hit) -> usize {
    let metadata = hit.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
    HIT_BYTES + hit.vector.as_ref().map_or(0, Bytes::len) + metadata
}

/// A millisecond or two of work on the event loop.
const MOST_BYTES: usize = 1 << 20;
const HIT_BYTES: usize = 1 << 11;
