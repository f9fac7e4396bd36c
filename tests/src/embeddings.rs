use std::path::Path;

use bytes::Bytes;
use vectr_delta::{Metadata, Payload, VectorId, components};

use crate::Random;

/// Components of each embedding.
pub const DIMENSIONS: usize = 384;

/// The real sentence embeddings of `examples/data`.
pub struct Embeddings {
    vectors: Bytes,
    phrases: Vec<String>,
}

impl Embeddings {
    /// Reads the files that the repository carries.
    ///
    /// # Panics
    /// Where they are missing: the tests cannot run without them.
    #[must_use]
    pub fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
        let read =
            |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let phrases = String::from_utf8(read("phrases-6k.txt")).expect("phrases are text");
        Self {
            vectors: read("phrases-6k-384.f32").into(),
            phrases: phrases.lines().map(str::to_owned).collect(),
        }
    }

    /// Any number of entries: beyond the 6,000 real ones, real ones with a little seeded noise.
    ///
    /// # Panics
    /// Never: the files hold finite numbers.
    #[must_use]
    pub fn entry(&self, index: usize) -> (Option<VectorId>, Payload) {
        let row = index % self.phrases.len();
        let bytes = self.vectors.slice(row * DIMENSIONS * 4..(row + 1) * DIMENSIONS * 4);
        let mut random = Random::new(index as u64);
        let noisy: Vec<f32> = components(&bytes)
            .map(
                |component| {
                    if index == row { component } else { component + (random.below(1000) as f32) * 1e-6 }
                },
            )
            .collect();
        let text = self.phrases[row].replace(['"', '\\'], "");
        let metadata =
            Metadata::new(&format!(r#"{{"phrase":"{text}","copy":{}}}"#, index / self.phrases.len()));
        let payload = Payload::from_components(&noisy, Some(metadata.expect("it is an object")));
        let id = VectorId::new(&format!("phrase-{index:06}")).expect("it is short");
        (Some(id), payload.expect("its numbers are finite"))
    }
}
