//! Hostile clients, as programs, against a real `vectr serve`; and a soak, in which they come by turns.
//!
//! A program of its own, with one test at a time: memory, threads and descriptors of the server are looked at, and what
//! honest peers get done beside each client.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[cfg(target_os = "linux")]
mod attack;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod evidence;
#[cfg(target_os = "linux")]
mod hub;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod scene;
#[cfg(target_os = "linux")]
mod size;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod trials;
