//! What a sync engine uses.

pub(crate) mod serve;
pub(crate) mod session_id;
