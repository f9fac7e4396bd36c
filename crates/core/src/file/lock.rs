use std::fs::{File, TryLockError};
use std::path::Path;

use crate::CoreError;
use crate::file::location::beside;

/// Locks a database for one opening, across processes. The system releases it when the process dies.
///
/// The lock file is never removed: two openings could otherwise lock different files of the same name.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks `<path>.lock`, where `path` has been [resolved](crate::file::location::resolve).
    pub(crate) fn take(path: &Path) -> Result<Self, CoreError> {
        let place = beside(path, ".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&place)
            .map_err(CoreError::io(&place))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(open_elsewhere(path)),
            Err(TryLockError::Error(error)) => Err(CoreError::Io { path: place, source: error }),
        }
    }
}

pub(crate) fn open_elsewhere(path: &Path) -> CoreError {
    CoreError::Busy {
        what: format!("'{}'", path.display()),
        reason: "it is open elsewhere, in this process or another: close it there first".into(),
    }
}
