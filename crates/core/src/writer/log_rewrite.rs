//! Writing the log anew, byte for byte.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): a header of 32 bytes, then
//! frames of 24 bytes and a page, each with a checksum over everything before it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

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

/// The whole frames of a log, from its start.
struct Frames {
    header: [u8; HEADER],
    page: usize,
    checksum: Checksum,
}

impl Frames {
    /// `None` for an empty log, and one whose header was never completed: it has no frames.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        file.seek(SeekFrom::Start(0))?;
        if !read_whole(file, &mut header)? {
            return Ok(None);
        }
        let magic = word(&header, 0);
        let mut checksum = Checksum { big_endian: magic & 1 == 1, sums: (0, 0) };
        checksum.add(&header[..24]);
        let is_whole = magic & !1 == MAGIC && checksum.sums == (word(&header, 24), word(&header, 28));
        let page = word(&header, 8) as usize;
        Ok((is_whole && page.is_power_of_two() && page <= 65_536).then_some(Self { header, page, checksum }))
    }

    /// Hands each frame and its place to `visit`, up to the first that does not continue the log. Returns their number.
    fn each(
        &mut self,
        file: &mut File,
        mut visit: impl FnMut(&mut File, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<u32> {
        let mut frame = vec![0; FRAME_HEADER + self.page];
        let (mut found, mut at) = (0, HEADER as u64);
        loop {
            file.seek(SeekFrom::Start(at))?;
            if !read_whole(file, &mut frame)? || frame[8..16] != self.header[16..24] {
                return Ok(found);
            }
            self.checksum.add(&frame[..8]);
            self.checksum.add(&frame[FRAME_HEADER..]);
            if self.checksum.sums != (word(&frame, 16), word(&frame, 20)) {
                return Ok(found);
            }
            visit(file, at, &frame)?;
            found += 1;
            at += frame.len() as u64;
        }
    }
}

/// False if the file ends before.
fn read_whole(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

struct Checksum {
    /// How the words of the content are read; the sums themselves are always stored with the high byte first.
    big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, content: &[u8]) {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for pair in content.chunks_exact(8) {
            let (first, second) = pair.split_at(4);
            let (one, two) = &mut self.sums;
            *one = one.wrapping_add(read(first.try_into().expect("four bytes"))).wrapping_add(*two);
            *two = two.wrapping_add(read(second.try_into().expect("four bytes"))).wrapping_add(*one);
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::Connection;

    use super::*;
    use crate::file::header::log_of;

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
