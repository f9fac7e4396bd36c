//! Binds a compiled browser module to JavaScript.
//!
//! `wasm-bind <module> <folder> <name>` removes the panic messages from the module and writes it with its JavaScript and
//! typings into a folder, using the version of wasm-bindgen that Cargo.lock names.

mod bindings;
mod locations;
mod panics;

use std::env;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [module, folder, name] = args.as_slice() else {
        eprintln!("usage: wasm-bind <module> <folder> <name>");
        return ExitCode::FAILURE;
    };
    match bind(module, folder, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bind(module: &str, folder: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut module = bindings::read(module)?;
    println!("{} functions that only word a panic trap at once", panics::silence(&mut module)?);
    println!("{} source locations are blank", locations::blank(&mut module));
    bindings::write(&mut module, folder, name)
}
