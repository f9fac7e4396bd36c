//! Writing the log anew, byte for byte.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use crate::file::log_frames::Frames;

/// Writes each frame of the log over itself and syncs it, so that what the system had given up is written again. No
/// other connection may write meanwhile; it may read. Returns the number of frames.
///
/// # Errors
/// `InvalidData` if the log has fewer than `expected` whole frames: then some that were committed are gone. The log is
/// as it was, and may still be lost.
pub(crate) fn rewrite(log: &Path, expected: u32) -> io::Result<u32> {
    let mut file = match File::options().read(true).write(true).open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound && expected == 0 => return Ok(0),
        opened => opened?,
    };
    // Everything is checked before anything is written: the page cache may have lost frames that the disk never had.
    let found =
        Frames::read(&mut file)?.map_or(Ok(0), |mut frames| frames.each(&mut file, |_, _, _| Ok(())))?;
    if found < expected {
        let reason = format!("{found} of {expected} frames of the log are left");
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    if let Some(mut frames) = Frames::read(&mut file)? {
        write_at(&mut file, 0, &frames.header)?;
        frames.each(&mut file, write_at)?;
    }
    file.sync_all()?;
    Ok(found)
}

fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::Connection;

    use super::*;
    use crate::file::location::log_of;
    use crate::file::log_frames::{FRAME_HEADER, HEADER};

    /// An open database whose log has a few frames.
    fn logged(folder: &tempfile::TempDir) -> (Connection, PathBuf, u32) {
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x); \
                 INSERT INTO t VALUES (zeroblob(20000)); INSERT INTO t VALUES ('last')",
            )
            .unwrap();
        let log = log_of(&path);
        let frames = (std::fs::metadata(&log).unwrap().len() - HEADER as u64) / (FRAME_HEADER as u64 + 4096);
        (connection, log, u32::try_from(frames).unwrap())
    }

    #[test]
    fn a_log_is_the_same_after_it_was_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, log, frames) = logged(&folder);
        let before = std::fs::read(&log).unwrap();
        assert!(frames > 5);
        assert_eq!(rewrite(&log, frames).unwrap(), frames);
        assert_eq!(std::fs::read(&log).unwrap(), before);
        let last: String =
            connection.query_row("SELECT x FROM t ORDER BY rowid DESC", [], |row| row.get(0)).unwrap();
        assert_eq!(last, "last");
    }

    #[test]
    fn a_log_that_lost_a_frame_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (_connection, log, frames) = logged(&folder);
        let mut bytes = std::fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
        let error = rewrite(&log, frames).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidData && error.to_string().contains("frames"), "{error}");
        assert_eq!(std::fs::read(&log).unwrap(), bytes);
    }

    #[test]
    fn no_log_has_no_frames() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.db-wal");
        assert_eq!(rewrite(&log, 0).unwrap(), 0);
        rewrite(&log, 1).unwrap_err();
        std::fs::write(&log, b"").unwrap();
        assert_eq!(rewrite(&log, 0).unwrap(), 0);
        rewrite(&log, 1).unwrap_err();
    }
}
