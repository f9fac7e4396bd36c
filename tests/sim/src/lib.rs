//! A world of nodes, disks, clocks and a bad network around the state machine of `vectr-delta`, in virtual time.
//!
//! One seed determines everything, so a failing seed fails again. The store distinguishes what is committed from what
//! would survive a power cut; an oracle records every write and what its writer had seen.

mod check;
mod climate;
mod database;
mod disasters;
mod disk;
mod fault;
mod feeds;
mod heal;
mod hellos;
mod link;
mod node;
mod oracle;
mod questions;
mod random;
mod repairs;
mod requests;
mod run;
mod schedule;
mod sessions;
mod store;
mod strike;
mod transaction;
mod twins;
mod world;

pub use fault::Fault;
pub use run::{Outcome, run_seed, run_seeds, run_shared_certificate, run_unnoticed_clone};
pub use strike::{Strike, Struck};
