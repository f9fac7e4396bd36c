//! What is said of files that could not be read or written, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::Path;

use rusqlite::ErrorCode;

/// Of an error of SQLite; `place` is the file, and empty where none is known.
pub(crate) fn sqlite_text(place: &Path, source: &rusqlite::Error) -> String {
    let named =
        if place.as_os_str().is_empty() { "the database".into() } else { place.display().to_string() };
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{named}: the disk is full: {source}: {FREE_SPACE}"),
        Some(ErrorCode::DatabaseCorrupt) => format!("{named}: the file is corrupt: {source}"),
        Some(ErrorCode::NotADatabase) => format!("{named}: not a SQLite database: {source}"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            format!("{named}: {source}: {}", way_out_of_refusal(place))
        }
        _ => format!("{named}: {source}"),
    }
}

/// Of an error of the file system about `path`.
pub(crate) fn io_text(path: &Path, source: &io::Error) -> String {
    let way_out = match source.kind() {
        ErrorKind::PermissionDenied => NO_RIGHT,
        ErrorKind::ReadOnlyFilesystem => READ_ONLY,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FREE_SPACE,
        ErrorKind::NotFound => "create it first, or give another path",
        ErrorKind::NotADirectory => "a part of the path is a file: give another path",
        _ => return format!("'{}': {source}", path.display()),
    };
    format!("'{}': {source}: {way_out}", path.display())
}

/// Tells apart why SQLite may not open or write a file. It says the same of most reasons.
fn way_out_of_refusal(path: &Path) -> &'static str {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let refusals = [Some(path), folder].into_iter().flatten().filter_map(refusal_to_write);
    let reasons: Vec<ErrorKind> = refusals.collect();
    if reasons.contains(&ErrorKind::ReadOnlyFilesystem) {
        READ_ONLY
    } else if reasons.contains(&ErrorKind::PermissionDenied) {
        NO_RIGHT
    } else {
        "see that the file, what lies beside it (-wal, -shm) and its folder can be read and written by this user"
    }
}

#[cfg(target_os = "linux")]
fn refusal_to_write(path: &Path) -> Option<ErrorKind> {
    // Asks by name: no descriptor of ours comes into being.
    let asked = rustix::fs::access(path, rustix::fs::Access::WRITE_OK);
    asked.err().map(|error| io::Error::from(error).kind())
}

#[cfg(not(target_os = "linux"))]
fn refusal_to_write(path: &Path) -> Option<ErrorKind> {
    match std::fs::metadata(path) {
        Ok(found) => found.permissions().readonly().then_some(ErrorKind::PermissionDenied),
        Err(error) => Some(error.kind()),
    }
}

const FREE_SPACE: &str = "free some space, and do it again";
const READ_ONLY: &str = "the file system is read-only: mount it for writing, or use a copy elsewhere";
const NO_RIGHT: &str =
    "this user may not: change the owner or the mode of the file and its folder, or run as their owner";

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_reason_has_its_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let of_system = |kind| io_text(&path, &io::Error::from(kind));
        let of_sqlite =
            |code| sqlite_text(&path, &rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        let told = [
            (of_system(ErrorKind::StorageFull), "free some space"),
            (of_system(ErrorKind::QuotaExceeded), "free some space"),
            (of_system(ErrorKind::PermissionDenied), "owner"),
            (of_system(ErrorKind::ReadOnlyFilesystem), "mount it for writing"),
            (of_system(ErrorKind::NotFound), "create it first"),
            (of_system(ErrorKind::NotADirectory), "a part of the path is a file"),
            (of_sqlite(ffi::SQLITE_FULL), "free some space"),
            (of_sqlite(ffi::SQLITE_CANTOPEN), "can be read and written by this user"),
        ];
        for (text, way_out) in told {
            assert!(text.contains("a.db") && text.contains(way_out), "{text}");
        }
    }

    // It was said to be in memory.
    #[test]
    fn an_error_without_a_place_claims_none() {
        let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None);
        assert!(sqlite_text(Path::new(""), &failure).starts_with("the database: "));
    }
}
