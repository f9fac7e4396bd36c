//! Build steps that need a Rust library.
//!
//! `xtask wasm <module> <folder> <name>` takes the panic messages out of a compiled browser module, and writes it with
//! its JavaScript and typings into a folder, by the version of wasm-bindgen that Cargo.lock names.

mod bindings;
mod locations;
mod panics;

use std::env;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [command, module, folder, name] = args.as_slice() else { return refuse(&args) };
    if command != "wasm" {
        return refuse(&args);
    }
    match wasm(module, folder, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wasm(module: &str, folder: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut module = bindings::read(module)?;
    println!("{} functions that only word a panic trap at once", panics::silence(&mut module)?);
    println!("{} places in the source that nobody names any more are blank", locations::blank(&mut module));
    bindings::write(&mut module, folder, name)
}

fn refuse(args: &[String]) -> ExitCode {
    eprintln!("'{}' is no command: give `wasm <module> <folder> <name>`", args.join(" "));
    ExitCode::FAILURE
}
