use std::error::Error;

use rustc_demangle::demangle;
use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module};

/// Lets the functions that only word a panic trap at once, and returns how many there were.
///
/// A panic of this module traps and its message goes nowhere: there is no standard error in a browser and no hook is
/// set. The words, and all the formatting behind them, are dead weight that a stable compiler offers no switch for.
pub(crate) fn silence(module: &mut Module) -> Result<usize, Box<dyn Error>> {
    let found: Vec<FunctionId> = module
        .funcs
        .iter_local()
        .filter(|(id, _)| module.funcs.get(*id).name.as_deref().is_some_and(words_a_panic))
        .map(|(id, _)| id)
        .collect();
    if found.is_empty() {
        return Err("no function words a panic: the module has lost its names, or Rust has new ones".into());
    }
    for id in &found {
        trap(module, *id);
    }
    Ok(found.len())
}

fn trap(module: &mut Module, id: FunctionId) {
    let function = module.funcs.get(id).kind.unwrap_local();
    let (args, ty) = (function.args.clone(), module.types.get(function.ty()));
    let (params, results) = (ty.params().to_vec(), ty.results().to_vec());
    let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
    builder.func_body().unreachable();
    module.funcs.get_mut(id).kind = FunctionKind::Local(builder.local_func(args));
}

fn words_a_panic(symbol: &str) -> bool {
    let name = format!("{:#}", demangle(symbol));
    WORDING.iter().any(|prefix| name.starts_with(prefix)) || DEBUGGING.iter().any(|part| name.contains(part))
}

/// Functions that never return.
const WORDING: &[&str] = &[
    "core::panicking::",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::cell::panic_",
    "core::slice::index::slice_",
    "core::slice::copy_from_slice_impl::len_mismatch_fail",
    "core::str::slice_error_fail",
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "std::alloc::rust_oom",
    "std::panicking::",
    "__rustc::rust_begin_unwind",
    "__rustc::rust_panic",
    "wasm_bindgen::throw_",
];

/// What only panics write values with: no message of the core does (tests/tests/architecture/messages.rs).
const DEBUGGING: &[&str] = &[" as core::fmt::Debug>::fmt", "core::fmt::builders::"];
