//! The simulator, with random faults and with deliberate ones.

mod fork;
mod mutation;
mod simulation;
