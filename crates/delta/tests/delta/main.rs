//! Tests of the public API: properties over random values, the binary format of deltas, and the session.
#![allow(clippy::unwrap_used, reason = "values drawn here are lawful by construction")]

mod changes;
mod feed;
mod held_rows;
mod properties;
mod repair;
mod session;
mod spanning;
mod support;
