//! Whole systems: real processes, real files and real networks.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod alone;
#[cfg(target_os = "linux")]
mod disk;
mod killed_processes;
mod meshes;
mod no_udp;
#[cfg(target_os = "linux")]
mod preload;
mod protocol_vectors;
mod read_only;
#[cfg(target_os = "linux")]
mod resumed;
mod simultaneous;
#[cfg(target_os = "linux")]
mod steady;
