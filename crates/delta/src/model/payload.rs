use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::DeltaError;
use crate::json::{self, ObjectFault};

/// The number of components of a vector: 1 to 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Dimensions(u32);

impl Dimensions {
    /// The greatest number of components.
    pub const MAX: u32 = 65_536;

    /// The number.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// The size of such a vector in bytes, as little-endian f32.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.count() * size_of::<f32>()
    }
}

impl TryFrom<u32> for Dimensions {
    type Error = DeltaError;

    fn try_from(count: u32) -> Result<Self, DeltaError> {
        if count == 0 || count > Self::MAX {
            return Err(DeltaError::DimensionRange { count: u64::from(count) });
        }
        Ok(Self(count))
    }
}

impl From<Dimensions> for u32 {
    fn from(dimensions: Dimensions) -> Self {
        dimensions.0
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text of a JSON object, at most 256 KiB, kept byte for byte.
///
/// Every reader can use it, and all read the same: it nests at most [`Metadata::MAX_DEPTH`] levels deep, which is as far
/// as SQLite's JSON functions go, and has each key once in its object.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata(Arc<str>);

impl Metadata {
    /// The most bytes that metadata may have.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The most levels of nested objects and arrays, the outer object included.
    pub const MAX_DEPTH: usize = json::MAX_DEPTH;

    /// Checks the text.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` if the text is too long, not one JSON object, nests too deep, or has a key twice in an object.
    pub fn new(text: &str) -> Result<Self, DeltaError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// The checks of [`Metadata::new`].
    pub(crate) fn check(text: &str) -> Result<(), DeltaError> {
        if text.len() > Self::MAX_BYTES {
            return Err(DeltaError::MetadataSize { bytes: text.len() });
        }
        json::check_object(text).map_err(|fault| match fault {
            ObjectFault::Syntax(reason) => DeltaError::MetadataSyntax { reason },
            ObjectFault::Depth => DeltaError::MetadataDepth,
            ObjectFault::DoubledKey(key) => DeltaError::MetadataKey { key },
        })
    }

    /// Wraps text that [`Metadata::new`] has accepted.
    #[must_use]
    pub fn from_checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a put stores: the vector, as finite little-endian f32 components, and optional metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    vector: Bytes,
    metadata: Option<Metadata>,
}

impl Payload {
    /// Checks that the bytes are 1 to 65,536 finite little-endian f32 numbers.
    ///
    /// # Errors
    /// `ERR_DIMENSIONS` for another length; `ERR_VECTOR` names the first component that is not finite.
    pub fn new(vector: Bytes, metadata: Option<Metadata>) -> Result<Self, DeltaError> {
        Self::check(&vector)?;
        Ok(Self { vector, metadata })
    }

    /// The checks of [`Payload::new`].
    pub(crate) fn check(vector: &[u8]) -> Result<(), DeltaError> {
        let count = vector.len() / size_of::<f32>();
        if !vector.len().is_multiple_of(size_of::<f32>()) || count == 0 || count > Dimensions::MAX as usize {
            return Err(DeltaError::DimensionRange { count: count as u64 });
        }
        if let Some(index) = first_not_finite(vector) {
            return Err(DeltaError::NotFinite { index });
        }
        Ok(())
    }

    /// Wraps bytes that [`Payload::new`] has accepted.
    #[must_use]
    pub const fn from_checked(vector: Bytes, metadata: Option<Metadata>) -> Self {
        Self { vector, metadata }
    }

    /// Like [`Payload::new`], from numbers.
    ///
    /// # Errors
    /// See [`Payload::new`].
    pub fn from_components(components: &[f32], metadata: Option<Metadata>) -> Result<Self, DeltaError> {
        Self::new(components.iter().flat_map(|component| component.to_le_bytes()).collect(), metadata)
    }

    /// The components, little-endian f32.
    #[must_use]
    pub const fn vector(&self) -> &Bytes {
        &self.vector
    }

    /// The metadata, if there is any.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// The number of components.
    #[must_use]
    pub fn dimensions(&self) -> Dimensions {
        // At most 65,536, by the constructors.
        Dimensions((self.vector.len() / size_of::<f32>()) as u32)
    }

    /// The components as numbers.
    pub fn components(&self) -> impl ExactSizeIterator<Item = f32> + '_ {
        components(&self.vector)
    }

    /// XXH3-128 of the vector's length (u64, little-endian), the vector's bytes and, if there is metadata, one byte 1
    /// and its text.
    #[must_use]
    pub fn hash(&self) -> PayloadHash {
        let mut hasher = Xxh3Default::new();
        hasher.update(&(self.vector.len() as u64).to_le_bytes());
        hasher.update(&self.vector);
        if let Some(metadata) = &self.metadata {
            hasher.update(&[1]);
            hasher.update(metadata.as_str().as_bytes());
        }
        PayloadHash(hasher.digest128())
    }
}

macro_rules! payload_of_components {
    ($(($($generics:tt)*) $vector:ty),+) => {$(
        /// As [`Payload::from_components`], without metadata.
        impl<$($generics)*> TryFrom<$vector> for Payload {
            type Error = DeltaError;

            fn try_from(components: $vector) -> Result<Self, DeltaError> {
                Self::from_components(&components[..], None)
            }
        }
    )+};
}

payload_of_components!((const N: usize) [f32; N], (const N: usize) &[f32; N], () &[f32], () &Vec<f32>, () Vec<f32>);

/// As [`Payload::from_components`].
impl<V: AsRef<[f32]>> TryFrom<(V, Metadata)> for Payload {
    type Error = DeltaError;

