//! Bodies of messages as MessagePack.

use serde::{Deserialize, Serialize};

use crate::DeltaError;

pub(super) fn write<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<(), DeltaError> {
    value.serialize(&mut rmp_serde::Serializer::new(buffer)).map_err(|error| malformed("message", error))
}

pub(super) fn read<'a, T: Deserialize<'a>>(what: &'static str, body: &'a [u8]) -> Result<T, DeltaError> {
    rmp_serde::from_slice(body).map_err(|error| malformed(what, error))
}

#[allow(clippy::needless_pass_by_value, reason = "callers hand over texts and errors alike")]
pub(super) fn malformed(what: &'static str, reason: impl ToString) -> DeltaError {
    DeltaError::Malformed { what, reason: reason.to_string() }
}
