//! The rules that keep the project in shape: who may depend on whom, what the core must never touch, how long a file
//! may be and how many a folder has, that files do not import each other in a circle, that every command builds the
//! same dependencies, and that every error code is documented.

mod arrows;
mod circles;
mod codes;
mod dependencies;
mod features;
mod messages;
mod purity;
mod size;
mod source;
mod workspace;
