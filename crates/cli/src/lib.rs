//! The command `vectr`: what its arguments mean, and what it prints. The npm package's command calls the same code.
//!
//! Results go to standard output, as tables or, with `--json`, as one JSON document; everything else goes to standard
//! error. The exit code is 0 where all went well, 1 where it did not, 2 for arguments that make no sense, 130 where it
//! was interrupted.

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
