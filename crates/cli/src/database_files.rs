use std::fs;
use std::path::{Path, PathBuf};

use vectr_core::{CoreError, Inspection};

use crate::error::CliError;

/// The database files to serve: those of a folder, sorted by name, or the one file.
///
/// Recognizes a database by its content, not by its name, and ignores all other files.
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
