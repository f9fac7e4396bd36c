//! The rules that keep the project in shape: who may depend on whom, what the core must never touch, how long a file
//! may be, and that every command builds the same dependencies.

mod arrows;
mod features;
mod messages;
mod purity;
mod size;
mod source;
mod workspace;
