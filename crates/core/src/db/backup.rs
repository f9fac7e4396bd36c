use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::file::location::check_no_companion;
use crate::random::random_number;
use crate::storage::pragmas::open_writer;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

impl VectrDB {
    /// Writes a consistent copy while the database is in use. The copy has no identity: opening it creates a new site.
    ///
    /// # Errors
    /// `ERR_EXISTS` if the file exists; `ERR_ARGUMENT` for a path at which a database keeps its log, lock or key;
    /// `ERR_STORAGE`, also if the folder does not exist; `ERR_CLOSED`; in memory `ERR_BUSY` too. Nothing is left at
    /// `path` then.
    pub fn backup(&self, path: &Path) -> Result<(), CoreError> {
        self.check_open()?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(CoreError::FileExists { path: path.to_owned() });
        }
        // The links of its folder are resolved, so that no other name leads to a companion of this database.
        let path = &place_of(path)?;
        check_no_companion(path)?;
        let draft = create_draft(path)?;
        let done = self.copy(&draft).and_then(|()| finish(&draft, path));
        if done.is_err() {
            // Best effort: the error says more than a leftover.
            let _ = fs::remove_file(&draft);
        }
        done.map_err(|error| error.with_path(Some(path)))
    }

    fn copy(&self, draft: &Path) -> Result<(), CoreError> {
        let (Some(source), Some(readers)) = (self.path(), self.inner.access.readers()) else {
            let draft = draft.to_owned();
            return self
                .call(JobKind::Autocommit, move |writer| vacuum_into(&writer.connection.sqlite, &draft));
        };
        if self.is_read_only() {
            return readers.with(|reader| copy_read_only(&reader.connection, draft));
        }
        // SQLite copies only through a connection that could write. The lent reader keeps the database open meanwhile.
        readers.with(|_| {
            let connection = open_writer(source)?;
            connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = 0")?;
            vacuum_into(&connection, draft)
        })
    }
}

/// What an attempt before has copied is dropped.
fn copy_read_only(connection: &Connection, draft: &Path) -> Result<(), CoreError> {
    let emptied = File::options().write(true).truncate(true).open(draft);
    emptied.map_err(CoreError::io(draft))?;
    connection.execute_batch("PRAGMA query_only = OFF")?;
    let copied = vacuum_into(connection, draft);
    connection.execute_batch("PRAGMA query_only = ON")?;
    copied
}

fn vacuum_into(connection: &Connection, draft: &Path) -> Result<(), CoreError> {
    let name = draft
        .to_str()
        .ok_or_else(|| CoreError::NoFile { path: draft.to_owned(), what: "not valid UTF-8" })?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// Takes the identity out, and puts the copy in its place, whole or not at all.
fn finish(draft: &Path, path: &Path) -> Result<(), CoreError> {
    let copy = open_writer(draft)?;
    // A token of its own: no log continues the copy.
    let token = format!("{:016x}{:016x}", random_number()?, random_number()?);
    copy.execute("UPDATE counter SET token = ?1, former_token = NULL", [token])?;
    copy.execute_batch(
        "PRAGMA synchronous = FULL; UPDATE site SET own = 2 WHERE own = 1; DELETE FROM sync_session",
    )?;
    copy.close().map_err(|(_, error)| error)?;
    let synced = File::options().read(true).write(true).open(draft).and_then(|file| file.sync_all());
    synced.map_err(CoreError::io(draft))?;
    match rename_to_new(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(CoreError::FileExists { path: path.to_owned() })
        }
        Err(_) => fs::rename(draft, path).map_err(CoreError::io(path)),
    }
}

/// Renames a file, and never replaces what someone has put there meanwhile.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            renamed => return renamed.map_err(io::Error::from),
        }
    }
    // If the process dies in between, the file has two names.
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// The path with its folder resolved, which has to exist.
fn place_of(path: &Path) -> Result<PathBuf, CoreError> {
    let name = path
        .file_name()
        .ok_or_else(|| CoreError::NoFile { path: path.to_owned(), what: "not a file name" })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::canonicalize(folder).map_err(CoreError::io(folder))?.join(name))
}

/// Creates an empty file beside `path`, where the copy grows. The error names what the caller gave: the folder.
fn create_draft(path: &Path) -> Result<PathBuf, CoreError> {
    let mut name = OsString::from(path);
    name.push(format!(".{:016x}.part", random_number()?));
    let draft = PathBuf::from(name);
    let mut options = File::options();
    options.write(true).create_new(true);
    // As SQLite creates its files.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options.open(&draft).map_err(CoreError::io(path.parent().unwrap_or(path)))?;
    Ok(draft)
}
