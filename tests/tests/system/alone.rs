//! Keeps the tests of this program out of each other's way.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test that calls this is running. Such a test starts processes or keeps every core busy.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one ignored test of this program, named with its module, in a process of its own, and prints what it printed.
/// `launcher`: the command that starts the process, or nothing.
#[cfg(target_os = "linux")]
pub(crate) fn in_a_process(launcher: &[&str], test: &str) {
    let program = std::env::current_exe().unwrap();
    let command =
        [launcher, &[program.to_str().unwrap(), "--exact", test, "--ignored", "--show-output"]].concat();
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", command[0]));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{command:?}: {complaint}");
}
