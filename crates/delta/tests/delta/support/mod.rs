//! Values drawn from a seed, shared by the test programs.

pub(crate) mod draw;
pub(crate) mod history;
pub(crate) mod hostile;
