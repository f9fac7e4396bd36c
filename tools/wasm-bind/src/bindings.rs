use std::error::Error;

use walrus::{Module, ModuleConfig};
use wasm_bindgen_cli_support::Bindgen;

/// Reads a compiled module as it comes from the linker, names included.
pub(crate) fn read(path: &str) -> Result<Module, Box<dyn Error>> {
    // The linker's output holds tables and exports that are valid only once wasm-bindgen is through with them.
    Ok(ModuleConfig::new().strict_validate(false).generate_name_section(true).parse_file(path)?)
}

/// Writes the module, its JavaScript and its typings into `folder`.
pub(crate) fn write(module: &mut Module, folder: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    bindgen.input_bytes(name, module.emit_wasm()).typescript(true).web(true)?;
    // Whoever loads the module says where it is: bundlers would copy the file that a default path names.
    bindgen.omit_default_module_path(true).remove_name_section(true).remove_producers_section(true);
    Ok(bindgen.generate(folder)?)
}
