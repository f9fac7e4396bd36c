//! The rules that keep the project in shape: who may depend on whom, what the core must never touch, how long a file
//! may be and how many a folder has, that files do not import each other in a circle, and that every command builds the
//! same dependencies.

mod arrows;
mod circles;
mod features;
mod messages;
mod purity;
mod size;
mod source;
mod workspace;
