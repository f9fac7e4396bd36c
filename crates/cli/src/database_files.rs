use std::fs;
use std::path::{Path, PathBuf};

use vectr_core::{CoreError, Inspection};

use crate::error::CliError;

/// The database files that are served: those in a folder, in the order of names, or the one file.
///
/// What else lies in the folder is left alone: a file is a database by what is in it, not by its name.
pub(crate) fn databases(served: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !served.is_dir() {
        return Ok(vec![served.to_owned()]);
    }
    let unread = |source| CoreError::Io { path: served.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(served).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if Inspection::recognizes(&path)? {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(CliError::NoDatabase { path: served.to_owned() });
    }
    files.sort();
    Ok(files)
}
