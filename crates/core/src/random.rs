use vectr_delta::Timestamp;

use crate::CoreError;

/// A random number, unique for all practical purposes.
pub(crate) fn random_number() -> Result<u64, CoreError> {
    let mut bytes = [0; 8];
    random_bytes(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn random_bytes(bytes: &mut [u8]) -> Result<(), CoreError> {
    getrandom::fill(bytes).map_err(|error| CoreError::Storage {
        reason: format!("the system's random number generator failed: {error}"),
    })
}

/// A UUIDv7 for the time `now`.
pub(crate) fn random_uuid(now: Timestamp) -> Result<String, CoreError> {
    let mut random = [0; 10];
    random_bytes(&mut random)?;
    let uuid = uuid::Builder::from_unix_timestamp_millis(now.as_micros() / 1_000, &random).into_uuid();
    Ok(uuid.as_hyphenated().to_string())
}
