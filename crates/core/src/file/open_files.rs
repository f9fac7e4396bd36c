//! The database files that this process has open, by number.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::CoreError;
use crate::file::location::FileNumber;

/// Held while this process has handles of a file.
pub(crate) struct OpenFile {
    number: Option<FileNumber>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Locked,
    /// Outside of SQLite's locks, so that closing it drops those that this process has on the file; or with an index of the
    /// log that may not be written, which SQLite shares with all handles of this process.
    Unlocked,
}

/// What this process has open of one file.
#[derive(Default)]
struct Handles {
    count: usize,
    unlocked: usize,
}

/// What this process has open of a file that it is about to open once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nothing.
    None,
    /// Handles that rely on SQLite's locks.
    Locked,
    /// Handles outside of them.
    Unlocked,
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

    /// Opens the file at `path` for writing with `open`, by SQLite. The guard must live as long as what was opened.
    ///
    /// # Errors
    /// `ERR_BUSY` while this process reads the file without locks.
    pub(crate) fn for_writing<T>(
        path: &Path,
        open: impl FnOnce() -> Result<T, CoreError>,
    ) -> Result<(Self, T), CoreError> {
        let mut handles = handles();
        let number = || FileNumber::of(path).map_err(CoreError::io(path));
        let found = number()?.and_then(|number| handles.get(&number));
        if found.is_some_and(|found| found.unlocked > 0) {
            let reason =
                "this process reads it without locks, as it was left by another: wait until it has, or close it there"
                    .to_owned();
            return Err(CoreError::Busy { what: format!("'{}'", path.display()), reason });
        }
        let opened = open()?;
        Ok((Self::enter(&mut handles, number()?, Kind::Locked), opened))
    }

    /// Opens the file at `path` for reading with `open`, which hears what this process has open of it. The second of
    /// what it returns says whether that is outside of SQLite's locks.
    pub(crate) fn for_reading<T, W>(
        path: &Path,
        open: impl FnOnce(Others) -> Result<(T, bool, W), CoreError>,
    ) -> Result<(Self, T, W), CoreError> {
        let mut handles = handles();
        let number = FileNumber::of(path).map_err(CoreError::io(path))?;
        let others = match number.and_then(|number| handles.get(&number)) {
            None => Others::None,
            Some(Handles { unlocked: 0, .. }) => Others::Locked,
            Some(_) => Others::Unlocked,
        };
        let (opened, unlocked, way) = open(others)?;
        let kind = if unlocked { Kind::Unlocked } else { Kind::Locked };
        Ok((Self::enter(&mut handles, number, kind), opened, way))
    }

    fn enter(handles: &mut BTreeMap<FileNumber, Handles>, number: Option<FileNumber>, kind: Kind) -> Self {
        if let Some(number) = number {
            let handles = handles.entry(number).or_default();
            handles.count += 1;
            handles.unlocked += usize::from(kind == Kind::Unlocked);
        }
        Self { number, kind }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut handles = handles();
        if let Some(open) = handles.get_mut(&number) {
            open.count -= 1;
            open.unlocked -= usize::from(self.kind == Kind::Unlocked);
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
