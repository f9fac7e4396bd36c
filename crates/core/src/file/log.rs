//! Whether the log beside a file belongs to it.
//!
//! SQLite plays back whatever intact log lies beside a file, also one that another file left there, or another state of
//! this one: a restored backup then becomes a mixture of both. A log continues a file if the file is in the state that
//! the log began with, or in a later one that the log leads to. Both hold the counters ([`Mark`]): their transaction
//! numbers place the file on the log, and the tokens of the lives tell one history from another.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rusqlite::Connection;

use crate::CoreError;
use crate::file::location::log_of;
use crate::file::log_frames::{Frames, HEADER, commits, content_of, page_of};
use crate::file::open_files::OpenFile;
use crate::storage::pragmas::PAGE_BYTES;

/// Refuses a log that does not continue the file at `path`. Nothing is changed. Call it before this process opens the
/// file, while no other process writes it.
pub(crate) fn check(path: &Path) -> Result<(), CoreError> {
    let log = log_of(path);
    if fs::metadata(&log).map_or(true, |log| log.len() == 0) {
        return Ok(());
    }
    let faulty = OpenFile::look_before(path, || {
        let marks = LogMarks::read(&log).map_err(|error| error.with_path(Some(&log)))?;
        Ok(match marks {
            Some(marks) => marks.fault(&FileMark::read(path)?),
            None => None,
        })
    })?;
    match faulty.flatten() {
        None => Ok(()),
        Some(reason) => Err(CoreError::ForeignLog { path: path.to_owned(), log, reason }),
    }
}

/// As [`check`], for a file that another process may be writing: the log may begin anew between the two looks, so only
/// what several of them find is a fault.
pub(crate) fn check_in_use(path: &Path) -> Result<(), CoreError> {
    for _ in 0..LOOKS {
        let before = start_of_log(path);
        let outcome = check(path);
        // A log that began anew meanwhile says nothing.
        if !matches!(outcome, Err(CoreError::ForeignLog { .. })) || before == start_of_log(path) {
            return outcome;
        }
        sleep(PAUSE);
    }
    Ok(())
}

/// The header of the log, which is another one whenever the log begins anew. Read only while this process has no handle.
fn start_of_log(path: &Path) -> Option<[u8; HEADER]> {
    let look = || {
        let mut header = [0; HEADER];
        let read = File::open(log_of(path)).and_then(|mut log| log.read_exact(&mut header));
        Ok(read.ok().map(|()| header))
    };
    OpenFile::look_before(path, look).ok().flatten().flatten()
}

/// One state of a database, from its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    commit_no: u64,
    /// Of the life that wrote it.
    token: Option<String>,
    /// Of the life before; not in files of the first builds.
    former_token: Option<String>,
}

/// What the file itself says, without its log.
enum FileMark {
    /// There is no file, or it has no bytes.
    Missing,
    /// It has no counters yet.
    Blank,
    Of(Mark),
    /// A page that cannot be read: a power cut may have torn it, and the log then repairs it.
    Unknown,
}

/// The first and the last state in a log, and the tokens of all.
struct LogMarks {
    first: Mark,
    last: Mark,
    tokens: Vec<Option<String>>,
}

impl FileMark {
    fn read(path: &Path) -> Result<Self, CoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Missing),
            Err(error) => return Err(CoreError::io(path)(error)),
        };
        let page = u64::from(PAGE_BYTES);
        let length = file.metadata().map_err(CoreError::io(path))?.len();
        if length == 0 {
            return Ok(Self::Missing);
        }
        if length <= page {
            return Ok(Self::Blank);
        }
        let mut content = vec![0; PAGE_BYTES as usize];
        let read = file.seek(SeekFrom::Start(page * u64::from(COUNTER_PAGE - 1)));
        if read.and_then(|_| file.read_exact(&mut content)).is_err() {
            return Ok(Self::Unknown);
        }
        Ok(MarkReader::new()?.read(&content).map_or(Self::Unknown, Self::Of))
    }
}

