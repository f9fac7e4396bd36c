//! The record of how a database was left, in volatile memory.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use vectr_delta::{ChangeId, CommitNo, SiteId};

use crate::CoreError;
use crate::file::location::{FileNumber, is_named};
use crate::file::presence::{RecordPlace, checksum, open_elsewhere};
use crate::incarnation::boot::boot_id;

/// The state that the last commit left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifeRecord {
    pub(crate) site: SiteId,
    /// Random, new for each life. The database stores it too.
    pub(crate) token: String,
    /// Whether the database was closed, with all of it on disk.
    pub(crate) clean: bool,
    /// The newest change id.
    pub(crate) head: ChangeId,
    pub(crate) commit_no: CommitNo,
    pub(crate) place: Place,
    /// See [`boot_moment`](crate::incarnation::boot::boot_moment).
    pub(crate) boot_moment: Option<i64>,
}

/// Which file, in which boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Quoted, so that it is one line whatever it contains.
    path: String,
    number: FileNumber,
    boot: String,
}

impl Place {
    /// Of the file with this number, in the current boot.
    pub(crate) fn of(path: &Path, number: FileNumber) -> Self {
        Self { path: format!("{path:?}"), number, boot: boot_id() }
    }

    /// Whether no such file exists any more.
    fn is_gone(&self) -> bool {
        let quoted = self.path.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        // An escaped path is left alone.
        quoted.filter(|path| !path.contains('\\')).is_some_and(
            |path| !matches!(FileNumber::of(Path::new(path)), Ok(Some(number)) if number == self.number),
        )
    }
}

/// The file that holds the record of one database, named by the database's device and inode. All who have the database
/// open share a lock on it, so that it is seen if that has another name since.
pub(crate) struct RecordFile(File);

impl RecordFile {
    /// Opens the record of a file that nobody else has open, or creates it, and locks it. `None` if the folder does not
    /// allow it.
    ///
    /// # Errors
    /// `ERR_BUSY` if others have the database open under another name, for longer than `patience`.
    pub(crate) fn open(
        folder: &Path,
        path: &Path,
        number: FileNumber,
        patience: Duration,
    ) -> Result<Option<(Self, RecordPlace)>, CoreError> {
        let place = folder.join(format!("{:x}-{:x}.life", number.device, number.inode));
        if !place.exists() {
            sweep(folder);
        }
        let began = Instant::now();
        loop {
            let opened = File::options().create(true).truncate(false).read(true).write(true).open(&place);
            let Ok(file) = opened else { return Ok(None) };
            match file.try_lock() {
                // A sweep may have removed the name before the lock was taken.
                Ok(()) if is_named(&file, &place) => {
                    let number = FileNumber::of(&place).ok().flatten();
                    return Ok(number.map(|number| (Self(file), RecordPlace { path: place, number })));
                }
                Ok(()) => {}
                // A sweep holds the lock for a moment; who leaves the database, until its connections are closed.
                Err(TryLockError::WouldBlock) if began.elapsed() < patience.max(OF_A_SWEEP) => sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(open_elsewhere(path)),
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }

    /// Opens the record that others keep, to keep it with them. `None` if it cannot be reached here.
    pub(crate) fn join(place: &RecordPlace) -> Option<Self> {
        let file = File::options().read(true).write(true).open(&place.path).ok()?;
        // Under the same name, another file system may have another one.
        if FileNumber::of(&place.path).ok().flatten() != Some(place.number) || !is_named(&file, &place.path) {
            return None;
        }
        file.lock_shared().ok().map(|()| Self(file))
    }

    /// Lets others open the database as well.
    pub(crate) fn admit_others(&self) {
        // On failure they are refused.
        let _ = self.0.lock_shared();
    }

    /// `None` if there is no intact record.
    pub(crate) fn read(&self) -> Option<LifeRecord> {
        let mut text = String::new();
        let mut file = &self.0;
        io::Seek::rewind(&mut file).ok()?;
        io::Read::read_to_string(&mut file, &mut text).ok()?;
        LifeRecord::parse(&text)
    }

    /// Overwrites the record. A torn one fails its checksum and costs a new site.
    pub(crate) fn write(&self, record: &LifeRecord) -> io::Result<()> {
        let text = record.text();
        let mut file = &self.0;
        io::Seek::rewind(&mut file)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        // A record of a longer path may have been here.
        if file.metadata()?.len() != text.len() as u64 { file.set_len(text.len() as u64) } else { Ok(()) }
    }
}

impl LifeRecord {
    fn text(&self) -> String {
        let Self { site, token, clean, head, commit_no, place: Place { path, number, boot }, boot_moment } =
            self;
        let FileNumber { device, inode } = number;
        let moment = boot_moment.map_or_else(|| "none".into(), |moment| format!("{moment:020}"));
        // Numbers keep their width: the record of one life is overwritten in place.
        let body = format!(
            "format 2\nsite {site}\ntoken {token}\nclean {}\nhead {head:020}\ncommit {commit_no:020}\npath {path}\n\
             device {device}\ninode {inode}\nboot {boot}\nmoment {moment}\n",
            u8::from(*clean)
        );
        let sum = checksum(body.as_bytes());
        format!("{body}checksum {sum:016x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once("checksum ")?;
        if u64::from_str_radix(sum.trim(), 16).ok()? != checksum(body.as_bytes()) {
            return None;
        }
        let fields: BTreeMap<&str, &str> = body.lines().filter_map(|line| line.split_once(' ')).collect();
        let field = |name| fields.get(name).copied();
        if field("format")? != "2" {
            return None;
        }
        let number =
            FileNumber { device: field("device")?.parse().ok()?, inode: field("inode")?.parse().ok()? };
        Some(Self {
            site: field("site")?.parse().ok()?,
            token: field("token")?.to_owned(),
            clean: field("clean")? == "1",
            head: field("head")?.parse().ok()?,
            commit_no: field("commit")?.parse().ok()?,
            place: Place { path: field("path")?.to_owned(), number, boot: field("boot")?.to_owned() },
            boot_moment: field("moment")?.parse().ok(),
        })
    }
}

/// Removes records of files that are gone, as tests and temporary files leave them.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let records = entries.flatten().map(|entry| entry.path());
    for place in records.filter(|place| place.extension().is_some_and(|end| end == "life")).take(SWEPT) {
        let Ok(file) = File::open(&place) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        let record = RecordFile(file);
        let gone = record.read().is_none_or(|record| record.place.is_gone());
        if gone && is_named(&record.0, &place) {
            // If it stays, it proves nothing.
            let _ = fs::remove_file(&place);
        }
    }
}

/// Longer than a sweep looks at a record.
const OF_A_SWEEP: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(10);
/// How many records a sweep looks at.
const SWEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &Path) -> LifeRecord {
        fs::write(path, "x").unwrap();
        LifeRecord {
            site: SiteId::new(7),
            token: "0123".into(),
            clean: false,
            head: 12,
            commit_no: 13,
            place: Place::of(path, FileNumber::of(path).unwrap().unwrap()),
            boot_moment: Some(5),
        }
    }

