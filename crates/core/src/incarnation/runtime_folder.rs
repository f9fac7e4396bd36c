//! A folder in volatile memory: no snapshot of a disk, no image, no backup and no copy contains it, and it is empty after
//! a boot.

use std::path::{Path, PathBuf};

/// The folder of this user: `given`, else `$VECTR_RUNTIME_DIR`, else in `$XDG_RUNTIME_DIR`, else in `/dev/shm`. Creates
/// it. `None` where there is none in volatile memory: then no continuity can be proven.
#[cfg(target_os = "linux")]
pub(crate) fn find(given: Option<&Path>) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(chosen) = given.map(Path::to_owned).or_else(|| variable("VECTR_RUNTIME_DIR")) {
        return prepare(chosen);
    }
    let user = rustix::process::geteuid().as_raw();
    let usual = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("vectr"));
    usual.and_then(prepare).or_else(|| prepare(PathBuf::from(format!("/dev/shm/vectr-{user}"))))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn find(_given: Option<&Path>) -> Option<PathBuf> {
    None
}

/// Creates the folder, for its owner only. `None` if it is not in volatile memory, or if somebody else made it: `/dev/shm`
/// is open to all.
#[cfg(target_os = "linux")]
fn prepare(folder: PathBuf) -> Option<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    let kind = rustix::fs::statfs(existing).ok()?.f_type;
    if ![TMPFS, RAMFS].contains(&kind) {
        return None;
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let found = std::fs::symlink_metadata(&folder).ok()?;
    (found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()).then_some(folder)
}

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of Linux.
#[cfg(target_os = "linux")]
const TMPFS: rustix::fs::FsWord = 0x0102_1994;
#[cfg(target_os = "linux")]
const RAMFS: rustix::fs::FsWord = 0x8584_58f6;
