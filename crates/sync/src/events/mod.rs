//! What happens in an engine, and how it reaches those who listen.

pub(crate) mod event;
pub(crate) mod hub;
