//! A digest as 40 bytes, for `#[serde(with)]`.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use serde_bytes::Bytes;

use crate::Digest;

pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(&digest.to_bytes())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let bytes = <&Bytes>::deserialize(deserializer)?;
    Digest::from_bytes(bytes).ok_or_else(|| Error::custom("a digest has 40 bytes"))
}
