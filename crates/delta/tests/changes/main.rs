//! Changes outside of a database: laws that hold for every input, and bytes that every build has to agree on.

#![allow(clippy::unwrap_used, reason = "values drawn here are lawful by construction")]

mod bytes;
mod deltas;
#[allow(dead_code, reason = "shared with the properties")]
#[path = "../properties/draw.rs"]
mod draw;
#[allow(dead_code, reason = "shared with the properties")]
#[path = "../properties/history.rs"]
mod history;
mod hostile;
mod merging;
mod model;
mod operations;
mod rows;
mod standing;
mod stored;
mod vectors;
mod versions;
