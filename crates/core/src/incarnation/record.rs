//! The record of how a database was left, kept outside of the database's folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use vectr_delta::{ChangeId, SiteId};

use crate::incarnation::host::Host;

/// How one site of a database was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IncarnationRecord {
    pub(crate) site: SiteId,
    /// Random, new for each opening. The database stores it too.
    pub(crate) token: String,
    /// Whether it was closed.
    pub(crate) clean: bool,
    /// The newest change id known to be in the file.
    pub(crate) head: ChangeId,
    pub(crate) location: FileLocation,
}

/// Which file, on which computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileLocation {
    path: String,
    machine: String,
    boot: String,
    device: u64,
    inode: u64,
}

impl FileLocation {
    /// Of an existing file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (device, inode) = file_number(&fs::metadata(path)?);
        let Host { id, boot } = Host::here();
        // Quoted, so that it is one line whatever the path contains.
        Ok(Self { path: format!("{path:?}"), machine: id, boot, device, inode })
    }

    /// Whether this is the same file on the same computer.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let key = |location: &Self| {
            (location.path.clone(), location.machine.clone(), location.device, location.inode)
        };
        key(self) == key(other)
    }

    /// Whether the computer has not been restarted in between.
    pub(crate) fn is_same_boot(&self, other: &Self) -> bool {
        !self.boot.is_empty() && self.boot == other.boot
    }
}

impl IncarnationRecord {
    /// Reads the record of a site. `None` if there is none or it cannot be read.
    pub(crate) fn load(folder: &Path, site: SiteId) -> Option<Self> {
        Self::parse(&fs::read_to_string(file(folder, site)).ok()?).filter(|record| record.site == site)
    }

    /// Stores the record, which survives a power cut from then on.
    pub(crate) fn store(&self, folder: &Path) -> io::Result<()> {
        make_folder(folder)?;
        let target = file(folder, self.site);
        let draft = target.with_extension("new");
        let mut written = File::create(&draft)?;
        written.write_all(self.text().as_bytes())?;
        written.sync_all()?;
        fs::rename(&draft, &target)?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Overwrites the record without a sync, for as long as the computer runs. It is one write of the same length; a
    /// torn one fails its checksum and costs a new site.
    pub(crate) fn overwrite(&self, folder: &Path) -> io::Result<()> {
        File::options().write(true).open(file(folder, self.site))?.write_all(self.text().as_bytes())
    }

    /// Removes the record of a site that is no longer used. If this fails, the leftover proves nothing.
    pub(crate) fn remove(folder: &Path, site: SiteId) {
        let _ = fs::remove_file(file(folder, site));
    }

    fn text(&self) -> String {
        let Self { site, token, clean, head, location } = self;
        let FileLocation { path, machine, boot, device, inode } = location;
        let body = format!(
            "format 1\nsite {site}\ntoken {token}\nclean {clean}\nhead {head:016}\npath {path}\nmachine {machine}\n\
             boot {boot}\ndevice {device}\ninode {inode}\n"
        );
        let sum = checksum(&body);
        format!("{body}checksum {sum:016x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once("checksum ")?;
        if u64::from_str_radix(sum.trim(), 16).ok()? != checksum(body) {
            return None;
        }
        let fields: BTreeMap<&str, &str> = body.lines().filter_map(|line| line.split_once(' ')).collect();
        let field = |name| fields.get(name).copied();
        if field("format")? != "1" {
            return None;
        }
        Some(Self {
            site: field("site")?.parse().ok()?,
            token: field("token")?.to_owned(),
            clean: field("clean")?.parse().ok()?,
            head: field("head")?.parse().ok()?,
            location: FileLocation {
                path: field("path")?.to_owned(),
                machine: field("machine")?.to_owned(),
                boot: field("boot")?.to_owned(),
                device: field("device")?.parse().ok()?,
                inode: field("inode")?.parse().ok()?,
            },
        })
    }
}

/// The default folder of records. `None` if the system has no folder for application state.
pub(crate) fn default_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(folder) = variable("VECTR_STATE_DIR") {
        return Some(folder);
    }
    if cfg!(windows) {
        return Some(variable("LOCALAPPDATA")?.join("vectr"));
    }
    if cfg!(target_os = "macos") {
        return Some(variable("HOME")?.join("Library/Application Support/vectr"));
    }
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(state.join("vectr"))
}

fn file(folder: &Path, site: SiteId) -> PathBuf {
    folder.join(format!("{site}.site"))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn file_number(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn file_number(_metadata: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): it detects torn or edited records, not attacks.
fn checksum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(folder: &Path) -> IncarnationRecord {
        let file = folder.join("a b\n.db");
        fs::write(&file, "x").unwrap();
        IncarnationRecord {
            site: SiteId::new(7),
            token: "0123".into(),
            clean: false,
            head: 12,
            location: FileLocation::of(&file).unwrap(),
        }
    }

    #[test]
    fn a_stored_record_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let record = record(folder.path());
        record.store(&folder.path().join("deep/er")).unwrap();
        assert_eq!(IncarnationRecord::load(&folder.path().join("deep/er"), record.site), Some(record));
        assert_eq!(IncarnationRecord::load(folder.path(), SiteId::new(7)), None);
    }

    #[test]
    fn a_torn_or_edited_record_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let record = record(folder.path());
        let text = record.text();
        assert_eq!(IncarnationRecord::parse(&text), Some(record));
        assert_eq!(IncarnationRecord::parse(&text.replace("12\npath", "99\npath")), None);
        assert_eq!(IncarnationRecord::parse(&text[..text.len() - 3]), None);
        assert_eq!(IncarnationRecord::parse(""), None);
    }
}
