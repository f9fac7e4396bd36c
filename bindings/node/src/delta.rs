//! Changes as flat arrays, for `bindings/js/src/delta`. `bindings/wasm` has the same functions but for
//! `sealDelta` and `packedChecksum`, for which the browser's module has no room: change both together.
//!
//! Large results are copied into memory of the engine's own: it reuses that, while memory handed over is fresh for each
//! call, and every page of it costs a fault. A Buffer is not cleared first, as a Uint8Array is.
#![allow(unreachable_pub, reason = "napi exports public functions and what they return")]
#![cfg_attr(test, allow(dead_code, reason = "napi exports nothing to tests"))]

use napi::Env;
use napi::bindgen_prelude::{
    BufferSlice, Float64Array, Float64ArraySlice, Uint8Array, Uint8ArraySlice, Uint32Array,
};
use napi_derive::napi;
use vectr_delta::changes::{self, Compression, Flat, FlatRef};
use vectr_delta::{DeltaError, Strategy};

use crate::failure::Failure;

/// Changes in three columns.
#[napi(object, object_from_js = false)]
pub struct FlatChanges {
    /// Header and columns.
    pub numbers: Float64Array,
    /// Lines: ids, keys and metadata.
    pub text: String,
    /// Little-endian f32, vector after vector.
    pub vectors: Uint8Array,
}

/// All of a delta but its vectors.
#[napi(object, object_from_js = false)]
pub struct PackedDelta<'env> {
    /// From and to, ids, keys, metadata and numbers, as MessagePack.
    pub columns: Uint8ArraySlice<'env>,
    /// Of the content, 32 hexadecimal digits.
    pub checksum: String,
}

/// What the bytes of a delta hold.
#[napi(object, object_from_js = false)]
pub struct DecodedDelta<'env> {
    /// Header and columns.
    pub numbers: Float64ArraySlice<'env>,
    /// Lines: ids, keys and metadata.
    pub text: String,
    /// Little-endian f32, vector after vector.
    #[napi(ts_type = "Uint8Array")]
    pub vectors: BufferSlice<'env>,
    /// As in `PackedDelta`.
    pub columns: Uint8ArraySlice<'env>,
    /// Of the content, 32 hexadecimal digits.
    pub checksum: String,
    /// 0 none, 1 msgpack, 2 lz4, 3 zstd.
    pub compression: u8,
}

/// Changes of a database in three columns, as `FlatChanges`.
#[napi(object, object_from_js = false)]
pub struct ChangePart<'env> {
    /// Header and columns.
    pub numbers: Float64ArraySlice<'env>,
    /// Lines: ids, keys and metadata.
    pub text: String,
    /// Little-endian f32, vector after vector.
    #[napi(ts_type = "Uint8Array")]
    pub vectors: BufferSlice<'env>,
}

/// Which changes stand.
#[napi(object, object_from_js = false)]
pub struct Verdict {
    /// For each vector: the winner, how many stand, and which.
    pub groups: Uint32Array,
    /// Pairs of changes with one dot.
    pub duplicate_dots: Uint32Array,
    /// Ids of the conflicts, 32 hexadecimal digits each.
    pub ids: String,
}

/// Which operations stand.
#[napi(object, object_from_js = false)]
pub struct Resolution {
    /// For each vector: the winner, how many stand, and which.
    pub groups: Uint32Array,
    /// What the groups without a winner merge to.
    pub merged: FlatChanges,
}

/// The bytes of a delta.
#[napi]
pub fn encode_delta<'env>(
    env: &'env Env,
    numbers: Float64ArraySlice<'_>,
    text: String,
    vectors: Uint8ArraySlice<'_>,
    compression: u8,
    checksum: Option<String>,
) -> napi::Result<Uint8ArraySlice<'env>> {
    let compression = Compression::try_from(compression).map_err(Failure::from)?;
    let bytes = changes::encode(flat(&numbers, &text, &vectors), compression, checksum.as_deref());
    Uint8ArraySlice::copy_from(env, bytes.map_err(Failure::from)?)
}

/// All of a delta but its vectors, and its checksum.
#[napi]
pub fn pack_delta<'env>(
    env: &'env Env,
    numbers: Float64ArraySlice<'_>,
    text: String,
    vectors: Uint8ArraySlice<'_>,
) -> napi::Result<PackedDelta<'env>> {
    let packed = changes::pack(flat(&numbers, &text, &vectors)).map_err(Failure::from)?;
    Ok(PackedDelta { columns: Uint8ArraySlice::copy_from(env, packed.columns)?, checksum: packed.checksum })
}

/// The bytes of a packed delta, in `room` where they are not compressed.
#[napi]
pub fn seal_delta<'env>(
    env: &'env Env,
    #[napi(ts_arg_type = "Uint8Array")] mut room: BufferSlice<'_>,
    columns: Uint8ArraySlice<'_>,
    timestamp: f64,
    compression: u8,
    checksum: String,
) -> napi::Result<Option<Uint8ArraySlice<'env>>> {
    let compression = Compression::try_from(compression).map_err(Failure::from)?;
    let packed = changes::seal(&mut room, &columns, timestamp as u64, compression, &checksum);
    packed.map_err(Failure::from)?.map(|bytes| Uint8ArraySlice::copy_from(env, bytes)).transpose()
}

