//! How much may stand in one file, in one folder, and in the bindings.

use std::collections::BTreeMap;

use crate::source::sources;

#[test]
fn no_source_file_is_longer_than_500_lines() {
    for file in sources("", SOURCES) {
        let lines = file.text.lines().count();
        assert!(
            lines <= MAX_LINES || file.is_generated(),
            "{} has {lines} lines: split it, one idea a file ({MAX_LINES} at most, 200 is the aim)",
            file.path
        );
    }
}

#[test]
fn no_folder_has_more_than_14_source_files() {
    let folders = ["crates", "bindings", "tools", "scripts", "tests/src", "tests/tests"];
    let mut counts = BTreeMap::<String, usize>::new();
    for file in folders.iter().flat_map(|folder| sources(folder, SOURCES)) {
        let (folder, _) = file.path.rsplit_once('/').expect("it lies in a folder");
        *counts.entry(folder.to_owned()).or_default() += 1;
    }
    for (folder, count) in counts {
        assert!(
            count <= MAX_FILES,
            "{folder} has {count} source files: group them into folders ({MAX_FILES} at most)"
        );
    }
}

#[test]
fn each_binding_is_less_than_a_tenth_of_the_rust_code() {
    let lines = |folder: &str| {
        sources(folder, &["rs"]).iter().map(|file| file.shipped_lines().count()).sum::<usize>()
    };
    let bindings = ["bindings/node", "bindings/wasm"].map(|folder| (folder, lines(folder)));
    let all = lines("crates") + bindings.iter().map(|(_, count)| count).sum::<usize>();
    for (folder, count) in bindings {
        assert!(
            count * 10 < all,
            "{folder} has {count} of {all} lines of Rust code, which is a tenth or more: a binding converts, \
             delegates and converts back; move decisions into vectr-delta and wiring into vectr-sync"
        );
    }
}

const SOURCES: &[&str] = &["rs", "ts", "mts", "cts", "js", "mjs", "cjs"];
const MAX_LINES: usize = 500;
const MAX_FILES: usize = 14;
