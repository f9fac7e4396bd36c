//! A live sync that goes on for a long time: one process writes, another listens, and neither may grow.

mod level;
mod listeners;
mod run;
mod writer;

pub use level::{Level, resident};
pub use run::{Failure, SteadyRun, Verdict};
pub use writer::write_steadily;