/// The checksum of a packed delta.
#[napi]
pub fn packed_checksum(columns: Uint8ArraySlice<'_>, vectors: Uint8ArraySlice<'_>) -> String {
    changes::packed_checksum(&columns, &vectors)
}

/// Reads the bytes of a delta.
#[napi]
pub fn decode_delta<'env>(env: &'env Env, bytes: Uint8ArraySlice<'_>) -> napi::Result<DecodedDelta<'env>> {
    let decoded = changes::decode(&bytes).map_err(Failure::from)?;
    Ok(DecodedDelta {
        numbers: Float64ArraySlice::copy_from(env, decoded.numbers)?,
        text: decoded.text,
        vectors: BufferSlice::copy_from(env, decoded.vectors)?,
        columns: Uint8ArraySlice::copy_from(env, decoded.columns)?,
        checksum: decoded.checksum,
        compression: decoded.compression as u8,
    })
}

/// Which changes of both sides stand, and which of them shows.
#[napi]
pub fn resolve_changes(
    numbers: Float64ArraySlice<'_>,
    text: String,
    vectors: Uint8ArraySlice<'_>,
    strategy: u8,
) -> napi::Result<Verdict> {
    let strategy = chosen(strategy)?;
    let verdict = changes::resolve(flat(&numbers, &text, &vectors), strategy).map_err(Failure::from)?;
    Ok(Verdict {
        groups: Uint32Array::new(verdict.groups),
        duplicate_dots: Uint32Array::new(verdict.duplicate_dots),
        ids: verdict.ids,
    })
}

/// Merges the standing changes of each vector.
#[napi]
pub fn merge_changes(
    numbers: Float64ArraySlice<'_>,
    text: String,
    vectors: Uint8ArraySlice<'_>,
) -> napi::Result<FlatChanges> {
    Ok(changes::merge(flat(&numbers, &text, &vectors)).map_err(Failure::from)?.into())
}

/// Two deltas in, one out.
#[napi]
pub fn resolve_deltas<'env>(
    env: &'env Env,
    local: Uint8ArraySlice<'_>,
    remote: Uint8ArraySlice<'_>,
    strategy: u8,
) -> napi::Result<Uint8ArraySlice<'env>> {
    let bytes = changes::resolve_deltas(&local, &remote, chosen(strategy)?).map_err(Failure::from)?;
    Uint8ArraySlice::copy_from(env, bytes)
}

/// The changes that no other one of the same delta supersedes.
#[napi]
pub fn newest_changes(numbers: Float64ArraySlice<'_>, text: String) -> napi::Result<Uint32Array> {
    Ok(Uint32Array::new(changes::newest(&numbers, &text).map_err(Failure::from)?))
}

/// Which operations of two sides stand.
#[napi]
pub fn resolve_operations(
    numbers: Float64ArraySlice<'_>,
    text: String,
    vectors: Uint8ArraySlice<'_>,
    local_count: u32,
    strategy: u8,
) -> napi::Result<Resolution> {
    let operations = flat(&numbers, &text, &vectors);
    let resolution =
        changes::resolve_operations(operations, local_count, chosen(strategy)?).map_err(Failure::from)?;
    Ok(Resolution { groups: Uint32Array::new(resolution.groups), merged: resolution.merged.into() })
}

/// How two version vectors relate: 0 equal, 1 before, 2 after, 3 concurrent.
#[napi]
pub fn relate_versions(text: String, numbers: Float64ArraySlice<'_>) -> napi::Result<u8> {
    Ok(changes::relate_versions(&text, &numbers).map_err(Failure::from)?)
}

/// The maximum of two version vectors.
#[napi]
pub fn join_versions(text: String, numbers: Float64ArraySlice<'_>) -> napi::Result<Float64Array> {
    Ok(Float64Array::new(changes::join_versions(&text, &numbers).map_err(Failure::from)?))
}

/// A version vector with one key counted up.
#[napi]
pub fn increment_version(text: String, numbers: Float64ArraySlice<'_>) -> napi::Result<Float64Array> {
    Ok(Float64Array::new(changes::increment_version(&text, &numbers).map_err(Failure::from)?))
}

impl<'env> ChangePart<'env> {
    pub(crate) fn read(env: &'env Env, bytes: &[u8]) -> napi::Result<Self> {
        let decoded = changes::decode(bytes).map_err(Failure::from)?;
        Ok(Self {
            numbers: Float64ArraySlice::copy_from(env, decoded.numbers)?,
            text: decoded.text,
            vectors: BufferSlice::copy_from(env, decoded.vectors)?,
        })
    }
}

impl From<Flat> for FlatChanges {
    fn from(flat: Flat) -> Self {
        Self {
            numbers: Float64Array::new(flat.numbers),
            text: flat.text,
            vectors: Uint8Array::new(flat.vectors),
        }
    }
}

const fn flat<'a>(numbers: &'a [f64], text: &'a str, vectors: &'a [u8]) -> FlatRef<'a> {
    FlatRef { numbers, text, vectors }
}

fn chosen(strategy: u8) -> Result<Strategy, Failure> {
    Strategy::try_from(strategy).map_err(|error: DeltaError| error.into())
}
