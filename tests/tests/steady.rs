//! A short steady run: `cargo run --release -p vectr-benches --bin steady` is the long one.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::Command;
use std::time::Duration;

use vectr_tests::steady::SteadyRun;

#[tokio::test(flavor = "multi_thread")]
async fn a_live_sync_with_fifty_listeners_keeps_its_size_and_all_hear_every_change() {
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
