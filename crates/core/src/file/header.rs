//! The first 100 bytes of a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::CoreError;
use crate::file::open_files::OpenFile;

/// What the header says. See <https://www.sqlite.org/fileformat2.html#the_database_header>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The file has no bytes, or there is no file.
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
            Ok(Self::parse(&head))
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

const MAGIC: &[u8] = b"SQLite format 3\0";
