use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::CoreError;

/// Locks a database for one opening, across processes. The system releases it when the process dies.
///
/// The lock file is never removed: two openings could otherwise lock different files of the same name.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks `<path>.lock`.
    pub(crate) fn take(path: &Path) -> Result<Self, CoreError> {
        let place = lock_path(path);
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&place)
            .map_err(CoreError::io(&place))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(CoreError::Busy {
                what: format!("'{}'", path.display()),
                reason: "it is open elsewhere, in this process or another: close it there first".into(),
            }),
            Err(TryLockError::Error(error)) => Err(CoreError::Io { path: place, source: error }),
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
}
