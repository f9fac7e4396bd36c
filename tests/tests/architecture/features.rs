//! Cargo unifies features over the packages that a command selects. Where two commands disagree on one dependency,
//! everything above it is built twice.

use crate::workspace::cargo;
use std::collections::BTreeSet;

#[test]
fn the_addon_is_built_with_the_dependencies_of_the_tests() {
    let tests = tree(&["--workspace"]);
    // The selection of scripts/build.mjs.
    for dependency in tree(&["--workspace", "--exclude", "vectr-benches", "-e", "no-dev"]) {
        assert!(
            tests.contains(&dependency),
            "the addon wants \"{dependency}\", which `cargo test --workspace` builds with other features: \
             name the missing features in [workspace.dependencies], so that both build it once"
        );
    }
}

fn tree(selection: &[&str]) -> BTreeSet<String> {
    let format = ["tree", "--prefix", "none", "-f", "{p} {f}"];
    let printed = cargo(&[&format, selection].concat());
    printed.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}
