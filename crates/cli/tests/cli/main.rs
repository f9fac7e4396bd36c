//! The program `vectr` in processes of its own, on real files.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod files;
#[cfg(unix)]
mod serve;
mod support;
mod sync;
