//! Every package that is asked for by name has a line in `docs/dependencies.md`, and no other one has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::workspace::{Requirement, Workspace, root};
use serde_json::Value;

const PAGE: &str = "docs/dependencies.md";
/// Packages of the workspace that no user installs: what they ask for only builds or tests.
const TOOLS: &[&str] = &["vectr-benches", "vectr-fuzz", "vectr-sim", "vectr-tests", "wasm-bind"];

#[test]
fn each_crate_that_is_asked_for_is_explained_where_it_is_used() {
    let page = page();
    let workspace = Workspace::read();
    let (mut runs, mut builds) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for Requirement { member, name, kind } in workspace.requirements() {
        let is_linked = kind.is_none() && !TOOLS.contains(&member.as_str());
        let of = if is_linked { &mut runs } else { &mut builds };
        of.entry(name).or_default().insert(member);
    }
    for (heading, needed) in [("What runs", runs), ("What builds and tests", builds)] {
        let written: BTreeMap<String, BTreeSet<String>> =
            rows(&page, heading).iter().map(|row| (word(&row[0]), words(&row[1]))).collect();
        assert_eq!(written, needed, "{PAGE}, \"{heading}\", against the Cargo.toml files");
    }
}

#[test]
fn the_licences_of_crates_are_those_that_they_name() {
    let (page, named) = (page(), Workspace::read().licences());
    for row in ["What runs", "What builds and tests"].iter().flat_map(|heading| rows(&page, heading)) {
        let name = word(&row[0]);
        // A crate that no chosen feature links is not resolved.
        let Some(licence) = named.get(&name) else { continue };
        assert_eq!(row[3], licence.replace("MIT/", "MIT OR "), "{PAGE}, {name}");
    }
}

#[test]
fn each_package_of_npm_that_is_asked_for_is_explained() {
    let page = page();
    let package = json("package.json");
    let absent = ["dependencies", "optionalDependencies", "peerDependencies"];
    assert!(
        absent.iter().all(|kind| package[kind].is_null()),
        "the npm package depends on nothing: see {PAGE}"
    );
    let needed: BTreeSet<String> =
        package["devDependencies"].as_object().expect("there are some").keys().cloned().collect();
    let rows = rows(&page, "npm: what builds and tests");
    let written: BTreeSet<String> = rows.iter().map(|row| word(&row[0])).collect();
    assert_eq!(written, needed, "{PAGE} against package.json");
    let lock = json("package-lock.json");
    for row in rows {
        let licence = &lock["packages"][format!("node_modules/{}", word(&row[0]))]["license"];
        assert_eq!(row[2], licence.as_str().unwrap_or_default(), "{PAGE}, {}", row[0]);
    }
}

#[test]
fn every_line_gives_a_reason_and_what_would_be_used_instead() {
    let page = page();
    for heading in ["What runs", "What builds and tests", "npm: what builds and tests"] {
        let rows = rows(&page, heading);
        assert!(!rows.is_empty());
        for row in rows {
            assert!(row.iter().all(|cell| cell.len() > 2), "{PAGE}: {row:?}");
        }
    }
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).expect("the page can be read")
}

fn json(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).expect("the file can be read");
    serde_json::from_str(&text).expect("the file is JSON")
}

/// The cells of the table under a heading.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, behind) = page.split_once(&format!("\n## {heading}\n")).expect("the page has this heading");
    let section = behind.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn words(cell: &str) -> BTreeSet<String> {
    cell.split(", ").map(word).collect()
}

fn word(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}
