//! What the text of `vectr-delta` may not name: its dependencies are not the only way to a clock or a socket.

use crate::source::sources;

#[test]
fn the_core_names_no_io_no_clock_and_nothing_async() {
    for file in sources("crates/delta/src", &["rs"]) {
        let code = file.shipped_lines().collect::<Vec<_>>().join(" ");
        let named = imported_paths(&code);
        for forbidden in FORBIDDEN {
            assert!(
                !contains_word(&code, forbidden) && !named.iter().any(|path| contains_word(path, forbidden)),
                "{} names {forbidden}: take time, entropy and bytes as arguments, and hand effects out through poll_*",
                file.path
            );
        }
    }
}

#[test]
fn a_grouped_import_does_not_hide_a_forbidden_path() {
    let code = "use std::{collections::BTreeMap, fs, time::{Duration, Instant}}; use crate::{fs::X};";
    let expected = [
        "std::collections::BTreeMap",
        "std::fs",
        "std::time::Duration",
        "std::time::Instant",
        "crate::fs::X",
    ];
    assert_eq!(imported_paths(code), expected);
}

#[test]
fn a_longer_word_is_not_the_forbidden_one() {
    assert!(contains_word("let x = std::env::var()", "std::env"));
    assert!(!contains_word("use std::envelope;", "std::env"));
}

/// Every path that the `use` declarations name, with groups written out.
fn imported_paths(code: &str) -> Vec<String> {
    let uses = code.split("use ").skip(1).filter_map(|rest| rest.split(';').next());
    uses.flat_map(|tree| expand("", &tree.replace(char::is_whitespace, ""))).collect()
}

fn expand(prefix: &str, tree: &str) -> Vec<String> {
    let Some((head, group)) = tree.split_once('{') else { return vec![format!("{prefix}{tree}")] };
    let group = group.strip_suffix('}').unwrap_or(group);
    branches(group).into_iter().flat_map(|branch| expand(&format!("{prefix}{head}"), branch)).collect()
}

/// Splits at the commas that are in no inner group.
fn branches(group: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let at_top = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    group.split(at_top).filter(|branch| !branch.is_empty()).collect()
}

fn contains_word(text: &str, word: &str) -> bool {
    let ends_a_word = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| ends_a_word(&text[at + word.len()..]))
}

const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::thread",
    "std::env",
    "async fn",
    "async move",
];
