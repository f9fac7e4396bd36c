//! The library that makes the disk fail.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `failing_disk.c` into the folder.
pub(super) fn build_library(folder: &Path) -> PathBuf {
    let library = folder.join("failing_disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/disk/failing_disk.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "{compiler} cannot compile {}", source.display());
    library
}
