use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use napi::bindgen_prelude::Float32ArraySlice;
use napi_derive::napi;
use vectr_delta::{Payload, VectorId};

use crate::columns::{copy, payload};
use crate::failure::Failure;

/// Vectors for `insertBatch`, which JavaScript hands over in parts: all at once would hold up its event loop.
#[napi]
#[derive(Default)]
pub struct NativeBatch(Mutex<Vec<BatchedVector>>);

pub(crate) struct BatchedVector {
    id: Option<String>,
    vector: Bytes,
    metadata: Option<String>,
}

#[napi]
impl NativeBatch {
    /// An empty one.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds vectors, which lie one after the other in `vectors`.
    #[napi]
    pub fn push(
        &self,
        ids: Vec<Option<String>>,
        vectors: Float32ArraySlice<'_>,
        metadata: Vec<Option<String>>,
    ) {
        let all = copy(&vectors);
        let length = all.len() / ids.len().max(1);
        let items = ids.into_iter().zip(metadata).enumerate().map(|(index, (id, metadata))| BatchedVector {
            id,
            vector: all.slice(index * length..(index + 1) * length),
            metadata,
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(items);
    }

    /// What was added, which is then no longer here.
    pub(crate) fn take(&self) -> Vec<BatchedVector> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BatchedVector {
    pub(crate) fn item(self) -> Result<(Option<VectorId>, Payload), Failure> {
        let id = self.id.as_deref().map(VectorId::new).transpose()?;
        Ok((id, payload(self.vector, self.metadata.as_deref())?))
    }
}
