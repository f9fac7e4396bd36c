//! Libraries for `LD_PRELOAD`, which stand between a process and its system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a source of this program's folder into `folder`.
pub(crate) fn library(folder: &Path, source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system").join(source);
    let library = folder.join(source.with_extension("so").file_name().unwrap());
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "{compiler} cannot compile {}", source.display());
    library
}