    #[test]
    fn a_record_reads_back_and_locks_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b\n.db");
        let record = record(&path);
        let open = || RecordFile::open(folder.path(), &path, record.place.number, Duration::ZERO);
        let (file, place) = open().unwrap().unwrap();
        assert_eq!(file.read(), None);
        file.write(&record).unwrap();
        assert_eq!(file.read(), Some(record.clone()));
        assert_eq!(open().err().unwrap().code(), "ERR_BUSY");
        file.admit_others();
        assert_eq!(RecordFile::join(&place).unwrap().read(), Some(record.clone()));
        let number = FileNumber { device: 1, inode: 1 };
        assert!(RecordFile::join(&RecordPlace { number, ..place }).is_none());
        // One who is alone by the name, and not by the file.
        assert_eq!(open().err().unwrap().code(), "ERR_BUSY");
        drop(file);
        assert_eq!(open().unwrap().unwrap().0.read(), Some(record.clone()));
    }

    #[test]
    fn a_torn_or_edited_record_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let record = record(&folder.path().join("a.db"));
        let text = record.text();
        assert_eq!(LifeRecord::parse(&text), Some(record));
        assert_eq!(LifeRecord::parse(&text.replace("12\ncommit", "99\ncommit")), None);
        assert_eq!(LifeRecord::parse(&text[..text.len() - 3]), None);
        assert_eq!(LifeRecord::parse(""), None);
    }

    #[test]
    fn a_sweep_removes_only_what_nobody_can_use() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, gone) = (folder.path().join("kept.db"), folder.path().join("gone.db"));
        for path in [&kept, &gone] {
            let record = record(path);
            // Opening the second one sweeps, and must leave the first.
            let file = RecordFile::open(folder.path(), path, record.place.number, Duration::ZERO)
                .unwrap()
                .unwrap()
                .0;
            file.write(&record).unwrap();
        }
        fs::rename(&gone, folder.path().join("moved.db")).unwrap();
        sweep(folder.path());
        let left = fs::read_dir(folder.path()).unwrap().flatten();
        let records = left.filter(|entry| entry.path().extension().is_some_and(|end| end == "life")).count();
        assert_eq!(records, 1);
    }
}
