//! The database files that this process has open, by number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::CoreError;
use crate::file::location::FileNumber;
use crate::file::lock::open_elsewhere;

/// Held while this process has handles of a file.
pub(crate) struct OpenFile {
    number: Option<FileNumber>,
    writes: bool,
}

/// What this process has open of one file.
#[derive(Default)]
struct Handles {
    count: usize,
    written: bool,
}

impl OpenFile {
    /// Looks at a file's bytes with `look`, if this process has no handle of it; `None` if it has one. No handle comes
    /// into being meanwhile.
    pub(crate) fn look_before<T>(
        path: &Path,
        look: impl FnOnce() -> Result<T, CoreError>,
    ) -> Result<Option<T>, CoreError> {
        let handles = handles();
        let number = FileNumber::of(path).map_err(CoreError::io(path))?;
        if number.is_some_and(|number| handles.contains_key(&number)) {
            return Ok(None);
        }
        look().map(Some)
    }

    /// Opens the file at `path` with `open`, by SQLite. The guard must live as long as what was opened.
    ///
    /// # Errors
    /// `ERR_BUSY` if two in this process would write, under whatever name.
    pub(crate) fn with<T>(
        path: &Path,
        writes: bool,
        open: impl FnOnce() -> Result<T, CoreError>,
    ) -> Result<(Self, T), CoreError> {
        let mut handles = handles();
        let number = || FileNumber::of(path).map_err(CoreError::io(path));
        let is_written = |number| handles.get(&number).is_some_and(|handles| handles.written);
        if writes && number()?.is_some_and(is_written) {
            return Err(open_elsewhere(path));
        }
        let opened = open()?;
        let number = number()?;
        if let Some(number) = number {
            let handles = handles.entry(number).or_default();
            handles.count += 1;
            handles.written |= writes;
        }
        Ok((Self { number, writes }, opened))
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut handles = handles();
        if let Some(open) = handles.get_mut(&number) {
            open.count -= 1;
            open.written &= !self.writes;
            if open.count == 0 {
                handles.remove(&number);
            }
        }
    }
}

fn handles() -> MutexGuard<'static, BTreeMap<FileNumber, Handles>> {
    static HANDLES: Mutex<BTreeMap<FileNumber, Handles>> = Mutex::new(BTreeMap::new());
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}
