//! The simulator, with random faults and with deliberate ones.

mod certificate;
mod fork;
mod mutation;
mod simulation;
