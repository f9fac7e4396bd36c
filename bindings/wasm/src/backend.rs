//! Changes as flat arrays. `bindings/node` has the same functions, and two more that only save time: change both
//! together.
#![allow(unreachable_pub, reason = "wasm-bindgen exports public functions only")]
#![allow(clippy::needless_pass_by_value, reason = "optional strings come by value")]

use vectr_delta::Strategy;
use vectr_delta::changes::{self, Compression, FlatRef};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arrays::ToObject;
use crate::failure::Failure;

type Answer<T> = Result<T, Failure>;

/// The bytes of a delta.
#[wasm_bindgen(js_name = encodeDelta)]
pub fn encode_delta(
    numbers: &[f64],
    text: &str,
    vectors: &[u8],
    compression: u8,
    checksum: Option<String>,
) -> Answer<Vec<u8>> {
    let compression = Compression::try_from(compression)?;
    Ok(changes::encode(FlatRef { numbers, text, vectors }, compression, checksum.as_deref())?)
}

/// All of a delta but its vectors, and its checksum.
#[wasm_bindgen(js_name = packDelta, unchecked_return_type = "PackedDelta")]
pub fn pack_delta(numbers: &[f64], text: &str, vectors: &[u8]) -> Answer<JsValue> {
    Ok(changes::pack(FlatRef { numbers, text, vectors })?.to_object())
}

/// Reads the bytes of a delta.
#[wasm_bindgen(js_name = decodeDelta, unchecked_return_type = "DecodedDelta")]
pub fn decode_delta(bytes: &[u8]) -> Answer<JsValue> {
    Ok(changes::decode(bytes)?.to_object())
}

/// Which changes of both sides stand, and which of them shows.
#[wasm_bindgen(js_name = resolveChanges, unchecked_return_type = "Verdict")]
pub fn resolve_changes(numbers: &[f64], text: &str, vectors: &[u8], strategy: u8) -> Answer<JsValue> {
    let verdict = changes::resolve(FlatRef { numbers, text, vectors }, Strategy::try_from(strategy)?)?;
    Ok(verdict.to_object())
}

/// Merges the standing changes of each vector.
#[wasm_bindgen(js_name = mergeChanges, unchecked_return_type = "FlatChanges")]
pub fn merge_changes(numbers: &[f64], text: &str, vectors: &[u8]) -> Answer<JsValue> {
    Ok(changes::merge(FlatRef { numbers, text, vectors })?.to_object())
}

/// Two deltas in, one out.
#[wasm_bindgen(js_name = resolveDeltas)]
pub fn resolve_deltas(local: &[u8], remote: &[u8], strategy: u8) -> Answer<Vec<u8>> {
    Ok(changes::resolve_deltas(local, remote, Strategy::try_from(strategy)?)?)
}

/// The changes that no other one of the same delta supersedes.
#[wasm_bindgen(js_name = newestChanges)]
pub fn newest_changes(numbers: &[f64], text: &str) -> Answer<Vec<u32>> {
    Ok(changes::newest(numbers, text)?)
}

/// Which operations of two sides stand.
#[wasm_bindgen(js_name = resolveOperations, unchecked_return_type = "Resolution")]
pub fn resolve_operations(
    numbers: &[f64],
    text: &str,
    vectors: &[u8],
    #[wasm_bindgen(js_name = localCount)] local_count: u32,
    strategy: u8,
) -> Answer<JsValue> {
    let operations = FlatRef { numbers, text, vectors };
    let resolution = changes::resolve_operations(operations, local_count, Strategy::try_from(strategy)?)?;
    Ok(resolution.to_object())
}

/// How two version vectors relate: 0 equal, 1 before, 2 after, 3 concurrent.
#[wasm_bindgen(js_name = relateVersions)]
pub fn relate_versions(text: &str, numbers: &[f64]) -> Answer<u8> {
    Ok(changes::relate_versions(text, numbers)?)
}

/// The maximum of two version vectors.
#[wasm_bindgen(js_name = joinVersions)]
pub fn join_versions(text: &str, numbers: &[f64]) -> Answer<Vec<f64>> {
    Ok(changes::join_versions(text, numbers)?)
}

/// A version vector with one key counted up.
#[wasm_bindgen(js_name = incrementVersion)]
pub fn increment_version(text: &str, numbers: &[f64]) -> Answer<Vec<f64>> {
    Ok(changes::increment_version(text, numbers)?)
}

#[wasm_bindgen(typescript_custom_section)]
const SHAPES: &str = r"
/** Changes in three columns. */
export interface FlatChanges { numbers: Float64Array; text: string; vectors: Uint8Array }
/** All of a delta but its vectors. */
export interface PackedDelta { columns: Uint8Array; checksum: string }
/** What the bytes of a delta hold. */
export interface DecodedDelta extends FlatChanges, PackedDelta { compression: number }
/** Which changes stand. */
export interface Verdict { groups: Uint32Array; duplicateDots: Uint32Array; ids: string }
/** Which operations stand. */
export interface Resolution { groups: Uint32Array; merged: FlatChanges }
";