impl LogMarks {
    /// `None` if the log holds no counters: SQLite ignores it, or it changes nothing that counts.
    fn read(log: &Path) -> Result<Option<Self>, CoreError> {
        let mut file = File::open(log).map_err(CoreError::io(log))?;
        let Some(mut frames) = Frames::read(&mut file).map_err(CoreError::io(log))? else { return Ok(None) };
        let reader = MarkReader::new()?;
        let mut marks: Option<Self> = None;
        let mut open = None;
        let walked = frames.each(&mut file, |_, _, frame| {
            if page_of(frame) == COUNTER_PAGE {
                open = Some(content_of(frame).to_vec());
            }
            let closed = open.take_if(|_| commits(frame));
            if let Some(mark) = closed.and_then(|page| reader.read(&page)) {
                marks = Some(match marks.take() {
                    None => Self::at(mark),
                    Some(marks) => marks.then(mark),
                });
            }
            Ok(())
        });
        walked.map_err(CoreError::io(log))?;
        Ok(marks)
    }

    fn at(mark: Mark) -> Self {
        Self { tokens: vec![mark.token.clone()], first: mark.clone(), last: mark }
    }

    fn then(mut self, mark: Mark) -> Self {
        if self.last.token != mark.token {
            self.tokens.push(mark.token.clone());
        }
        self.last = mark;
        self
    }

    /// Why this log does not continue the file.
    fn fault(&self, file: &FileMark) -> Option<&'static str> {
        match file {
            FileMark::Missing => Some("the file that it belongs to is missing"),
            FileMark::Blank if self.first.commit_no > 1 => Some("the file is a new one"),
            FileMark::Blank | FileMark::Unknown => None,
            FileMark::Of(mark) if mark.commit_no + 1 < self.first.commit_no => {
                Some("the file is in an older state than the one that the log began with")
            }
            FileMark::Of(mark) if mark.commit_no > self.last.commit_no => {
                Some("the file is in a newer state than the log")
            }
            FileMark::Of(mark) if !self.leads_to(mark) => Some("it was written by another life of the file"),
            FileMark::Of(_) => None,
        }
    }

    fn leads_to(&self, file: &Mark) -> bool {
        let from_before = match &self.first.former_token {
            Some(former) => file.token.as_deref().unwrap_or_default() == former,
            // The first builds did not store it.
            None => true,
        };
        from_before || self.tokens.contains(&file.token)
    }
}

/// Reads the page that holds the counters by SQLite itself: as the second page of an empty database with that table.
struct MarkReader {
    image: Vec<u8>,
}

impl MarkReader {
    fn new() -> Result<Self, CoreError> {
        let mut empty = Connection::open_in_memory()?;
        empty.execute_batch(&format!("PRAGMA page_size = {PAGE_BYTES}; {COUNTER_TABLE}"))?;
        let image = empty.serialize("main")?.to_vec();
        Ok(Self { image })
    }

    /// `None` if the page holds something else.
    fn read(&self, page: &[u8]) -> Option<Mark> {
        let mut bytes = self.image.clone();
        bytes.get_mut(page.len()..)?.copy_from_slice(page.get(..PAGE_BYTES as usize)?);
        let mut image = Connection::open_in_memory().ok()?;
        image.deserialize_read_exact("main", &bytes[..], bytes.len(), true).ok()?;
        let mark = image.query_row("SELECT commit_no, token, former_token FROM counter", [], |row| {
            let commit_no = u64::try_from(row.get::<_, i64>(0)?).ok();
            let (token, former_token): (Option<String>, Option<String>) = (row.get(1)?, row.get(2)?);
            let lawful = [&token, &former_token].into_iter().flatten().all(|token| is_token(token));
            Ok(commit_no.filter(|_| lawful).map(|commit_no| Mark { commit_no, token, former_token }))
        });
        mark.ok().flatten()
    }
}

/// What a torn page holds is mostly none.
fn is_token(text: &str) -> bool {
    text.is_empty() || text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The root of the table `counter`, the first one that is created.
const COUNTER_PAGE: u32 = 2;

/// The columns of `counter` in their order. A row of an earlier schema has fewer.
const COUNTER_TABLE: &str = "CREATE TABLE counter (one INTEGER PRIMARY KEY, site, changelog, token, node, shard, \
     last_stamp, change_id, commit_no, last_applied_at, barriers, former_token)";

const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(30);
