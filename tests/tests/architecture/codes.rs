use std::collections::BTreeSet;
use std::fs;

use crate::source::sources;
use crate::workspace::root;

/// A code was in no document.
#[test]
fn the_documented_codes_are_those_of_the_code() {
    let folders = ["crates", "bindings"].iter().flat_map(|folder| sources(folder, &["rs", "ts"]));
    let mut given = BTreeSet::new();
    for source in folders.filter(|source| source.path.contains("/src/") && !source.is_generated()) {
        source.shipped_lines().for_each(|line| given.extend(quoted_codes(line)));
    }
    let page = fs::read_to_string(root().join("docs/errors.md")).expect("the page of the codes can be read");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `ERR_")?.split_once("` |"));
    let documented: Vec<String> = documented.map(|(code, _)| format!("ERR_{code}")).collect();
    assert!(documented.is_sorted(), "the table in docs/errors.md is in the order of the codes");
    let documented: BTreeSet<String> = documented.into_iter().collect();
    let missing: Vec<_> = given.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}: say what they mean and what to do");
    let unused: Vec<_> = documented.difference(&given).collect();
    assert!(unused.is_empty(), "docs/errors.md lists {unused:?}, which nothing gives any more: remove them");
}

/// The codes in a line of code, each of which is a string of its own.
fn quoted_codes(line: &str) -> impl Iterator<Item = String> + '_ {
    let codes = line.split(['\'', '"']).filter(|part| part.starts_with("ERR_"));
    let is_code = |part: &&str| part.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    codes.filter(is_code).map(str::to_owned)
}
