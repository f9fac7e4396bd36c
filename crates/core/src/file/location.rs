//! Which file a path leads to.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, is_separator};

use crate::CoreError;

/// A file by its number, which all its names share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileNumber {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileNumber {
    /// Of the file at `path`. `None` if there is none, or if the system has no such numbers.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        use std::os::unix::fs::MetadataExt;
        match fs::metadata(path) {
            Ok(found) => Ok(Some(Self { device: found.dev(), inode: found.ino() })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_path: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }
}

/// One absolute path for every spelling of a file and every link to it, also to one that is not there yet. Creates
/// missing folders.
pub(crate) fn resolve(given: &Path) -> Result<PathBuf, CoreError> {
    if given.as_os_str().to_string_lossy().chars().next_back().is_some_and(is_separator) {
        return Err(CoreError::NoFile { path: given.to_owned(), what: "the name of a folder" });
    }
    let mut path = std::path::absolute(given).map_err(CoreError::io(given))?;
    for _ in 0..MAX_LINKS {
        if path.exists() {
            return fs::canonicalize(&path).map_err(CoreError::io(&path));
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(CoreError::NoFile { path: given.to_owned(), what: "not a file name" });
        };
        match fs::read_link(&path) {
            // Relative to the folder of the link.
            Ok(target) => path = folder.join(target),
            Err(_) => {
                fs::create_dir_all(folder).map_err(CoreError::io(folder))?;
                return Ok(fs::canonicalize(folder).map_err(CoreError::io(folder))?.join(name));
            }
        }
    }
    Err(CoreError::NoFile { path: given.to_owned(), what: "a circle of links" })
}

/// Refuses what is no regular file.
pub(crate) fn check_kind(path: &Path) -> Result<(), CoreError> {
    let refuse = |what| Err(CoreError::NoFile { path: path.to_owned(), what });
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => refuse("a folder"),
        Ok(found) if !found.is_file() => refuse("not a regular file"),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => match path.file_name() {
            Some(_) if !path.as_os_str().is_empty() => Ok(()),
            _ => refuse("not a file name"),
        },
        Err(error) => Err(CoreError::Io { path: path.to_owned(), source: error }),
    }
}

/// Refuses a file with several names: its log would lie beside one of them only.
pub(crate) fn check_single_name(path: &Path) -> Result<(), CoreError> {
    match fs::metadata(path) {
        Ok(found) if names(&found) > 1 => {
            Err(CoreError::HardLinks { path: path.to_owned(), names: names(&found) })
        }
        _ => Ok(()),
    }
}

/// Refuses a path at which the database in another file keeps what belongs to it.
pub(crate) fn check_no_companion(path: &Path) -> Result<(), CoreError> {
    let name = path.as_os_str().to_string_lossy();
    for suffix in COMPANIONS {
        if let Some(of) = name.strip_suffix(suffix).map(PathBuf::from).filter(|of| of.is_file()) {
            return Err(CoreError::Companion { path: path.to_owned(), of });
        }
    }
    Ok(())
}

/// The log beside a file.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The path of a companion: the file's with `suffix` appended.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn names(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
const fn names(_found: &fs::Metadata) -> u64 {
    1
}

/// Whether an open file still has this name.
#[cfg(unix)]
pub(crate) fn is_named(file: &fs::File, place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(place)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
pub(crate) const fn is_named(_file: &fs::File, _place: &Path) -> bool {
    true
}

/// What is appended to the path of a database for the files that belong to it.
const COMPANIONS: [&str; 5] = ["-wal", "-shm", "-journal", ".lock", ".key"];
/// As many as Linux follows.
const MAX_LINKS: usize = 40;
