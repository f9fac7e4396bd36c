//! No file imports itself through others: neither in a Rust crate nor in the facade. What a file uses can then be read
//! before it, and moved without it.

mod graph;
mod made_up;
mod rust;
mod rust_file;
mod typescript;

use std::collections::BTreeMap;

use crate::source::sources;
use crate::workspace::root;

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let mut found = String::new();
    for folder in crates() {
        let files = files(&folder, "rs");
        let roots = files
            .keys()
            .filter(|file| matches!(file.as_str(), "lib.rs" | "main.rs") || file.starts_with("bin/"));
        for root in roots {
            let circles = rust::imports(&files, root).describe_circles();
            if !circles.is_empty() {
                found += &format!("{folder} ({root}):\n{circles}");
            }
        }
    }
    assert!(found.is_empty(), "{found}{WAY_OUT}");
}

#[test]
fn no_files_of_the_facade_import_each_other_in_a_circle() {
    let found = typescript::imports(&files("bindings/js/src", "ts")).describe_circles();
    assert!(found.is_empty(), "{found}{WAY_OUT}");
}

/// The source folders of all packages that ship.
fn crates() -> Vec<String> {
    let below = |folder: &str| {
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder can be read");
        let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
        names.map(|name| format!("{folder}/{}/src", name.to_string_lossy())).collect::<Vec<_>>()
    };
    let all = [below("crates"), below("bindings"), below("tools")].concat();
    let has_root =
        |folder: &String| ["lib.rs", "main.rs"].iter().any(|name| root().join(folder).join(name).exists());
    let found: Vec<String> = all.into_iter().filter(has_root).collect();
    assert!(found.len() >= 8, "only {found:?}: the crates have moved, so this check must move too");
    found
}

fn files(folder: &str, extension: &str) -> BTreeMap<String, String> {
    let inside =
        |path: &str| path.strip_prefix(folder).expect("it lies there").trim_start_matches('/').to_owned();
    sources(folder, &[extension]).into_iter().map(|file| (inside(&file.path), file.text)).collect()
}

const WAY_OUT: &str =
    "move what both need into a file below them, or what the lower one needs up to its caller";
