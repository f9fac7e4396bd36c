//! A world of nodes, disks, clocks and a bad network around the state machine of `vectr-delta`, in virtual time.
//!
//! Everything follows from one seed: a seed that fails once fails again. The store keeps apart what is committed and
//! what a power cut would leave; an oracle remembers every write and what its writer had seen.

mod check;
mod climate;
mod database;
mod disasters;
mod fault;
mod heal;
mod link;
mod node;
mod oracle;
mod random;
mod requests;
mod run;
mod schedule;
mod sessions;
mod store;
mod strike;
mod transaction;
mod world;

pub use fault::Fault;
pub use run::{Outcome, run_seed, run_seeds, run_unnoticed_clone};
pub use strike::{Strike, Struck};
