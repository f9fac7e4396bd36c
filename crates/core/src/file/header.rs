//! The first 100 bytes of a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::CoreError;
use crate::file::location::beside;
use crate::file::open_files::OpenFile;

/// What the header says. See <https://www.sqlite.org/fileformat2.html#the_database_header>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The file has no bytes, or there is no file, or SQLite will take back all that it has.
    Empty,
    /// Not of SQLite.
    Foreign,
    /// Of SQLite.
    Sqlite { user_version: i32, application_id: i32 },
}

impl Header {
    /// Reads the header without SQLite, which could leave a log beside a file that is not ours. `None` while this
    /// process has the file open.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, CoreError> {
        OpenFile::look_before(path, || {
            if !path.exists() {
                return Ok(Self::Empty);
            }
            let mut head = Vec::new();
            let file = File::open(path).map_err(CoreError::io(path))?;
            file.take(100).read_to_end(&mut head).map_err(CoreError::io(path))?;
            match Self::parse(&head) {
                Self::Foreign if was_being_made(path) => Ok(Self::Empty),
                header => Ok(header),
            }
        })
    }

    fn parse(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::Empty;
        }
        if head.len() < 100 || !head.starts_with(MAGIC) {
            return Self::Foreign;
        }
        let number = |at: usize| i32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Self::Sqlite { user_version: number(60), application_id: number(68) }
    }
}

/// Whether a journal lies beside the file that tells SQLite to make it empty again: the power was cut while the file was
/// made, before its first page had reached the disk. See <https://www.sqlite.org/fileformat2.html#the_rollback_journal>.
fn was_being_made(path: &Path) -> bool {
    let mut journal = [0; 20];
    let read = File::open(beside(path, "-journal")).and_then(|mut file| file.read_exact(&mut journal));
    read.is_ok() && journal.starts_with(JOURNAL) && journal[16..] == [0; 4]
}

const JOURNAL: &[u8] = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
const MAGIC: &[u8] = b"SQLite format 3\0";
