//! The command `vectr`: its arguments and its output. The command of the npm package calls the same code.
//!
//! Results go to standard output, as tables or, with `--json`, as one JSON document; everything else goes to standard
//! error. The exit code is 0 on success, 1 on failure, 2 for invalid arguments, 130 if it was interrupted.

mod commands;
mod console;
mod database_files;
mod error;
mod http;
mod network;
mod run;
mod service;
mod table;

pub use run::{INTERRUPTED, run};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
