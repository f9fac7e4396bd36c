//! Fuzz targets for libFuzzer: `npm run fuzz` builds and runs them.
//!
//! Each target is a function of bytes that panics where something does not hold that must; `fuzz/corpora` keeps inputs
//! for each. Targets share programs, one for each crate that they are about: after every input libFuzzer looks at each
//! branch that is linked.
#![cfg(fuzzing)]
#![forbid(unsafe_code)]

mod bounds;
pub mod decoders;
mod input;
pub mod seeds;
pub mod stores;
mod target;

pub use target::{Target, prepare, run};
