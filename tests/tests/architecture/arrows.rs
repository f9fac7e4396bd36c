//! Dependencies between the workspace's own packages, and what the core may link.

use crate::workspace::Workspace;

#[test]
fn packages_depend_on_each_other_only_as_the_design_says() {
    for (package, needed) in Workspace::read().arrows() {
        if OUTSIDE.contains(&package.as_str()) {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == package);
        let Some((_, allowed)) = allowed else {
            panic!(
                "{package} has no line in ALLOWED: decide what it may depend on, and add one with the reason in docs/decisions"
            );
        };
        for other in needed {
            assert!(
                allowed.contains(&other.as_str()),
                "{package} must not depend on {other}: move the shared part into vectr-delta, or the wiring into vectr-sync"
            );
        }
    }
}

#[test]
fn the_core_links_nothing_that_does_io() {
    let linked = Workspace::read().linked_by("vectr-delta");
    for foreign in FOREIGN_TO_THE_CORE {
        assert!(
            !linked.contains(*foreign),
            "vectr-delta links {foreign} (see `cargo tree -p vectr-delta -i {foreign} -e normal`): \
             take time, entropy and bytes as arguments, and leave IO to the crate that owns it"
        );
    }
}

const ALLOWED: &[(&str, &[&str])] = &[
    ("vectr-delta", &[]),
    ("vectr-core", &["vectr-delta"]),
    ("vectr-transport", &["vectr-delta"]),
    ("vectr-sync", &["vectr-core", "vectr-transport", "vectr-delta"]),
    ("vectr-cli", &["vectr-sync", "vectr-core", "vectr-transport", "vectr-delta"]),
    ("vectr-node", &["vectr-cli", "vectr-sync", "vectr-core", "vectr-transport", "vectr-delta"]),
    ("vectr-wasm", &["vectr-delta"]),
];

// They look at the whole from outside; since no line of ALLOWED names them, nothing can depend on them.
const OUTSIDE: &[&str] = &["vectr-tests", "vectr-sim", "vectr-benches", "vectr-fuzz", "wasm-bind"];

const FOREIGN_TO_THE_CORE: &[&str] = &[
    "tokio",
    "quinn",
    "rusqlite",
    "libsqlite3-sys",
    "napi",
    "wasm-bindgen",
    "getrandom",
    "socket2",
    "mio",
    "rustls",
    "rand",
];
