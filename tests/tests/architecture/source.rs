//! The project's source files.

use crate::workspace::root;
use std::{fs, path::Path};

/// One file of source text.
pub(crate) struct Source {
    /// Relative to the project's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Whether a program wrote it: such files say so at their top.
    pub(crate) fn is_generated(&self) -> bool {
        self.text.lines().take(3).any(|line| line.contains("@generated"))
    }

    /// Lines of Rust that ship: no blanks, no comments, no tests.
    pub(crate) fn shipped_lines(&self) -> impl Iterator<Item = &str> {
        // Unit tests end a file, or are a file of their own.
        let shipped =
            if self.is_test() { "" } else { self.text.split("\n#[cfg(test)]").next().unwrap_or_default() };
        shipped.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }
}

/// All files below `folder` with one of these extensions; nothing that a build wrote and nothing hidden.
pub(crate) fn sources(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(folder), extensions, &mut found);
    assert!(
        !found.is_empty(),
        "no {extensions:?} files in {folder}: the folder moved, so this check must move too"
    );
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy();
        if name.starts_with('.') || BUILT.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, extensions, found);
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
        {
            found.push(read(&path));
        }
    }
}

fn read(path: &Path) -> Source {
    let relative = path.strip_prefix(root()).expect("the file is in the project");
    let text = fs::read_to_string(path).expect("source files are UTF-8");
    Source { path: relative.to_string_lossy().replace('\\', "/"), text }
}

const BUILT: &[&str] = &["target", "node_modules", "dist"];
