//! What a call returns: plain objects whose arrays are copied out of the module's memory once.

use js_sys::{Float64Array, Uint8Array, Uint32Array};
use serde::Serialize;
use vectr_delta::changes::{Decoded, Flat, Resolution, Verdict};
use wasm_bindgen::JsValue;

/// A value that JavaScript sees as a plain object.
pub(crate) trait ToObject {
    fn to_object(&self) -> JsValue;
}

impl ToObject for Flat {
    fn to_object(&self) -> JsValue {
        object(&FlatObject::of(self))
    }
}

impl ToObject for Decoded<'_> {
    fn to_object(&self) -> JsValue {
        object(&DecodedObject {
            numbers: Float64Array::from(&*self.numbers).into(),
            text: &self.text,
            vectors: Uint8Array::from(&*self.vectors).into(),
            checksum: &self.checksum,
            compression: self.compression as u8,
        })
    }
}

impl ToObject for Verdict {
    fn to_object(&self) -> JsValue {
        object(&VerdictObject {
            groups: Uint32Array::from(&*self.groups).into(),
            twins: Uint32Array::from(&*self.twins).into(),
            ids: &self.ids,
        })
    }
}

impl ToObject for Resolution {
    fn to_object(&self) -> JsValue {
        object(&ResolutionObject {
            groups: Uint32Array::from(&*self.groups).into(),
            merged: FlatObject::of(&self.merged),
        })
    }
}

#[derive(Serialize)]
struct FlatObject<'f> {
    #[serde(with = "serde_wasm_bindgen::preserve")]
    numbers: JsValue,
    text: &'f str,
    #[serde(with = "serde_wasm_bindgen::preserve")]
    vectors: JsValue,
}

impl<'f> FlatObject<'f> {
    fn of(flat: &'f Flat) -> Self {
        Self {
            numbers: Float64Array::from(&*flat.numbers).into(),
            text: &flat.text,
            vectors: Uint8Array::from(&*flat.vectors).into(),
        }
    }
}

#[derive(Serialize)]
struct DecodedObject<'d> {
    #[serde(with = "serde_wasm_bindgen::preserve")]
    numbers: JsValue,
    text: &'d str,
    #[serde(with = "serde_wasm_bindgen::preserve")]
    vectors: JsValue,
    checksum: &'d str,
    compression: u8,
}

#[derive(Serialize)]
struct VerdictObject<'v> {
    #[serde(with = "serde_wasm_bindgen::preserve")]
    groups: JsValue,
    #[serde(with = "serde_wasm_bindgen::preserve")]
    twins: JsValue,
    ids: &'v str,
}

#[derive(Serialize)]
struct ResolutionObject<'r> {
    #[serde(with = "serde_wasm_bindgen::preserve")]
    groups: JsValue,
    merged: FlatObject<'r>,
}

fn object(value: &impl Serialize) -> JsValue {
    // Texts, numbers and arrays always become values. `expect` would bring the wording of an error into the module.
    serde_wasm_bindgen::to_value(value).unwrap_or_default()
}
