//! A short steady run: `cargo run --release -p vectr-benches --bin steady` is the long one.

use std::process::Command;
use std::time::Duration;

use vectr_tests::steady::SteadyRun;

use crate::alone::{in_a_process, turn};

/// In a process of its own: the memory that other tests have freed would hide growth.
#[test]
fn a_live_sync_with_fifty_listeners_keeps_its_size_and_all_hear_every_change() {
    let _turn = turn();
    in_a_process(&[], "steady::inside_a_live_sync_keeps_its_size");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run in a process of its own by the test above"]
async fn inside_a_live_sync_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Command::new(env!("CARGO_BIN_EXE_vectr-steady-node"));
    let run = SteadyRun {
        duration: Duration::from_secs(20),
        interval: Duration::from_millis(250),
        // More than a long run may grow: caches still fill up in so short a time.
        tolerance: 4_000_000,
        listeners: 50,
    };
    let verdict = run.run(folder.path(), writer.arg(folder.path()), |_, _| {}).await.unwrap();
    println!("{} changes; listening {}; writing {}", verdict.changes, verdict.listening, verdict.writing);
    assert!(verdict.changes > 0);
    assert!(verdict.listening.is_level(), "listening: {}", verdict.listening);
    assert!(verdict.writing.is_level(), "writing: {}", verdict.writing);
}
