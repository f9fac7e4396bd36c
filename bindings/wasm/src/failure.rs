use js_sys::Error;
use vectr_delta::DeltaError;
use wasm_bindgen::JsValue;

/// Why a call failed, on its way to JavaScript.
pub(crate) struct Failure(DeltaError);

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        Self(error)
    }
}

impl From<Failure> for JsValue {
    fn from(Failure(failure): Failure) -> Self {
        // The code comes first, up to the first colon, as from the addon: one facade takes both apart.
        Error::new(&format!("{}: {failure}", failure.code())).into()
    }
}
