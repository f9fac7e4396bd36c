//! Laws that hold for every input. A case is a seed; proptest prints the one that fails.

#![allow(clippy::unwrap_used, reason = "values drawn here are lawful by construction")]

mod bytes;
mod clock;
mod draw;
mod history;
mod hostile;
mod join;
mod resolution;
mod version_vector;
mod view;
mod wire;
