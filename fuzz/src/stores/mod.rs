//! Real stores: whatever they are sent or asked, they stay sound.

pub mod history;
pub(crate) mod pair;
pub(crate) mod reused;
pub mod session;
pub mod sql;