    fn try_from((components, metadata): (V, Metadata)) -> Result<Self, DeltaError> {
        Self::from_components(components.as_ref(), Some(metadata))
    }
}

/// As [`Payload::from_components`], with metadata as the text of a JSON object.
impl<V: AsRef<[f32]>> TryFrom<(V, &str)> for Payload {
    type Error = DeltaError;

    fn try_from((components, metadata): (V, &str)) -> Result<Self, DeltaError> {
        Self::from_components(components.as_ref(), Some(Metadata::new(metadata)?))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[f32; {}] {:?}", self.dimensions(), self.metadata)
    }
}

/// The hash of a payload; 0 for a tombstone, which has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PayloadHash(u128);

impl PayloadHash {
    /// Reads a stored hash.
    #[must_use]
    pub const fn from_le_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// 16 bytes, little-endian.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Reads little-endian f32 numbers; ignores a remainder of fewer than four bytes.
pub fn components(bytes: &[u8]) -> impl ExactSizeIterator<Item = f32> + '_ {
    bytes.as_chunks().0.iter().map(|quad| f32::from_le_bytes(*quad))
}

/// The index of the first component that is not finite.
pub(crate) fn first_not_finite(bytes: &[u8]) -> Option<usize> {
    // One branch per block instead of per component lets the compiler vectorize the loop.
    if bytes.chunks(512).all(is_finite) {
        return None;
    }
    components(bytes).position(|component| !component.is_finite())
}

/// Tests two components at a time. Infinities and NaNs have an exponent of all ones; adding one to it carries into the
/// sign bit.
fn is_finite(block: &[u8]) -> bool {
    let (pairs, rest) = block.as_chunks();
    let carried = |pair: u64| (pair & 0x7f80_0000_7f80_0000) + 0x0080_0000_0080_0000;
    let all = pairs.iter().fold(0, |all, pair| all | carried(u64::from_le_bytes(*pair)));
    all & 0x8000_0000_8000_0000 == 0 && components(rest).all(f32::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_must_be_a_json_object() {
        assert!(Metadata::new(r#"{"a":[1,{"b":null}]}"#).is_ok());
        for text in ["", "[]", "1", "null", "{", "{} {}", "{\"a\":}"] {
            assert_eq!(Metadata::new(text).unwrap_err().code(), "ERR_ARGUMENT", "{text}");
        }
        let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(Metadata::MAX_BYTES));
        assert!(Metadata::new(&large).is_err());
    }

    #[test]
    fn metadata_that_readers_refuse_or_take_differently_names_its_fault() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
        for (text, said) in [(&*deep, "at most 1000 levels"), (r#"{"b":{"k":1,"k":2}}"#, "the key 'k' twice")]
        {
            let error = Metadata::new(text).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT");
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn the_error_names_the_component_that_is_not_finite() {
        let mut components = vec![0.5; 384];
        components[333] = f32::NAN;
        let error = Payload::from_components(&components, None).unwrap_err();
        assert_eq!(error, DeltaError::NotFinite { index: 333 });
    }

    #[test]
    fn a_component_that_is_not_finite_is_found_wherever_it_is() {
        let finite = [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1)];
        for count in [1, 2, 3, 127, 128, 129, 255, 257] {
            let components: Vec<f32> = finite.into_iter().cycle().take(count).collect();
            assert!(Payload::from_components(&components, None).is_ok());
            for index in 0..count {
                for wrong in
                    [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7f80_0001)]
                {
                    let mut components = components.clone();
                    components[index] = wrong;
                    let error = Payload::from_components(&components, None).unwrap_err();
                    assert_eq!(error, DeltaError::NotFinite { index });
                }
            }
        }
    }

    #[test]
    fn metadata_and_its_absence_hash_differently() {
        let plain = Payload::from_components(&[1.0], None).unwrap();
        let with = Payload::from_components(&[1.0], Some(Metadata::new("{}").unwrap())).unwrap();
        assert_ne!(plain.hash(), with.hash());
    }
}
