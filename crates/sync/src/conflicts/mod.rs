//! Conflicts that a callback decides.

pub(crate) mod callback;
pub(crate) mod decisions;
pub(crate) mod handler;
