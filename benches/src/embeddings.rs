use std::path::Path;

use bytes::Bytes;

use crate::BenchError;

/// As many embeddings as wanted: 6,000 real ones, then the same again, each slightly moved.
#[derive(Clone, Debug)]
pub struct Embeddings(Bytes);

impl Embeddings {
    /// Components of each.
    pub const DIMENSIONS: u32 = 384;

    /// Reads the real ones from `examples/data`.
    ///
    /// # Errors
    /// Where the file is missing, or holds no whole number of vectors.
    pub fn load() -> Result<Self, BenchError> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/phrases-6k-384.f32");
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(BYTES) {
            return Err(format!("{}: {} bytes are no vectors", path.display(), bytes.len()).into());
        }
        Ok(Self(bytes.into()))
    }

    /// Vector `index` as little-endian f32: from the second round on each component is moved by up to 0.001, by a
    /// generator seeded with the index, so that no two are alike and every run has the same.
    #[must_use]
    pub fn vector(&self, index: usize) -> Bytes {
        let count = self.0.len() / BYTES;
        let start = index % count * BYTES;
        let real = self.0.slice(start..start + BYTES);
        if index < count {
            return real;
        }
        let mut noise = Noise(index as u64);
        let moved = real.chunks_exact(4).flat_map(|quad| {
            let component = f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]);
            (component + noise.next() * 0.001).to_le_bytes()
        });
        moved.collect::<Vec<u8>>().into()
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014), as numbers from -1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

const BYTES: usize = Embeddings::DIMENSIONS as usize * size_of::<f32>();
