use std::fmt::Display;

use vectr_core::CoreError;
use vectr_delta::DeltaError;
use vectr_sync::SyncError;
use vectr_transport::TransportError;

/// Why a call failed, on its way to JavaScript.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// The code comes first, up to the first colon: codes contain none.
    pub(crate) fn new(code: &str, message: &dyn Display) -> Self {
        Self(format!("{code}: {message}"))
    }
}

impl From<Failure> for napi::Error {
    fn from(failure: Failure) -> Self {
        Self::from_reason(failure.0)
    }
}

macro_rules! from_coded {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.code(), &error)
            }
        }
    )*};
}

from_coded!(CoreError, DeltaError, SyncError, TransportError);
