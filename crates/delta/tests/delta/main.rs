//! The public API of the crate: laws over drawn values, bytes of every build, and sessions that face each other.
#![allow(clippy::unwrap_used, reason = "values drawn here are lawful by construction")]

mod changes;
mod properties;
mod session;
mod support;
