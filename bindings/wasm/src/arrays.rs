//! What a call returns: plain objects whose arrays are copied out of the module's memory once.

use js_sys::{Float64Array, Uint8Array, Uint32Array};
use serde::{Serialize, Serializer};
use vectr_delta::changes::{Decoded, Flat, Packed, Resolution, Verdict};
use wasm_bindgen::JsValue;

/// A value that JavaScript sees as a plain object.
pub(crate) trait ToObject {
    fn to_object(&self) -> JsValue;
}

impl ToObject for Flat {
    fn to_object(&self) -> JsValue {
        object(&[
            ("numbers", Float64Array::from(&*self.numbers).into()),
            ("text", JsValue::from_str(&self.text)),
            ("vectors", Uint8Array::from(&*self.vectors).into()),
        ])
    }
}

impl ToObject for Packed {
    fn to_object(&self) -> JsValue {
        object(&[
            ("columns", Uint8Array::from(&*self.columns).into()),
            ("checksum", JsValue::from_str(&self.checksum)),
        ])
    }
}

impl ToObject for Decoded<'_> {
    fn to_object(&self) -> JsValue {
        object(&[
            ("numbers", Float64Array::from(&*self.numbers).into()),
            ("text", JsValue::from_str(&self.text)),
            ("vectors", Uint8Array::from(&*self.vectors).into()),
            ("columns", Uint8Array::from(&*self.columns).into()),
            ("checksum", JsValue::from_str(&self.checksum)),
            ("compression", (self.compression as u8).into()),
        ])
    }
}

impl ToObject for Verdict {
    fn to_object(&self) -> JsValue {
        object(&[
            ("groups", Uint32Array::from(&*self.groups).into()),
            ("duplicateDots", Uint32Array::from(&*self.duplicate_dots).into()),
            ("ids", JsValue::from_str(&self.ids)),
        ])
    }
}

impl ToObject for Resolution {
    fn to_object(&self) -> JsValue {
        object(&[("groups", Uint32Array::from(&*self.groups).into()), ("merged", self.merged.to_object())])
    }
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    // Keys are texts and values are values already. `expect` would bring the wording of an error into the module.
    Fields(fields).serialize(&serializer).unwrap_or_default()
}

struct Fields<'f>(&'f [(&'f str, JsValue)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Value(value.clone()))))
    }
}

#[derive(Serialize)]
struct Value(#[serde(with = "serde_wasm_bindgen::preserve")] JsValue);
