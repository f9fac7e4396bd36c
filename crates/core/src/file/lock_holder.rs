//! Who has SQLite's lock of writers.

use std::fmt;
use std::path::Path;

/// A process that has the lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LockHolder {
    process: u32,
    /// Of the program; empty if the system does not tell.
    name: String,
}

impl LockHolder {
    /// Of the database at `path`. `None` if nobody has it, or if the system does not tell: only Linux lists locks, and only
    /// those of processes that this one can see.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use crate::file::location::{FileNumber, beside};
        let index = FileNumber::of(&beside(path, "-shm")).ok()??;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let process = locks.lines().find_map(|line| holder_in(line, index.inode))?;
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        Some(Self { process, name: name.trim().to_owned() })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) const fn of(_path: &Path) -> Option<Self> {
        None
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, name } = self;
        match name.as_str() {
            _ if *process == std::process::id() => f.write_str("another handle in this process"),
            "" => write!(f, "process {process}"),
            name => write!(f, "process {process} ({name})"),
        }
    }
}

/// The process that a line of `/proc/locks` says to have the lock of writers on the index with this inode. The line reads
/// `1: POSIX  ADVISORY  WRITE 311 00:19:5 120 120`: see proc_locks(5). The device is not compared: its numbers are not
/// those of stat(2) on every file system.
#[cfg(any(target_os = "linux", test))]
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "POSIX" | "OFDLCK", _, "WRITE", process, file, first, last] = fields[..] else { return None };
    let of_index = file.rsplit(':').next()?.parse() == Ok(inode);
    let last = if last == "EOF" { u64::MAX } else { last.parse().ok()? };
    let of_writers = (first.parse().ok()?..=last).contains(&LOCK_OF_WRITERS);
    (of_index && of_writers).then(|| process.parse().ok()).flatten()
}

/// The byte of the index that a writer locks: see <https://www.sqlite.org/walformat.html#wal_locks>.
#[cfg(any(target_os = "linux", test))]
const LOCK_OF_WRITERS: u64 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_lock_of_writers_names_its_process() {
        let found = |line| holder_in(line, 5);
        assert_eq!(found("1: POSIX  ADVISORY  WRITE 311 00:19:5 120 120"), Some(311));
        assert_eq!(found("1: POSIX  ADVISORY  WRITE 311 00:19:5 0 EOF"), Some(311));
        for other in [
            "1: POSIX  ADVISORY  READ 311 00:19:5 120 120",
            "1: POSIX  ADVISORY  WRITE 311 00:19:6 120 120",
            "1: POSIX  ADVISORY  WRITE 311 00:19:5 121 123",
            "1: -> POSIX  ADVISORY  WRITE 311 00:19:5 120 120",
            "1: FLOCK  ADVISORY  WRITE 311 00:19:5 0 EOF",
            "",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_while_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        assert_eq!(LockHolder::of(&path), None);
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let holder = LockHolder::of(&path).unwrap();
        assert_eq!(holder.to_string(), "another handle in this process");
        connection.execute_batch("COMMIT").unwrap();
        assert_eq!(LockHolder::of(&path), None);
    }
}
