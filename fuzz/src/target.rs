use std::env;
use std::path::Path;
use std::sync::OnceLock;

use crate::{bounds, seeds};

/// A fuzz target.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is that of the folder of its inputs.
    pub name: &'static str,
    /// Does what it does with one input. Panics where something does not hold that must.
    pub run: fn(&[u8]),
    /// Its first inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Chooses the target of this program that `VECTR_FUZZ_TARGET` names, and writes its seeds to the folder
/// `VECTR_FUZZ_SEEDS` if there is one.
pub fn prepare(targets: &'static [Target]) {
    let name = env::var("VECTR_FUZZ_TARGET").unwrap_or_default();
    let target = targets.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("VECTR_FUZZ_TARGET={name} is no target of this program"));
    CHOSEN.get_or_init(|| target);
    if let Some(folder) = env::var_os("VECTR_FUZZ_SEEDS") {
        seeds::write(Path::new(&folder), &(target.seeds)());
    }
}

/// Runs the chosen target.
pub fn run(data: &[u8]) {
    let target = CHOSEN.get().expect("it was chosen");
    bounds::in_time(|| (target.run)(data));
}

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
