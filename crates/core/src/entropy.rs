use crate::CoreError;

/// A number that nobody else has.
pub(crate) fn random_number() -> Result<u64, CoreError> {
    let mut bytes = [0; 8];
    random_bytes(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

pub(crate) fn random_bytes(bytes: &mut [u8]) -> Result<(), CoreError> {
    getrandom::fill(bytes).map_err(|error| CoreError::Storage {
        reason: format!("the system gives no random numbers: {error}"),
    })
}
